"""A flood at twice the load that one installation sustains, beside sources that send a little.

    python benchmarks/speed/overload.py [--minutes 10] [--factor 2] [--sources 12]

Measures what is sustained with the same senders when the flood waits for its answers, then lets the flood
offer `factor` times as much, whatever it is answered. Prints every tenth of the time: memory, rows
acknowledged and refused, what waits, and the lag of the other sources (from a request made to its
acknowledgement, refusals and repeats included). Checks: acknowledged = stored, the others' 99th percentile
below 5 s, memory flat over the second half, everything back to normal within a minute of the end. The
baseline is the lag of the flood itself: what all would have in one queue.
"""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

import itertools

from benchmarks.speed._load import CONFIG, Server, server
from benchmarks.speed._overload import Process, flood, modest

# What is made from what comes in would count as stored and was sent by nobody.
QUIET = f"{CONFIG}\n[sources]\nown_metrics = false\n[derive]\nenabled = false\n"
STORED = {
    "samples": "petrel_samples_total",
    "logs": "petrel_log_records_total",
    "spans": "petrel_spans_total",
}
SERIES_A_REQUEST = 2000


@dataclass(frozen=True)
class Moment:
    """The server at one moment."""

    at: float
    memory_mib: float
    values: dict[str, float]

    @property
    def rows(self) -> float:
        return sum(self.values[name] for name in STORED.values())


def look(to: Server) -> Moment:
    lines = [
        line.split() for line in to.metrics().splitlines() if line and "{" not in line and line[0] != "#"
    ]
    return Moment(time.time(), to.memory_mib(), {words[0]: float(words[1]) for words in lines})


def sustained(to: Server, seconds: float, connections: int) -> float:
    """Rows a second when the flood waits for its answers; from the second half of the time."""
    closed = Process(flood, to.port, to.token, (0.0, connections, SERIES_A_REQUEST))
    time.sleep(seconds / 2)
    before = look(to)
    time.sleep(seconds / 2)
    after = look(to)
    closed.end()
    settle(to, 60.0)
    return (after.rows - before.rows) / (after.at - before.at)


def settle(to: Server, limit: float) -> float:
    """Seconds until nothing waits to be stored or judged."""
    started = time.monotonic()
    while time.monotonic() - started < limit:
        now = look(to).values
        if not (now["petrel_queue_rows"] or now["petrel_spill_rows"] or now["petrel_judge_lag_seconds"] > 1):
            break
        time.sleep(0.5)
    return time.monotonic() - started


def percentile(lags: list[tuple[float, float]], since: float, until: float, q: float) -> float:
    own = [lag for at, lag in lags if since <= at < until]
    return float(np.quantile(own, q)) if own else float("nan")


def report(moments: list[Moment], others: list[tuple[float, float]]) -> None:
    print("  minute   memory  rows/s stored  refused/s  queue rows  judge lag  others p50     p99     max")
    for before, after in itertools.pairwise(moments):
        seconds = after.at - before.at
        refused = "petrel_refused_rows_total"
        p50, p99, most = (percentile(others, before.at, after.at, q) for q in (0.5, 0.99, 1.0))
        print(
            f"  {(after.at - moments[0].at) / 60:6.2f} {after.memory_mib:8.0f} "
            f"{(after.rows - before.rows) / seconds:14,.0f} "
            f"{(after.values[refused] - before.values[refused]) / seconds:10,.0f} "
            f"{after.values['petrel_queue_rows']:11,.0f} {after.values['petrel_judge_lag_seconds']:9.1f}s "
            f"{p50:10.2f}s {p99:6.2f}s {most:6.2f}s"
        )


def run(minutes: float, factor: float, sources: int, connections: int) -> None:
    with server(QUIET) as to:
        rate = sustained(to, min(30.0, 15 * minutes), connections)
        print(f"sustained with the sender on this host: {rate:,.0f} rows/s; now {factor:g} times as much")
        start = look(to)
        steady = Process(modest, to.port, to.token, sources, 1.0)
        time.sleep(5)
        flooding = Process(flood, to.port, to.token, (factor * rate, 5 * connections, SERIES_A_REQUEST))
        moments = [look(to)]
        while len(moments) <= 10:
            time.sleep(max(0.0, moments[0].at + 6 * minutes * len(moments) - time.time()))
            moments.append(look(to))
        offered = flooding.end()
        ended = time.time()
        recovered = settle(to, 120.0)
        time.sleep(10)
        calm = steady.end()
        report(moments, calm["lags"])
        settle(to, 60.0)
        check(start, look(to), [offered, calm])
    during = percentile(calm["lags"], moments[0].at, ended, 0.99)
    own = percentile(offered["lags"], moments[0].at, ended, 0.99)
    middle, last = moments[len(moments) // 2].memory_mib, moments[-1].memory_mib
    wanted = offered["offered_rows"] / (moments[-1].at - moments[0].at)
    print(f"offered by the flood {wanted:,.0f} rows/s, refused requests {offered['refused']}")
    print(
        f"others: p99 {during:.2f} s (the flood itself {own:.2f} s: {own / during:.1f} times); "
        f"refused {calm['refused']}"
    )
    print(
        f"memory over the second half: {middle:.0f} to {last:.0f} MiB; "
        f"nothing waited {recovered:.1f} s after the end"
    )
    print(f"others' lag afterwards: {percentile(calm['lags'], ended + recovered, time.time(), 0.99):.2f} s")


def check(start: Moment, end: Moment, tallies: list[dict[str, dict[str, int]]]) -> None:
    for kind, name in STORED.items():
        acknowledged = sum(tally["acknowledged"][kind] for tally in tallies)
        stored = end.values[name] - start.values[name]
        told = "=" if acknowledged == stored else "DIFFERS FROM"
        print(f"{kind}: acknowledged {acknowledged:,} {told} stored {stored:,.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--factor", type=float, default=2.0)
    parser.add_argument("--sources", type=int, default=12)
    parser.add_argument("--connections", type=int, default=64)
    given = parser.parse_args()
    run(given.minutes, given.factor, given.sources, given.connections)
