"""Loki pushes: decoding against a naive receiver in pairs, and HTTP to acknowledged insert.

    python benchmarks/speed/loki.py [--lines 1000000] [--per-request 5000] [--rounds 15] [--no-redaction]

The baseline does what a straightforward receiver does: the standard library's JSON (or the protobuf library),
then one Python tuple a line with its level found by regular expressions, then columns of the tuples. The
server is a real `petrel up` in a process of its own. The CPU time up to the acknowledged insert is that of
all threads but the two that judge what is stored; merges of the store are in it. Then, stage by stage, what a
line costs on its way into the store, in this process and in one thread: where the time goes.

On two cores shared with others (load 15, so read it as shares): 2.2 us a line in all stages, of which mining
0.59 (a compiled look-up 0.36, and every 128th line looked at in Python), the insert 0.58 (0.36 to hand the
columns to the engine and sort them, the rest compression and the writing of one part), decoding 0.48
(severity of the line, snappy, reading, copying the text), looking through texts for secrets and ids 0.27, all
else 0.25. Beside that the server spends 0.1 us on HTTP and on answering, and, after the answer, some 2 us on
merges (the index over texts is built there) and 0.9 us on judging: a core that does all of it takes a third
of what it acknowledges. A smaller insert needs another codec: LZ4 instead of ZSTD spares a tenth of it and
takes a third more room.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import cramjam
import numpy as np
import pyarrow as pa

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.speed._load import CONFIG, Server, server
from benchmarks.speed._post import compare, post_all, report

from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.config import RedactConfig, StoreConfig
from stormpetrel.app.patterns import PatternBook
from stormpetrel.app.prepare import Prepare
from stormpetrel.ingest.body import unpack
from stormpetrel.ingest.loki import LokiDecoder
from stormpetrel.ingest.loki_proto import LokiRequest
from stormpetrel.ingest.loki_streams import parse_labels
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.severity import severity_of
from stormpetrel.model.columns import build_logs
from stormpetrel.model.push import PushRequest
from stormpetrel.model.resource import entity_of
from stormpetrel.model.signal import LogBatch

PATH = "/loki/api/v1/push"
STREAMS = 20
SENTENCES = (
    'GET /api/v1/orders/{c} HTTP/1.1 200 {a} 0.{b} "-" "checkout/1.4" upstream=10.1.{a}.{b}:8080',
    'level=info ts=2026-01-01T00:00:{a:02d}Z caller=cart.go:{b} msg="cart updated" user=u{c} items={a}',
    "2026-01-01 00:00:{a:02d},{b:03d} WARN  [pool-{a}] c.s.Payment - retry {b} of order {c} after a timeout",
    "Connection to upstream 10.1.{a}.{b} timed out after {c} ms, trying the next of 3 servers",
)
_LEVEL = re.compile(
    r"""level=["']?(\w+)|[\[<(](error|warn|info|debug)[\]>)]|\b(FATAL|ERROR|WARN|INFO|DEBUG)\b""",
    re.IGNORECASE,
)

Lines = list[tuple[dict[str, str], list[tuple[int, str]]]]


def made(requests: int, per_request: int) -> list[Lines]:
    """Requests of `STREAMS` streams each; times end about now."""
    rng = np.random.default_rng(1)
    at = time.time_ns() - requests * per_request * 1000
    share = per_request // STREAMS
    found = []
    for _ in range(requests):
        numbers = rng.integers(0, [60, 250, 65536], (per_request, 3)).tolist()
        lines = [SENTENCES[c % 4].format(a=a, b=b, c=c) for a, b, c in numbers]
        streams = []
        for n in range(STREAMS):
            labels = {
                "cluster": "eu-1",
                "namespace": "shop",
                "pod": f"checkout-{n}",
                "container": "app",
                "job": "shop/checkout",
            }
            streams.append((labels, [(at + k, lines[k]) for k in range(n * share, (n + 1) * share)]))
        found.append(streams)
        at += per_request * 1000
    return found


def as_json(request: Lines) -> bytes:
    pushed = [
        {"stream": labels, "values": [[str(t), line] for t, line in lines]} for labels, lines in request
    ]
    return json.dumps({"streams": pushed}).encode()


def as_protobuf(request: Lines) -> bytes:
    message: Any = LokiRequest()
    for labels, lines in request:
        text = ", ".join(f'{name}="{value}"' for name, value in labels.items())
        stream = message.streams.add(labels=f"{{{text}}}".encode())
        for stamp, line in lines:
            entry = stream.entries.add(line=line.encode())
            entry.timestamp.seconds, entry.timestamp.nanos = divmod(stamp, 10**9)
    return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))


