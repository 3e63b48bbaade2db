"""OpenTelemetry's own SDK as a sender, over gRPC or HTTP; what is stored of it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.e2e.conftest import Petrel, wait_until
from tests.e2e.sent import exported

# Sends rounds of one log record batch, one metric point and one span, each until it is acknowledged or given
# up, and tells at the end what was acknowledged.
PROGRAM = """
import json, logging, sys, time
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

way, url, token, rounds, pause = *sys.argv[1:4], int(sys.argv[4]), float(sys.argv[5])
to = {"headers": {"authorization": "Bearer " + token}, "timeout": 60}
if way == "grpc":
    from grpc import Compression
    from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    to["insecure"] = True
    ends = [url, url, url]
else:
    from opentelemetry.exporter.otlp.proto.http import Compression
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    ends = [url + path for path in ("/v1/logs", "/v1/metrics", "/v1/traces")]
to["compression"] = Compression.Gzip
exporters = (OTLPLogExporter, OTLPMetricExporter, OTLPSpanExporter)
logs_to, metrics_to, spans_to = (make(endpoint=end, **to) for make, end in zip(exporters, ends))
resource = Resource.create({"service.name": "checkout"})
records, spans, reader = InMemoryLogRecordExporter(), InMemorySpanExporter(), InMemoryMetricReader()
loggers, tracers = LoggerProvider(resource=resource), TracerProvider(resource=resource)
loggers.add_log_record_processor(SimpleLogRecordProcessor(records))
tracers.add_span_processor(SimpleSpanProcessor(spans))
gauge = MeterProvider([reader], resource=resource).get_meter("shop").create_gauge("queue_depth")
log = logging.getLogger("shop")
log.addHandler(LoggingHandler(logger_provider=loggers))
log.setLevel(logging.INFO)
log.propagate = False
done = {"logs": [], "metrics": [], "spans": []}
for n in range(rounds):
    for k in range(20):
        log.warning("order %d is late", 20 * n + k)
    with tracers.get_tracer("shop").start_as_current_span("order %d" % n):
        pass
    gauge.set(n)
    if logs_to.export(records.get_finished_logs()).name == "SUCCESS":
        done["logs"].append(n)
    if metrics_to.export(reader.get_metrics_data()).name == "SUCCESS":
        done["metrics"].append(n)
    if spans_to.export(spans.get_finished_spans()).name == "SUCCESS":
        done["spans"].append(n)
    records.clear(), spans.clear()
    time.sleep(pause)
print(json.dumps(done))
"""


class Sender:
    """The program above, running."""

    def __init__(self, petrel: Petrel, way: str, url: str, rounds: int, pause_seconds: float) -> None:
        program = petrel.directory / "shop.py"
        program.write_text(PROGRAM)
        arguments = [way, url, petrel.token, str(rounds), str(pause_seconds)]
        self.process = subprocess.Popen(
            [sys.executable, str(program), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def acknowledged(self) -> dict[str, list[int]]:
        out, trouble = self.process.communicate(timeout=120)
        assert self.process.returncode == 0, trouble
        found: dict[str, list[int]] = json.loads(out)
        return found


def rows(petrel: Petrel) -> dict[str, int]:
    return {name: count for name, count, _ in petrel.get("/api/v1/about").json()["tables"]}


def stored(petrel: Petrel, what: str) -> list[dict[str, Any]]:
    return exported(petrel, what, Path(petrel.directory / f"{what}.parquet"))


def check_interrupted(petrel: Petrel, way: str, url: str) -> None:
    """Storm Petrel is stopped and then killed while the SDK sends: all is acknowledged, and stored once."""
    petrel.start()
    rounds = 24
    sender = Sender(petrel, way, url, rounds, 0.05)
    wait_until(lambda: rows(petrel)["logs"] >= 60, 60)
    assert petrel.stop() == 0
    petrel.start()
    wait_until(lambda: rows(petrel)["logs"] >= 200, 60)
    petrel.kill()
    petrel.start()
    done = sender.acknowledged()
    assert {signal: len(numbers) for signal, numbers in done.items()} == dict.fromkeys(done, rounds)
    assert rows(petrel)["spans"] == rounds
    assert petrel.stop() == 0
    bodies = [row["body"] for row in stored(petrel, "logs")]
    assert sorted(bodies) == sorted(f"order {n} is late" for n in range(20 * rounds))
    values = [row["value"] for row in stored(petrel, "samples")]
    assert sorted(values) == [float(n) for n in range(rounds)]
