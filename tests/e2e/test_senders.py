"""Real senders on loopback: what they say they sent is what is stored, sample for sample."""

from __future__ import annotations

import json
import math
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from tests.e2e.conftest import Petrel, free_port, wait_until

pytestmark = pytest.mark.e2e

PROMETHEUS = """
global: {{scrape_interval: 1s}}
scrape_configs:
  - job_name: node
    static_configs: [{{targets: ["127.0.0.1:{node}"]}}]
remote_write:
  - url: {url}/api/v1/write
    authorization: {{credentials: {token}}}
"""

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
    node, prometheus = free_port(), free_port()
    config = tmp_path / "prometheus.yml"
    config.write_text(PROMETHEUS.format(node=node, url=petrel.url, token=petrel.token))
    tsdb = tmp_path / "tsdb"
    exporter = subprocess.Popen(
        ["prometheus-node-exporter", f"--web.listen-address=127.0.0.1:{node}"], stderr=subprocess.DEVNULL
    )
    with (tmp_path / "prometheus.log").open("wb") as output:
        sender = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={tsdb}",
                f"--web.listen-address=127.0.0.1:{prometheus}",
            ],
            stderr=output,
        )
    try:
        wait_until(lambda: tables(petrel).get("samples", 0) > 5000, 60, lambda: petrel.output[-2000:])
        exporter.send_signal(signal.SIGTERM)
        exporter.wait(20)
        sent = r"prometheus_remote_storage_samples_total\{[^}]*\} (\S+)"
        pending = r"prometheus_remote_storage_samples_pending\{[^}]*\} (\S+)"

        def all_sent() -> bool:
            text = httpx.get(f"http://127.0.0.1:{prometheus}/metrics").text
            numbers = [float(n) for pattern in (sent, pending) for n in re.findall(pattern, text)]
            return len(numbers) == 2 and numbers[0] > 5000 and numbers[1] == 0

        wait_until(all_sent, 30)
    finally:
        # Prometheus flushes its remote-write queue when it is asked to end.
        sender.send_signal(signal.SIGTERM)
        assert sender.wait(60) == 0
        if exporter.poll() is None:
            exporter.kill()
            exporter.wait()
    assert petrel.stop() == 0
    dump = subprocess.run(["promtool", "tsdb", "dump", str(tsdb)], capture_output=True, text=True, check=True)
    wanted = dict(_prometheus_rows(dump.stdout))
    assert len(wanted) > 5000
    got = _exported(petrel, tmp_path / "samples.parquet")
    assert len(got) == len({key for key, _ in got}), "a sample is stored twice"
    assert dict(got) == wanted


def _prometheus_rows(dump: str) -> list[tuple[tuple[str, int], float]]:
    """`{__name__="up", job="node"} 1 1700000000000` a line; staleness markers are no samples."""
    rows = []
    for line in dump.splitlines():
        labels, value, stamp = re.findall(r"^(\{.*\}) (\S+) (\d+)$", line)[0]
        number = float(value)
        if not math.isnan(number):
            rows.append(((_canonical(labels), int(stamp)), number))
    return rows


def _canonical(labels: str) -> str:
    pairs = sorted(re.findall(r'(\w+)="((?:[^"\\]|\\.)*)"', labels))
    return ",".join(f"{name}={json.loads(chr(34) + value + chr(34))}" for name, value in pairs)


def _exported(petrel: Petrel, out: Path) -> list[tuple[tuple[str, int], float]]:
    command = [sys.executable, "-m", "stormpetrel.cli.main", "export", "--what", "samples"]
    command += [
        "--from",
        "-1h",
        "--to",
        "now",
        "--out",
        str(out),
        "--config",
        str(petrel.directory / "stormpetrel.toml"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    rows = pq.read_table(out).to_pylist()
    found = []
    for row in rows:
        pairs = {"__name__": row["metric"], **json.loads(row["labels"])}
        labels = ",".join(f"{name}={value}" for name, value in sorted(pairs.items()))
        found.append(((labels, row["time_unix_nano"] // 1_000_000), row["value"]))
    return found


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