def naive_rows(labels: dict[str, str], lines: list[tuple[int, str]]) -> list[tuple[int, str, str, int, str]]:
    rows = []
    for stamp, line in lines:
        level = _LEVEL.search(line)
        severity = severity_of(next(g for g in level.groups() if g)) if level else 0
        rows.append((stamp, line, entity_of(labels), severity, json.dumps(labels)))
    return rows


def naive_batch(rows: list[tuple[int, str, str, int, str]]) -> object:
    times, body, entity, severity, attributes = zip(*rows, strict=True)
    return build_logs(
        times,
        body,
        source="s",
        entity=entity,
        severity_number=severity,
        attributes=attributes,
        request_token=1,
    )


def naive_json(body: bytes) -> object:
    rows = []
    for stream in json.loads(gzip.decompress(body))["streams"]:
        rows += naive_rows(stream["stream"], [(int(stamp), line) for stamp, line in stream["values"]])
    return naive_batch(rows)


def naive_protobuf(body: bytes) -> object:
    rows = []
    for stream in LokiRequest.FromString(unpack(body, "snappy", 1 << 30)).streams:
        labels = parse_labels(stream.labels.decode()) or {}
        lines = [(e.timestamp.seconds * 10**9 + e.timestamp.nanos, e.line.decode()) for e in stream.entries]
        rows += naive_rows(labels, lines)
    return naive_batch(rows)


def decoding(rounds: int, per_request: int) -> None:
    (request,) = made(1, per_request)
    decoder = LokiDecoder(SeriesRegistry(), 1 << 30)
    packed, binary = gzip.compress(as_json(request)), as_protobuf(request)

    def decode(body: bytes, kind: str, encoding: str) -> object:
        return decoder.decode(PushRequest(body, kind, encoding, PATH, "bench", 1))

    compare(
        "decode JSON, gzip      ", per_request, rounds,
        lambda: decode(packed, "application/json", "gzip"), lambda: naive_json(packed),
    )  # fmt: skip
    compare(
        "decode protobuf, snappy", per_request, rounds,
        lambda: decode(binary, "application/x-protobuf", "snappy"), lambda: naive_protobuf(binary),
    )  # fmt: skip


def through(to: Server, requests: list[Lines], connections: int) -> None:
    warm, rest = requests[:4], requests[4:]
    for name, kind, encode in (
        ("protobuf, snappy", "application/x-protobuf", as_protobuf),
        ("JSON", "application/json", as_json),
    ):
        post_all(to, PATH, {"Content-Type": kind}, list(map(encode, warm)), connections)
        to.wait_judged()
        bodies = list(map(encode, rest))
        report(
            to, "petrel_log_records_total", name, "lines",
            partial(post_all, to, PATH, {"Content-Type": kind}, bodies, connections),
        )  # fmt: skip


def stages(requests: list[Lines], requests_an_insert: int = 20) -> None:
    """Print the median cost of each stage in microseconds a line, in the order in which they run."""
    decoder, prepare, book = LokiDecoder(SeriesRegistry(), 1 << 30), Prepare(RedactConfig()), PatternBook()
    spent: defaultdict[str, float] = defaultdict(float)
    inserts: list[dict[str, float]] = []

    def timed(name: str, work: Callable[..., Any], *given: Any) -> Any:
        start = time.thread_time()
        done = work(*given)
        spent[name] += time.thread_time() - start
        return done

    with tempfile.TemporaryDirectory() as folder, closing(open_store(StoreConfig(), Path(folder))) as store:
        for first in range(0, len(requests), requests_an_insert):
            spent.clear()
            batches = []
            for one in requests[first : first + requests_an_insert]:
                push = PushRequest(as_protobuf(one), "application/x-protobuf", "snappy", PATH, "bench", 1)
                logs = timed("decode", decoder.decode, push).logs
                batches.append(timed("secrets and ids", prepare, logs).records)
            logs = LogBatch(timed("put together", pa.concat_batches, batches))
            timed("insert", store.insert_logs, timed("mine", book.mine, logs), f"insert {first}")
            inserts.append({name: 1e6 * seconds / len(logs) for name, seconds in spent.items()})
    costs = {name: statistics.median(one[name] for one in inserts[1:]) for name in inserts[0]}
    print("stages, us a line: " + ", ".join(f"{name} {cost:.3f}" for name, cost in costs.items()))
    print(f"    ... {sum(costs.values()):.3f} in all: {1e6 / sum(costs.values()):,.0f} lines/s a core")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=1_000_000)
    parser.add_argument("--per-request", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument("--no-redaction", action="store_true")
    given = parser.parse_args()
    decoding(given.rounds, given.per_request)
    requests = made(4 + given.lines // given.per_request, given.per_request)
    config = CONFIG + ("[redact]\nenabled = false\n" if given.no_redaction else "")
    with server(config) as to:
        through(to, requests, given.connections)
        print(f"server memory: {to.memory_mib():.0f} MiB")
    stages(requests)


if __name__ == "__main__":
    main()
