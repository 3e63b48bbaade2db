"""Syslog over a real TCP connection of this host, from the first byte sent to the last acknowledged insert.

    python benchmarks/speed/syslog.py [--lines 300000] [--rounds 5]

Sender, listener, writer and store are one process; what is stated is lines a second of its processor time
(all threads, the sender's, which only writes prepared bytes, included) and of the clock on the wall. The
baseline does for each line what a plain program would: one regular expression, `datetime`, a dictionary and
`json.dumps`; it neither receives nor stores. The parser alone is compared with it in pairs.
"""

from __future__ import annotations

import argparse
import json
import re
import socket
import statistics
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.sources.syslog import SyslogSource
from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.config import Config
from stormpetrel.app.config_sources import SyslogConfig
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.tally import SourceTally
from stormpetrel.app.writer import StoreWriter
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.syslog import SyslogParser

FORMS = ("rfc3164", "rfc5424", "counted")
_NAIVE_3164 = re.compile(r"<(\d+)>(\w{3} [ \d]\d \d\d:\d\d:\d\d) (\S+) ([^:\[]+)\[(\d+)\]: (.*)", re.DOTALL)
_NAIVE_5424 = re.compile(r"<(\d+)>1 (\S+) (\S+) (\S+) (\S+) (\S+) (-|\[.*?\]) (.*)", re.DOTALL)


def messages(lines: int, form: str) -> list[bytes]:
    """Lines of 8 hosts and 40 programs with 400 process ids, a hundred a second, some 110 bytes each."""
    made = []
    start = time.time() - lines / 100
    for n in range(lines):
        moment = datetime.fromtimestamp(start + n / 100, UTC)
        text = f"request {n} to /api/cart took {n % 97} ms and returned 200 to 10.0.{n % 250}.7"
        host, app, pid = f"web-{n % 8}", f"app-{n % 40}", 1000 + n % 400
        if form == "rfc3164":
            made.append(f"<{n % 24 * 8 + 6}>{moment:%b %e %H:%M:%S} {host} {app}[{pid}]: {text}".encode())
        else:
            stamp = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
            made.append(
                f'<{n % 24 * 8 + 6}>1 {stamp} {host} {app} {pid} - [timeQuality tzKnown="1"] {text}'.encode()
            )
    return made


def naive(made: list[bytes], form: str) -> list[dict[str, Any]]:
    """What a plain program does."""
    rows = []
    for message in made:
        text = message.decode("utf-8", "replace")
        if form == "rfc3164":
            match = _NAIVE_3164.match(text)
            assert match is not None
            priority, stamp, host, app, pid, body = match.groups()
            moment = datetime.strptime(f"{datetime.now(UTC).year} {stamp}", "%Y %b %d %H:%M:%S").replace(
                tzinfo=UTC
            )
        else:
            match = _NAIVE_5424.match(text)
            assert match is not None
            priority, stamp, host, app, pid, _, _, body = match.groups()
            moment = datetime.fromisoformat(stamp)
        rows.append(
            {
                "time": int(moment.timestamp() * 1e9),
                "entity": f"host:{host}",
                "severity": int(priority) % 8,
                "attributes": json.dumps({"process": app, "pid": pid, "facility": int(priority) // 8}),
                "body": body,
            }
        )
    return rows


def compare_parsers(made: list[bytes], form: str, rounds: int) -> None:
    parser, peers = SyslogParser(), ["127.0.0.1"] * len(made)
    pairs = []
    for _ in range(rounds):
        begun = time.perf_counter()
        for first in range(0, len(made), 8192):
            parser.parse(made[first : first + 8192], peers[first : first + 8192], time.time_ns())
        between = time.perf_counter()
        naive(made, form)
        pairs.append((between - begun, time.perf_counter() - between))
    ours, theirs = (len(made) / statistics.median(one) for one in zip(*pairs, strict=True))
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"{form:8} parser {ours:9,.0f} lines/s, baseline {theirs:9,.0f}, paired ratio {ratio:.1f}")


def measure(made: list[bytes], form: str) -> tuple[float, float]:
    """Seconds of the processor and of the wall from the first byte to the last acknowledgement."""
    counted = form == "counted"
    stream = b"".join(b"%d %s" % (len(one), one) if counted else one + b"\n" for one in made)
    with tempfile.TemporaryDirectory() as directory:
        config = Config(data_dir=Path(directory))
        store = open_store(config.store, config.data_dir)
        pipeline, tally, clock = Pipeline(config, SeriesRegistry()), SourceTally(), SystemClock()
        writer = StoreWriter(pipeline, store, clock, tally, lambda _: None)
        writer.start(store.recent_tokens(clock.now_unix_nano()))
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            port = taken.getsockname()[1]
        source = SyslogSource(SyslogConfig(tcp_port=port), SyslogParser().parse, clock)
        stop = threading.Event()
        thread = threading.Thread(target=source.run, args=(writer, stop))
        thread.start()
        with connect(port) as sender:
            cpu, wall = time.process_time(), time.perf_counter()
            sender.sendall(stream)
            while writer.stats.log_records_total < len(made):
                time.sleep(0.005)
            spent = time.process_time() - cpu, time.perf_counter() - wall
        stop.set()
        thread.join()
        writer.stop()
        store.close()
    return spent


def connect(port: int) -> socket.socket:
    while True:
        try:
            return socket.create_connection(("127.0.0.1", port))
        except ConnectionRefusedError:
            time.sleep(0.05)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=300_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    for form in FORMS:
        made = messages(arguments.lines, form)
        if form != "counted":
            compare_parsers(made[:50_000], form, arguments.rounds)
        spent = [measure(made, form) for _ in range(arguments.rounds)]
        cpu, wall = (arguments.lines / statistics.median(one) for one in zip(*spent, strict=True))
        print(
            f"{form:8} TCP to acknowledged insert, lines/s: {cpu:9,.0f} of a core, {wall:9,.0f} of the wall"
        )


if __name__ == "__main__":
    main()
