"""OTLP log decoding: protobuf and JSON against the protobuf library's own ways, in pairs.

    python benchmarks/speed/decode_otlp_logs.py [--records 1000] [--rounds 20]

The baseline for protobuf parses and makes one dictionary a record with `MessageToDict`; the one for JSON
parses with `json_format.Parse`, before any row is made.
"""

from __future__ import annotations

import argparse
import base64
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from stormpetrel.ingest.otlp_logs import OtlpLogsDecoder
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import PushRequest


def request_message(records: int) -> Any:
    """Records of one service with four attributes each."""
    message: Any = ExportLogsServiceRequest()
    group = message.resource_logs.add()
    for name, value in (
        ("service.name", "checkout"),
        ("host.name", "web-1"),
        ("telemetry.sdk.version", "1.30"),
    ):
        group.resource.attributes.add(key=name).value.string_value = value
    scope = group.scope_logs.add()
    for i in range(records):
        record = scope.log_records.add(
            time_unix_nano=1_700_000_000_000_000_000 + i,
            observed_time_unix_nano=1_700_000_000_000_000_000 + i,
            severity_number=9,
            severity_text="INFO",
            trace_id=i.to_bytes(16, "big"),
            span_id=i.to_bytes(8, "big"),
        )
        record.body.string_value = f"request {i} to /api/cart took {i % 97} ms and returned 200"
        record.attributes.add(key="http.request.method").value.string_value = "GET"
        record.attributes.add(key="http.route").value.string_value = "/api/cart"
        record.attributes.add(key="http.response.status_code").value.int_value = 200
        record.attributes.add(key="duration").value.double_value = i / 7
    return message


def otlp_json(message: Any) -> bytes:
    """The message as OTLP's JSON."""
    tree = json_format.MessageToDict(message, use_integers_for_enums=True)
    for record in tree["resourceLogs"][0]["scopeLogs"][0]["logRecords"]:
        for key in ("traceId", "spanId"):
            record[key] = base64.b64decode(record[key]).hex()
    return json.dumps(tree).encode()


def compare(
    name: str, rows: int, rounds: int, ours: Callable[[], object], theirs: Callable[[], object]
) -> None:
    """Print both rates and the median of the paired ratios."""
    rates: list[tuple[float, float]] = []
    for _ in range(rounds):
        pair = []
        for work in (ours, theirs):
            start = time.perf_counter()
            work()
            pair.append(rows / (time.perf_counter() - start))
        rates.append((pair[0], pair[1]))
    print(
        f"{name}: storm petrel {statistics.median(a for a, _ in rates):10,.0f} records/s, "
        f"baseline {statistics.median(b for _, b in rates):10,.0f}, "
        f"paired ratio {statistics.median(a / b for a, b in rates):.1f}"
    )


def main() -> None:
    """Run the pairs and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=20)
    arguments = parser.parse_args()
    message = request_message(arguments.records)
    decoder = OtlpLogsDecoder(SeriesRegistry(), 1 << 30)
    binary, text = message.SerializeToString(), otlp_json(message)

    def decode(body: bytes, content_type: str) -> None:
        decoder.decode(PushRequest(body, content_type, "", "/v1/logs", "bench", 1))

    compare(
        "protobuf",
        arguments.records,
        arguments.rounds,
        lambda: decode(binary, "application/x-protobuf"),
        lambda: json_format.MessageToDict(ExportLogsServiceRequest.FromString(binary)),
    )
    compare(
        "JSON    ",
        arguments.records,
        arguments.rounds,
        lambda: decode(text, "application/json"),
        lambda: json_format.Parse(text, ExportLogsServiceRequest()),
    )


if __name__ == "__main__":
    main()
