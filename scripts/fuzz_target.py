"""The process that `fuzz.py` starts: one decoder under atheris, which ends the process itself.

    python scripts/fuzz_target.py DECODER FOLDER SECONDS

An input is a byte that chooses the headers of one of the decoder's valid requests, then the body.
"""

from __future__ import annotations

import dataclasses
import importlib
import re
import sys
from importlib.metadata import entry_points
from pathlib import Path

import atheris

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

# A module that only speaks of compiled code is none: without its branches the fuzzer would see nothing.
COMPILED = re.compile(r"^(?:@njit|@compiled|from numba)\b", re.MULTILINE)

# What numba compiles cannot be instrumented: imported before, it stays as it is.
for path in sorted((ROOT / "src" / "stormpetrel" / "ingest").glob("*.py")):
    if COMPILED.search(path.read_text(encoding="utf-8")):
        importlib.import_module(f"stormpetrel.ingest.{path.stem}")

# What is imported in here tells the fuzzer which branches an input took.
with atheris.instrument_imports(include=["stormpetrel.ingest"]):
    from tests.ingest.decoders import conftest, test_contract

    from stormpetrel.errors import DecodeError
    from stormpetrel.ingest.series import SeriesRegistry

LIMIT = 4 << 20


def main(name: str, folder: Path, seconds: int) -> None:
    """Write the seeds, then fuzz until the time is over or something breaks."""
    (entry,) = entry_points(group="stormpetrel.decoders", name=name)
    with atheris.instrument_imports(include=["stormpetrel.ingest"]):
        decoder = entry.load()(SeriesRegistry(), LIMIT)
    build = {
        "logs": conftest.log_request,
        "traces": conftest.span_request,
        "metrics": conftest.metric_request,
    }
    requests = test_contract.requests_of(name, build, conftest.push)
    for number, request in enumerate(requests):
        (folder / "corpus" / f"seed-{number}").write_bytes(bytes([number]) + request.body)

    def one(data: bytes) -> None:
        if not data:
            return
        request = dataclasses.replace(requests[data[0] % len(requests)], body=data[1:])
        try:
            decoder.decode(request)
        except DecodeError:
            return

    # What is imported and compiled with the first request of a kind is not the time that an input takes.
    for number, request in enumerate(requests):
        one(bytes([number]) + request.body)
    options = [f"-max_total_time={seconds}", "-timeout=5", "-rss_limit_mb=2048", "-max_len=65536"]
    atheris.Setup(["fuzz", *options, f"-artifact_prefix={folder}/", str(folder / "corpus")], one)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]))
