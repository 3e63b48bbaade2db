"""Prometheus' newer ways through all of Storm Petrel: remote write 2.0, native histograms, listed targets."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import cramjam
import httpx
import pytest
from tests.e2e.conftest import CONFIG, Petrel, free_port, http_post, wait_until

from stormpetrel.ingest.remote_write_proto import Histogram
from stormpetrel.ingest.remote_write_v2_proto import Request

pytestmark = pytest.mark.e2e

TYPE = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
SYMBOLS = [b"", b"__name__", b"orders_total", b"job", b"shop", b"rpc", b"seconds"]
EXPORTER = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")


def send(petrel: Petrel, message: Any, content_type: str = TYPE) -> httpx.Response:
    return http_post(
        f"{petrel.url}/api/v1/write",
        content=bytes(cramjam.snappy.compress_raw(message.SerializeToString())),
        headers={**petrel.auth, "Content-Type": content_type, "Content-Encoding": "snappy"},
        timeout=60,
    )


def series(petrel: Petrel, text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = petrel.get("/api/v1/series", text=text, limit=500).json()["series"]
    return found


def points(petrel: Petrel, number: int) -> list[float]:
    answer = petrel.get(f"/api/v1/series/{number}/points", **{"from": "-1h", "to": "now"}).json()
    return [float(value) for value in answer["points"]["mean"]]


def test_remote_write_2_is_stored_counted_and_answered(petrel: Petrel) -> None:
    petrel.start()
    now = int(time.time() * 1000)
    message = Request(symbols=SYMBOLS)
    entry = message.timeseries.add(labels_refs=[1, 2, 3, 4])
    entry.metadata.type = 1
    for age in (30, 15, 0):
        entry.samples.add(value=0x4059000000000000, timestamp=now - age * 1000)  # 100
    entry = message.timeseries.add(labels_refs=[1, 5, 3, 4])
    entry.metadata.type, entry.metadata.unit_ref = 3, 6
    spans = [{"offset": 1, "length": 1}]
    histogram = Histogram(count_int=3, timestamp=now, positive_spans=spans, positive_deltas=[3])
    entry.histograms.append(histogram.SerializeToString())
    answer = send(petrel, message)
    assert (answer.status_code, answer.content) == (204, b"")
    written = "x-prometheus-remote-write-{}-written"
    assert [answer.headers[written.format(n)] for n in ("samples", "histograms", "exemplars")] == [
        "3",
        "1",
        "0",
    ]
    (orders,) = series(petrel, "orders_total")
    assert orders["kind"] == "counter"
    assert len(series(petrel, "rpc_bucket")) == 38
    (two,) = [found for found in series(petrel, "rpc_bucket") if dict(found["labels"])["le"] == "2"]
    assert two["kind"] == "counter"
    message.timeseries[0].labels_refs[1] = 99
    partly = send(petrel, message)
    assert (partly.status_code, partly.headers[written.format("samples")]) == (400, "0")
    assert b"bad_symbol_ref" in partly.content
    assert (
        send(petrel, message, "application/x-protobuf;proto=io.prometheus.write.v9.Request").status_code
        == 415
    )
    assert petrel.stop() == 0


@pytest.mark.skipif(EXPORTER is None, reason="no node exporter on this host")
def test_listed_targets_are_scraped_into_the_store(tmp_path: Path) -> None:
    node = free_port()
    listed = tmp_path / "nodes.json"
    listed.write_text(json.dumps([{"targets": [f"127.0.0.1:{node}"], "labels": {"zone": "a"}}]))
    jobs = f'\n[[sources.discovery]]\nname = "node"\nfiles = ["{listed}"]\ninterval_seconds = 1\n'
    petrel = Petrel(tmp_path, CONFIG + jobs)
    command = [str(EXPORTER), f"--web.listen-address=127.0.0.1:{node}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as exporter:
        try:
            petrel.start()
            wait_until(lambda: bool(series(petrel, "node_load1 zone a")), 30, lambda: petrel.output[-2000:])
            (load,) = (found for found in series(petrel, "node_load1") if found["metric"] == "node_load1")
            assert load["source"] == "discovery:node"
            wait_until(lambda: len(points(petrel, load["series"])) >= 2, 30)
        finally:
            exporter.kill()
            assert petrel.stop() == 0
