"""OTLP log decoding to a log batch, against the plain way to do it, in pairs.

    python benchmarks/speed/decode_otlp_logs.py [--records 1000] [--rounds 50]

The baseline for protobuf parses with the protobuf library (upb) and makes a row of Python values of each
record, then columns of the rows; the one for JSON does the same behind `json_format.Parse`. "10% nested" has
a list among the attributes of every tenth record. Both are checked to give the same columns. Rates are per
second of processor time: a core's, whatever else the machine does.
"""

from __future__ import annotations

import argparse
import base64
import gc
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from stormpetrel.ingest.otlp_logs import OtlpLogsDecoder
from stormpetrel.ingest.otlp_logs_rows import columns_of, message_rows
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs
from stormpetrel.model.push import PushRequest
from stormpetrel.model.signal import LogBatch


def request_message(records: int, nested: bool = False) -> Any:
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
        if nested and i % 10 == 0:
            record.attributes.add(key="tags").value.array_value.values.add(string_value="slow")
    return message


def plainly(message: Any) -> LogBatch:
    """A parsed request as a log batch, by rows of Python values."""
    columns = columns_of(message_rows(message))
    return build_logs(
        columns.time.view("int64"),
        columns.body,
        source="bench",
        observed_unix_nano=columns.observed.view("int64"),
        entity=columns.entity,
        severity_number=columns.severity,
        attributes=columns.attributes,
        trace_id=columns.trace,
        span_id=columns.span,
    )


def protobuf_plainly(body: bytes) -> LogBatch:
    """A request by the protobuf library."""
    return plainly(ExportLogsServiceRequest.FromString(body))


def json_plainly(text: bytes) -> LogBatch:
    """A JSON request by the protobuf library; it takes ids for base64, which does not matter here."""
    return plainly(json_format.Parse(text, ExportLogsServiceRequest()))


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
            gc.collect()  # each pays for its own garbage
            start = time.process_time()
            work()
            pair.append(rows / (time.process_time() - start))
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
    parser.add_argument("--rounds", type=int, default=50)
    arguments = parser.parse_args()
    decoder = OtlpLogsDecoder(SeriesRegistry(), 1 << 30)
    gc.freeze()  # as `petrel up` does: what was imported is not looked through for garbage

    def decode(body: bytes, content_type: str) -> LogBatch:
        decoded = decoder.decode(PushRequest(body, content_type, "", "/v1/logs", "bench", 1))
        assert decoded.logs is not None
        return decoded.logs

    for name, nested in (("protobuf            ", False), ("protobuf, 10% nested", True)):
        body = request_message(arguments.records, nested).SerializeToString()
        ours, theirs = (
            batch.records.drop_columns("request_token")
            for batch in (decode(body, "application/x-protobuf"), protobuf_plainly(body))
        )
        assert ours.equals(theirs)
        compare(
            name,
            arguments.records,
            arguments.rounds,
            partial(decode, body, "application/x-protobuf"),
            partial(protobuf_plainly, body),
        )
    text = otlp_json(request_message(arguments.records))
    compare(
        "JSON                ",
        arguments.records,
        arguments.rounds,
        partial(decode, text, "application/json"),
        partial(json_plainly, text),
    )


if __name__ == "__main__":
    main()
