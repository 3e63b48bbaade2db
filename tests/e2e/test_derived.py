"""Spans of a real OpenTelemetry SDK: their exact RED counts are stored, and no secret of theirs is."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import CONFIG, Petrel, wait_until
from tests.e2e.sent import exported

pytestmark = pytest.mark.e2e

PROGRAM = """
import sys, time
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode, set_span_in_context

url, token = sys.argv[1:]
auth = {"Authorization": "Bearer " + token}
tracers = {}
for service in ("web", "orders"):
    tracers[service] = TracerProvider(resource=Resource.create({"service.name": service}))
    exporter = OTLPSpanExporter(url + "/v1/traces", headers=auth)
    tracers[service].add_span_processor(BatchSpanProcessor(exporter, max_queue_size=9000))
web, orders = (tracers[s].get_tracer("t") for s in ("web", "orders"))
for n in range(300):
    entry = web.start_span(f"GET /orders/{n}?token=abc{n}", kind=SpanKind.SERVER)
    call = web.start_span("call", context=set_span_in_context(entry), kind=SpanKind.CLIENT)
    served = orders.start_span("load", context=set_span_in_context(call), kind=SpanKind.SERVER)
    served.set_attribute("db.password", "hunter2")
    if n % 10 == 0:
        served.set_status(StatusCode.ERROR, "no order for bob@example.org")
    served.end(); call.end(); entry.end()
    time.sleep(0.002)
for tracer in tracers.values():
    tracer.shutdown()
"""


def sums(rows: list[dict[str, Any]]) -> dict[str, float]:
    """The sum of all stored samples, by series."""
    found: dict[str, float] = {}
    for row in rows:
        text = f"{row['metric']}{sorted(json.loads(row['labels']).items())}"
        found[text] = found.get(text, 0.0) + row["value"]
    return found


def test_an_sdks_spans_give_exact_red_counts(petrel: Petrel, tmp_path: Path) -> None:
    petrel.config = CONFIG + "[derive]\nstep_seconds = 1\nlate_seconds = 6\n"
    petrel.start()
    time.sleep(1.1)  # the window in which it started is not told
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    subprocess.run([sys.executable, program, petrel.url, petrel.token], check=True, timeout=60)

    def derived() -> float:
        text = petrel.get("/metrics").text
        return sum(
            float(line.split()[1]) for line in text.splitlines() if line.startswith("petrel_derived_samples")
        )

    wait_until(lambda: derived() > 0, 30)
    time.sleep(9)
    assert petrel.stop() == 0
    found = sums(exported(petrel, "samples", tmp_path / "samples.parquet"))

    def total(metric: str, **labels: str) -> float:
        return found[f"{metric}{sorted(labels.items())}"]

    entry = {"service": "web", "operation": "GET /orders/{id}"}
    assert (total("span_requests", **entry), total("span_errors", **entry)) == (300, 0)
    served = {"service": "orders", "operation": "load"}
    assert (total("span_requests", **served), total("span_errors", **served)) == (300, 30)
    edge = {"client": "web", "server": "orders"}
    assert (total("service_edge_requests", **edge), total("service_edge_errors", **edge)) == (300, 30)
    spans = exported(petrel, "spans", tmp_path / "spans.parquet")
    assert len(spans) == 900
    kept = str(spans)
    assert "token=[secret]" in kept
    assert not [secret for secret in ("token=abc", "hunter2", "bob@example.org") if secret in kept]
