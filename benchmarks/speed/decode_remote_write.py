"""Remote write decoding: our compiled decoder against the protobuf library with Python rows, in pairs.

    python benchmarks/speed/decode_remote_write.py [--series 2000] [--samples 1] [--rounds 40]

Does so for remote write 1.0 and for 2.0. Prints samples per second and core and the median of the paired
ratios. The baseline parses with protobuf's upb and makes one tuple a sample with the series looked up by its
labels: what a straightforward receiver does. All series are known beforehand to both; requests are
snappy-compressed.
"""

from __future__ import annotations

import argparse
import statistics
import struct
import time
from collections.abc import Callable

import cramjam

from stormpetrel.ingest.body import unpack
from stormpetrel.ingest.remote_write import V1_MESSAGE, V2_MESSAGE, RemoteWriteDecoder
from stormpetrel.ingest.remote_write_proto import WriteRequest, parse
from stormpetrel.ingest.remote_write_v2_proto import Request
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import PushRequest


def labels_of(i: int) -> list[tuple[str, str]]:
    """Labels as of a node exporter."""
    return [
        ("__name__", f"node_network_transmit_packets_total_{i % 50}"),
        ("cluster", "production-eu-west"),
        ("device", f"eth{i % 8}"),
        ("instance", f"10.0.{i // 400}.{i % 250}:9100"),
        ("job", "node"),
        ("number", str(i)),
    ]


def bits(value: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


def request_1(series: int, samples: int, start_millis: int) -> bytes:
    """A snappy-compressed 1.0 request as Prometheus would send it."""
    message = WriteRequest()
    for i in range(series):
        entry = message.timeseries.add()
        for name, value in labels_of(i):
            entry.labels.add(name=name.encode(), value=value.encode())
        for k in range(samples):
            entry.samples.add(value=bits(i * 1.5 + k), timestamp=start_millis + k * 15_000)
    return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))


def request_2(series: int, samples: int, start_millis: int) -> bytes:
    """The same as a 2.0 request, with metadata."""
    symbols = {"": 0, "packets": 1}
    message = Request()
    for i in range(series):
        entry = message.timeseries.add()
        for pair in labels_of(i):
            entry.labels_refs.extend(symbols.setdefault(text, len(symbols)) for text in pair)
        for k in range(samples):
            entry.samples.add(value=bits(i * 1.5 + k), timestamp=start_millis + k * 15_000)
        entry.metadata.type, entry.metadata.unit_ref = 1, 1
    message.symbols.extend(text.encode() for text in symbols)
    return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))


Ids = dict[tuple[tuple[bytes, bytes], ...], int]
Rows = list[tuple[int, int, int]]


def baseline_1(body: bytes, ids: Ids) -> Rows:
    """Protobuf, then one Python tuple a sample."""
    message = parse(WriteRequest, unpack(body, "snappy", 1 << 30))
    rows: Rows = []
    for entry in message.timeseries:
        series = ids.setdefault(tuple((label.name, label.value) for label in entry.labels), len(ids))
        rows.extend((series, sample.timestamp * 1_000_000, sample.value) for sample in entry.samples)
    return rows


def baseline_2(body: bytes, ids: Ids) -> Rows:
    """Protobuf, then one Python tuple a sample."""
    message = parse(Request, unpack(body, "snappy", 1 << 30))
    words = list(message.symbols)
    rows: Rows = []
    for entry in message.timeseries:
        refs = list(entry.labels_refs)
        key = tuple((words[name], words[value]) for name, value in zip(refs[::2], refs[1::2], strict=True))
        series = ids.setdefault(key, len(ids))
        rows.extend((series, sample.timestamp * 1_000_000, sample.value) for sample in entry.samples)
    return rows


def run(
    name: str, content_type: str, body: bytes, baseline: Callable[[bytes, Ids], Rows], rounds: int
) -> None:
    """The pairs of one version."""
    request = PushRequest(body, content_type, "snappy", "/api/v1/write", "bench", 0)
    decoder = RemoteWriteDecoder(SeriesRegistry(1_000_000), 1 << 30)
    ids: Ids = {}
    decoder.decode(request)
    rows = len(baseline(body, ids))
    ours, theirs = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        for _ in range(20):
            decoder.decode(request)
        ours.append(20 * rows / (time.perf_counter() - start))
        start = time.perf_counter()
        baseline(body, ids)
        theirs.append(rows / (time.perf_counter() - start))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    unpacked = len(unpack(body, "snappy", 1 << 30))
    print(f"remote write {name}: {rows} samples, {unpacked} bytes, {len(body)} compressed")
    print(f"storm petrel      {statistics.median(ours):12,.0f} samples/s")
    print(f"protobuf + Python {statistics.median(theirs):12,.0f} samples/s")
    print(f"paired ratio      {ratio:12.1f}")


def main() -> None:
    """Run the pairs and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=40)
    given = parser.parse_args()
    start = 1_700_000_000_000
    body = request_1(given.series, given.samples, start)
    run("1.0", f"application/x-protobuf;proto={V1_MESSAGE}", body, baseline_1, given.rounds)
    body = request_2(given.series, given.samples, start)
    run("2.0", f"application/x-protobuf;proto={V2_MESSAGE}", body, baseline_2, given.rounds)


if __name__ == "__main__":
    main()
