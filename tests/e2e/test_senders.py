"""Real senders on loopback: what they say they sent is what is stored, sample for sample."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.e2e.conftest import Petrel, wait_until
from tests.e2e.prometheus_sender import check_stored, prometheus

pytestmark = pytest.mark.e2e

OTEL_PROGRAM = """
import logging, sys
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

url, token = sys.argv[1:]
to = {"headers": {"Authorization": "Bearer " + token}}
resource = Resource.create({"service.name": "checkout"})
exporter = OTLPMetricExporter(url + "/v1/metrics", **to)
meters = MeterProvider([PeriodicExportingMetricReader(exporter, 3_600_000)], resource=resource)
tracers = TracerProvider(resource=resource)
span_exporter = OTLPSpanExporter(url + "/v1/traces", **to)
tracers.add_span_processor(BatchSpanProcessor(span_exporter, max_queue_size=9000))
loggers = LoggerProvider(resource=resource)
log_exporter = OTLPLogExporter(url + "/v1/logs", **to)
loggers.add_log_record_processor(BatchLogRecordProcessor(log_exporter, max_queue_size=9000))
log = logging.getLogger("shop")
log.addHandler(LoggingHandler(logger_provider=loggers))
log.setLevel(logging.INFO)
counter = meters.get_meter("shop").create_counter("orders", unit="1")
gauge = meters.get_meter("shop").create_gauge("queue_depth")
tracer = tracers.get_tracer("shop")
for n in range(1500):
    with tracer.start_as_current_span("order"):
        with tracer.start_as_current_span("charge"):
            counter.add(2, {"country": "de" if n % 2 else "fr"})
            log.warning("order %d is late", n)
gauge.set(42.5)
for provider in (meters, tracers, loggers):
    provider.shutdown()
"""


def tables(petrel: Petrel) -> dict[str, int]:
    return {name: rows for name, rows, _ in petrel.get("/api/v1/about").json()["tables"]}


def test_prometheus_and_node_exporter_by_remote_write(petrel: Petrel, tmp_path: Path) -> None:
    petrel.start()
    with prometheus(petrel, tmp_path) as sender:
        wait_until(lambda: tables(petrel).get("samples", 0) > 5000, 60, lambda: petrel.output[-2000:])
        sender.finish_scraping()
    check_stored(petrel, sender, tmp_path)


def test_the_opentelemetry_sdk_exports_metrics_logs_and_traces(petrel: Petrel, tmp_path: Path) -> None:
    petrel.start()
    program = tmp_path / "shop.py"
    program.write_text(OTEL_PROGRAM)
    done = subprocess.run(
        [sys.executable, str(program), petrel.url, petrel.token],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Failed to export" not in done.stderr
    rows = tables(petrel)
    assert rows["spans"] == 3000
    assert rows["logs"] == 1500
    assert rows["samples"] == 3  # orders of two countries, and the queue depth
    found = petrel.get("/api/v1/series", text="queue_depth").json()["series"]
    points = petrel.get(f"/api/v1/series/{found[0]['series']}/points", **{"from": "-1h", "to": "now"}).json()
    assert points["points"]["mean"] == [42.5]
    record = petrel.get("/api/v1/logs", text="order 1499 is late").json()["records"]
    assert len(record) == 1
    assert record[0]["entity"] == "service:checkout"
    assert record[0]["severity_number"] == 13
    assert len(record[0]["trace_id"]) == 32
