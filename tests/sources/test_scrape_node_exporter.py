"""Scraping Prometheus' own node exporter, where it is installed."""

from __future__ import annotations

import shutil
import socket
import subprocess
from typing import Any

import psutil
import pytest

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.sources.scrape import ScrapeSource
from stormpetrel.app.config_sources import ScrapeConfig
from stormpetrel.ingest.exposition import ExpositionParser
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import MetricKind
from stormpetrel.testing.memory import MemoryIntake

EXPORTER = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")


@pytest.mark.e2e
@pytest.mark.skipif(EXPORTER is None, reason="no node exporter on this host")
def test_the_node_exporter_is_read_whole(running: Any, until: Any) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    registry, intake = SeriesRegistry(), MemoryIntake()
    config = ScrapeConfig(name="node", url=f"http://{address}/metrics", interval_seconds=1, timeout_seconds=5)
    command = [str(EXPORTER), f"--web.listen-address={address}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as exporter:
        try:
            with running(
                ScrapeSource(config, ExpositionParser(registry).parse, registry, SystemClock()), intake
            ):
                until(lambda: sum(len(kept.batch) > 100 for kept in intake.kept()) >= 2, 20)
        finally:
            exporter.kill()
    batch = intake.metric_batches()[-1]
    told = {
        registry.info(s).text(): v for s, v in zip(batch.series.tolist(), batch.value.tolist(), strict=True)
    }
    total = f'node_memory_MemTotal_bytes{{instance="{address}",job="node"}}'
    assert told[total] == psutil.virtual_memory().total
    kinds = {registry.info(s).metric: registry.info(s).kind for s in batch.series.tolist()}
    assert kinds["node_cpu_seconds_total"] is MetricKind.COUNTER
    assert kinds["node_load1"] is MetricKind.GAUGE
    assert kinds["up"] is MetricKind.GAUGE
    assert {r.reason for r in intake.refusals()} <= {"scrape_failed"}  # while it was starting
