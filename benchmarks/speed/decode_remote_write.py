"""Remote write decoding: our compiled decoder against the protobuf library with Python rows, in pairs.

    python benchmarks/speed/decode_remote_write.py [--series 2000] [--samples 1] [--rounds 40]

Prints samples per second and core for both and the median of the paired ratios. The baseline parses with
protobuf's upb and makes one tuple a sample with the series looked up by its labels: what a straightforward
receiver does. All series are known beforehand to both; requests are snappy-compressed.
"""

from __future__ import annotations

import argparse
import statistics
import struct
import time

import cramjam

from stormpetrel.ingest.body import unpack
from stormpetrel.ingest.remote_write import RemoteWriteDecoder
from stormpetrel.ingest.remote_write_proto import WriteRequest, parse
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import PushRequest


def request_bytes(series: int, samples: int, start_millis: int) -> bytes:
    """A snappy-compressed request as Prometheus would send it for a node exporter."""
    message = WriteRequest()
    for i in range(series):
        entry = message.timeseries.add()
        for name, value in (
            ("__name__", f"node_network_transmit_packets_total_{i % 50}"),
            ("cluster", "production-eu-west"),
            ("device", f"eth{i % 8}"),
            ("instance", f"10.0.{i // 400}.{i % 250}:9100"),
            ("job", "node"),
            ("number", str(i)),
        ):
            entry.labels.add(name=name.encode(), value=value.encode())
        for k in range(samples):
            bits = struct.unpack("<Q", struct.pack("<d", i * 1.5 + k))[0]
            entry.samples.add(value=bits, timestamp=start_millis + k * 15_000)
    return bytes(cramjam.snappy.compress_raw(message.SerializeToString()))


def baseline(body: bytes, ids: dict[tuple[tuple[bytes, bytes], ...], int]) -> list[tuple[int, int, int]]:
    """Protobuf, then one Python tuple a sample."""
    message = parse(WriteRequest, unpack(body, "snappy", 1 << 30))
    rows: list[tuple[int, int, int]] = []
    for entry in message.timeseries:
        series = ids.setdefault(tuple((label.name, label.value) for label in entry.labels), len(ids))
        rows.extend((series, sample.timestamp * 1_000_000, sample.value) for sample in entry.samples)
    return rows


def main() -> None:
    """Run the pairs and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--series", type=int, default=2000)
    parser.add_argument("--samples", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=40)
    arguments = parser.parse_args()
    body = request_bytes(arguments.series, arguments.samples, 1_700_000_000_000)
    request = PushRequest(body, "application/x-protobuf", "snappy", "/api/v1/write", "bench", 0)
    decoder = RemoteWriteDecoder(SeriesRegistry(1_000_000), 1 << 30)
    ids: dict[tuple[tuple[bytes, bytes], ...], int] = {}
    decoder.decode(request)
    baseline(body, ids)
    rows = arguments.series * arguments.samples
    ours, theirs = [], []
    for _ in range(arguments.rounds):
        start = time.perf_counter()
        for _ in range(20):
            decoder.decode(request)
        ours.append(20 * rows / (time.perf_counter() - start))
        start = time.perf_counter()
        baseline(body, ids)
        theirs.append(rows / (time.perf_counter() - start))
    ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
    unpacked = len(unpack(body, "snappy", 1 << 30))
    print(f"request: {rows} samples of {arguments.series} series, {unpacked} bytes, {len(body)} compressed")
    print(f"storm petrel      {statistics.median(ours):12,.0f} samples/s")
    print(f"protobuf + Python {statistics.median(theirs):12,.0f} samples/s")
    print(f"paired ratio      {ratio:12.1f}")


if __name__ == "__main__":
    main()
