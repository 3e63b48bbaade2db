"""Fuzz a decoder with coverage feedback (atheris): any bytes give signals or a DecodeError, soon.

    pip install atheris
    python scripts/fuzz.py loki --seconds 600

Starts from the decoder's valid requests and from what is kept in `tests/fuzz/<decoder>/`, and keeps there
what reached new code (shrunk, at most 24 inputs) and whatever broke the contract (`crash-…`, `timeout-…`).
`tests/ingest/decoders/test_fuzz_seeds.py` replays all of them. Works for every entry point of the group
stormpetrel.decoders. A finding is an exception other than DecodeError, more than 5 seconds for one input,
or more than 2 GB of memory.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
from importlib.metadata import entry_points
from pathlib import Path

ROOT = Path(__file__).parent.parent
KEPT = ROOT / "tests" / "fuzz"
TARGET = Path(__file__).with_name("fuzz_target.py")
MOST_KEPT, MOST_BYTES = 24, 4096


def keep(name: str, folder: Path) -> int:
    """Move what is worth keeping beside the tests; how many findings there are."""
    place = KEPT / name
    place.mkdir(parents=True, exist_ok=True)
    found = sorted(p for p in folder.iterdir() if p.name.startswith(("crash-", "timeout-", "oom-")))
    for path in found:
        shutil.copy(path, place / path.name)
    corpus = sorted((folder / "corpus").iterdir(), key=lambda p: (p.stat().st_size, p.name))
    small = [path for path in corpus if path.stat().st_size <= MOST_BYTES]
    for path in small[:: max(1, len(small) // MOST_KEPT)][:MOST_KEPT]:
        content = path.read_bytes()
        (place / hashlib.sha256(content).hexdigest()[:16]).write_bytes(content)
    return len(found)


def main() -> int:
    """Fuzz in a child, since the fuzzer ends its process; then keep what it found."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("decoder", choices=sorted(e.name for e in entry_points(group="stormpetrel.decoders")))
    parser.add_argument("--seconds", type=int, default=600)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "corpus").mkdir()
        for path in sorted((KEPT / given.decoder).glob("*")):
            shutil.copy(path, folder / "corpus" / path.name)
        command = [sys.executable, str(TARGET), given.decoder, str(folder), str(given.seconds)]
        ended = subprocess.run(command, cwd=ROOT, check=False)
        findings = keep(given.decoder, folder)
    sys.stdout.write(f"{given.decoder}: {findings} findings, ended with {ended.returncode}\n")
    return int(findings > 0 or ended.returncode != 0)


if __name__ == "__main__":
    sys.exit(main())
