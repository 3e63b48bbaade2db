"""InfluxDB line protocol: decoding against a naive parser in pairs, and HTTP to acknowledged insert.

    python benchmarks/speed/influx.py [--series 100000] [--per-request 2000] [--ticks 20] [--rounds 15]

The baseline does what a straightforward receiver does: it splits each line in Python, makes one tuple a
field, and looks its series up by name and sorted tags. All series are known beforehand to both.
"""

from __future__ import annotations

import argparse
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.speed._load import Server, server
from benchmarks.speed._post import compare, post_all, report

from stormpetrel.ingest.influx import InfluxDecoder
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import PushRequest
from stormpetrel.model.signal import MetricBatch

PATH = "/api/v2/write"
FIELDS = ("usage_user", "usage_system", "usage_idle", "usage_iowait", "interrupts")


def request(first: int, lines: int, stamp: int, rng: np.random.Generator) -> bytes:
    """Lines as Telegraf writes them: three tags, four floats and a whole number."""
    values = (rng.random((lines, 4)) * 100).tolist()
    return b"".join(
        f"cpu,cpu=cpu{n % 16},host=web-{n // 16},region=eu-west usage_user={a!r},usage_system={b!r},"
        f"usage_idle={c!r},usage_iowait={d!r},interrupts={n}i {stamp}\n".encode()
        for n, (a, b, c, d) in enumerate(values, first)
    )


def naive(body: bytes, ids: dict[tuple[str, tuple[tuple[str, ...], ...]], int]) -> MetricBatch:
    rows = []
    for line in body.decode().splitlines():
        key, fields, stamp = line.split(" ")
        measurement, *tags = key.split(",")
        labels = tuple(sorted(tuple(tag.split("=")) for tag in tags))
        for field in fields.split(","):
            name, value = field.split("=")
            series = ids.setdefault((f"{measurement}_{name}", labels), len(ids))
            rows.append((series, int(stamp), float(value.rstrip("iu"))))
    series_, times, values = zip(*rows, strict=True)
    return MetricBatch(np.array(series_, np.uint32), np.array(times, np.int64), np.array(values))


def decoding(rounds: int, per_request: int) -> None:
    body = request(0, per_request, time.time_ns(), np.random.default_rng(1))
    decoder = InfluxDecoder(SeriesRegistry(), 1 << 30)
    ids: dict[tuple[str, tuple[tuple[str, ...], ...]], int] = {}

    def ours() -> object:
        return decoder.decode(PushRequest(body, "text/plain", "", PATH, "bench", 1))

    ours()
    naive(body, ids)
    compare("decode line protocol", per_request * len(FIELDS), rounds, ours, lambda: naive(body, ids))


def through(to: Server, lines: int, per_request: int, ticks: int, connections: int) -> None:
    rng = np.random.default_rng(2)
    start = (time.time_ns() // 10**9 - (ticks + 1) * 10) * 10**9
    made = [
        [request(first, per_request, start + tick * 10**10, rng) for first in range(0, lines, per_request)]
        for tick in range(ticks + 1)
    ]
    for name, bodies in (
        ("first sight of every series", made[0]),
        ("known series", [body for tick in made[1:] for body in tick]),
    ):
        report(
            to, "petrel_samples_total", name, "samples",
            partial(post_all, to, PATH, {"Content-Type": "text/plain"}, bodies, connections),
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=100_000)
    parser.add_argument("--per-request", type=int, default=2000)
    parser.add_argument("--ticks", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--connections", type=int, default=16)
    given = parser.parse_args()
    decoding(given.rounds, given.per_request)
    with server() as to:
        through(to, given.series // len(FIELDS), given.per_request, given.ticks, given.connections)
        print(f"server memory: {to.memory_mib():.0f} MiB")


if __name__ == "__main__":
    main()
