"""What redaction costs a log line, against Python's `re` on every line, in pairs.

Both go over the same batches turn by turn. The baseline runs one regular expression a kind (the same
spelling,
with lookaround where Python has it and RE2 has not) over every line and checks no digits, which errs in its
favour. Lines are real where `STORMPETREL_DATA` names a folder with `logs/dev/*/*_2k.log`, else made up;
one in
`--dirty` holds something to take out. The cost of a clean line is measured on lines without any.

    python benchmarks/speed/redact.py [--rows 50000] [--rounds 9] [--dirty 200]
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from stormpetrel.ingest.redact import Redactor
from stormpetrel.ingest.redact_kinds import KINDS
from stormpetrel.ingest.redact_text import TextRedactor
from stormpetrel.ingest.trace_ids import with_trace_ids
from stormpetrel.model.columns import build_logs
from stormpetrel.model.signal import LogBatch

DIRTY = (
    "user bob@example.org signed in from 10.0.0.{n}",
    "GET /login?token=abc{n}def&x=1 200",
    "paid order {n} with 4111 1111 1111 1111",
    'connect failed {{"host":"db-{n}","password":"hunter2"}}',
    "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w",
)
PLAIN = [
    (kind.name, re.compile(rule.replace("(?is)", "(?is)")))
    for kind in KINDS
    for rule, _ in kind.rules
] + [
    ("mail", re.compile(r"[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\.[A-Za-z]{2,24}")),
    ("card", re.compile(r"\b[2-6](?:[ -]?[0-9]){12,18}\b")),
    ("iban", re.compile(r"\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")),
]  # fmt: skip


def real_lines(rows: int) -> list[str]:
    """Lines of the folder that `STORMPETREL_DATA` names, over and over; none when there is no such folder."""
    folder = Path(os.environ.get("STORMPETREL_DATA", "/nonexistent"))
    lines = [
        line
        for path in sorted(folder.glob("logs/dev/*/*_2k.log"))
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
    ]
    rng = np.random.default_rng(7)
    return [lines[k] for k in rng.integers(0, len(lines), rows)] if lines else []


def made_lines(rows: int) -> list[str]:
    rng = np.random.default_rng(7)
    forms = (
        "2026-11-22T10:15:{a:02d}.123Z INFO web-{b} request {c:016x} GET /api/v2/cart took {a} ms: 200",
        "Nov 22 10:15:{a:02d} db-{b} postgres[{c}]: LOG: checkpoint complete: wrote {a} buffers",
        'level=warn ts=17000000{a:02d}000 caller=q.go:{b} msg="again" id=123e4567-e89b-12d3-a456-42{c:08d}',
        "blk_-{c}544583377289625738 terminating on 10.250.{a}.{b}:50010 after {c} keys",
    )
    numbers = rng.integers(1, 60, (rows, 3))
    return [forms[k % 4].format(a=int(a), b=int(b), c=int(c)) for k, (a, b, c) in enumerate(numbers)]


def batch_of(lines: list[str]) -> LogBatch:
    attributes = (
        '{"resource.service.name":"checkout","http.route":"/api/cart","http.response.status_code":200}'
    )
    return build_logs(list(range(1, len(lines) + 1)), lines, source="bench", attributes=attributes)


def naive(lines: list[str]) -> list[str]:
    done = []
    for line in lines:
        text = line
        for name, pattern in PLAIN:
            text = pattern.sub(f"[{name}]", text)
        done.append(text)
    return done


def seconds(work: object, *given: object) -> float:
    began = time.perf_counter()
    work(*given)  # type: ignore[operator]  # whatever is measured
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--dirty", type=int, default=200, help="one line in so many holds a secret")
    arguments = parser.parse_args()
    lines = real_lines(arguments.rows) or made_lines(arguments.rows)
    texts, redactor = TextRedactor(), Redactor()
    column = pa.array(lines, pa.string())
    clean = [line for line, left in zip(lines, texts.column(column).to_pylist(), strict=True) if line == left]
    mixed = [
        DIRTY[k // arguments.dirty % len(DIRTY)].format(n=k % 250) if k % arguments.dirty == 0 else line
        for k, line in enumerate((clean * 2)[: arguments.rows])
    ]
    pure, whole = pa.array(clean, pa.string()), batch_of(mixed)
    sample = mixed[:: max(1, len(mixed) // 2000)]
    piece = pa.array(mixed, pa.string())
    redactor.batch(whole), with_trace_ids(whole), texts.column(piece)  # compiled
    rows: dict[str, list[float]] = {"clean": [], "mixed": [], "batch": [], "ids": [], "naive": []}
    for _ in range(arguments.rounds):
        rows["clean"].append(seconds(texts.column, pure) / len(pure))
        rows["mixed"].append(seconds(texts.column, piece) / len(piece))
        rows["batch"].append(seconds(redactor.batch, whole) / len(whole))
        rows["ids"].append(seconds(with_trace_ids, whole) / len(whole))
        rows["naive"].append(seconds(naive, sample) / len(sample))
    cost = {name: 1e6 * statistics.median(values) for name, values in rows.items()}
    ratio = statistics.median(n / m for n, m in zip(rows["naive"], rows["mixed"], strict=True))
    print(
        f"{len(lines):,} lines, {np.mean([len(line) for line in lines]):.0f} letters each, "
        f"{len(lines) - len(clean)} hold something by themselves"
    )
    print(f"clean line            {cost['clean']:8.3f} us")
    print(f"one in {arguments.dirty} dirty       {cost['mixed']:8.3f} us")
    print(f"body and attributes   {cost['batch']:8.3f} us")
    print(f"trace ids             {cost['ids']:8.3f} us")
    print(f"Python re, each line  {cost['naive']:8.3f} us")
    print(f"paired ratio          {ratio:8.1f}")


if __name__ == "__main__":
    main()
