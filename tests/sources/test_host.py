"""This host's metrics against what psutil and /proc say of it."""

from __future__ import annotations

import math
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.sources import host_processes, host_readings
from stormpetrel.adapters.sources.host import HostSource
from stormpetrel.adapters.sources.host_processes import MAX_NAMES, OTHER, ProcessReader, _Sum
from stormpetrel.app.config_sources import HostSourceConfig
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricKind
from stormpetrel.testing.check_source import check_source
from stormpetrel.testing.memory import MemoryIntake

QUICK = HostSourceConfig(interval_seconds=0.2)


@pytest.fixture
def registry() -> SeriesRegistry:
    return SeriesRegistry()


def newest(intake: MemoryIntake, registry: SeriesRegistry) -> Any:
    """Value by series text of the newest batch."""
    batch = intake.metric_batches()[-1]
    return {
        registry.info(s).text(): v for s, v in zip(batch.series.tolist(), batch.value.tolist(), strict=True)
    }


def test_numbers_agree_with_the_host(registry: SeriesRegistry, running: Any, until: Any) -> None:
    intake = MemoryIntake()
    with running(HostSource(QUICK, registry, SystemClock(), "box"), intake):
        until(lambda: len(intake.kept()) >= 3)
    told = newest(intake, registry)
    memory, disk = psutil.virtual_memory(), psutil.disk_usage("/")
    assert told['host_memory_total_bytes{host="box"}'] == memory.total
    assert told['host_memory_used_ratio{host="box"}'] == pytest.approx(
        1 - memory.available / memory.total, abs=0.05
    )
    assert told['host_filesystem_used_ratio{host="box",mountpoint="/"}'] == pytest.approx(
        disk.percent / 100, abs=0.01
    )
    assert told['host_boot_time_seconds{host="box"}'] == psutil.boot_time()
    assert told['host_load_1m{host="box"}'] == pytest.approx(os.getloadavg()[0], abs=1.0)
    assert told['host_processes{host="box"}'] == pytest.approx(len(psutil.pids()), rel=0.3)
    modes = [value for text, value in told.items() if text.startswith("host_cpu_mode_ratio")]
    assert math.fsum(modes) == pytest.approx(1.0)
    assert 0 <= told['host_cpu_busy_ratio{host="box"}'] <= 1
    assert len(told) == len(intake.metric_batches()[-1])
    assert not intake.refusals()


def test_kinds_entities_and_grid(registry: SeriesRegistry, running: Any, until: Any) -> None:
    intake = MemoryIntake()
    with running(HostSource(QUICK, registry, SystemClock(), "box"), intake):
        until(lambda: len(intake.kept()) >= 4)
    times = [int(batch.time_unix_nano[0]) for batch in intake.metric_batches()]
    assert all(at % 200_000_000 == 0 for at in times)
    assert len(set(times)) == len(times)
    infos = {registry.info(s).metric: registry.info(s) for s in intake.metric_batches()[0].series.tolist()}
    assert infos["host_filesystem_used_ratio"].entity.startswith("host:box/filesystem:/")
    assert infos["host_memory_used_ratio"].entity == "host:box"
    assert infos["host_process_resident_bytes"].entity.startswith("host:box/process:")
    for metric, info in infos.items():
        assert (info.kind is MetricKind.COUNTER) == metric.endswith("_total"), metric
        assert (info.unit == "By") == ("_bytes" in metric), metric
        assert (info.unit == "1") == metric.endswith("_ratio"), metric


def test_a_busy_processor_and_its_process_show(registry: SeriesRegistry) -> None:
    source, intake = HostSource(QUICK, registry, SystemClock(), "box"), MemoryIntake()
    source.read(intake)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as burner:
        time.sleep(1.0)
        readings = source.read(intake)
        burner.kill()
    name = Path(sys.executable).resolve().name
    busy = {r.labels[-1][1]: r.value for r in readings if r.metric == "host_process_cpu_ratio"}
    assert busy.get(name, busy.get("python", 0.0)) > 0.2
    assert next(r.value for r in readings if r.metric == "host_cpu_busy_ratio") > 0.05


def test_a_file_system_filling_up_shows() -> None:
    before = {r.labels: r.value for r in host_readings.read_filesystems() if r.metric.endswith("used_bytes")}
    assert before
    for labels, value in before.items():
        stat = os.statvfs(labels[0][1])
        assert value == pytest.approx((stat.f_blocks - stat.f_bfree) * stat.f_frsize, rel=0.01)


def test_network_bytes_are_those_of_proc() -> None:
    lines = Path("/proc/net/dev").read_text().splitlines()[2:]
    received = {line.split(":")[0].strip(): int(line.split(":")[1].split()[0]) for line in lines}
    for reading in host_readings.read_interfaces():
        if reading.metric == "host_network_received_bytes_total":
            assert reading.value >= received[reading.labels[0][1]]
    assert "lo" not in {r.labels[0][1] for r in host_readings.read_interfaces()}


def test_pressure_is_read_in_seconds(tmp_path: Path) -> None:
    (tmp_path / "cpu").write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n")
    (tmp_path / "io").write_text("some avg10=0 total=1\nfull avg10=0 total=4000000\n")
    told = {(r.metric, r.labels[0][1]): r.value for r in host_readings.read_pressure(tmp_path)}
    assert told["host_pressure_some_seconds_total", "cpu"] == 2.5
    assert told["host_pressure_full_seconds_total", "io"] == 4.0
    assert list(host_readings.read_pressure(tmp_path / "none")) == []


def test_what_is_gone_is_ended_and_what_fails_is_reported(
    registry: SeriesRegistry, running: Any, until: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    intake = MemoryIntake()
    with running(HostSource(QUICK, registry, SystemClock(), "box"), intake):
        until(intake.kept)

        def dead(**_: bool) -> None:
            raise OSError("the disks do not answer")

        monkeypatch.setattr("psutil.disk_partitions", dead)
        until(intake.refusals)
        until(lambda: any(np.isnan(batch.value).any() for batch in intake.metric_batches()))
    refusal = intake.refusals()[0]
    assert (refusal.source, refusal.reason, refusal.example) == (
        "host",
        "unreadable",
        "the disks do not answer",
    )
    batch = intake.samples()
    ended = batch.series[batch.value.view(np.int64) == STALE_MARKER_BITS]
    metrics = {registry.info(s).metric for s in ended.tolist()}
    assert "host_filesystem_used_ratio" in metrics
    assert "host_memory_used_ratio" not in metrics


def test_names_of_processes_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_processes, "WEIGHS_MEMORY_SHARE", 0.0)  # on a host at rest nothing weighs
    reader = ProcessReader(5)
    reader._names = {f"name{k}" for k in range(MAX_NAMES)}
    names = {r.labels[0][1] for r in reader.read(1) if r.metric == "host_process_count"}
    assert names == {OTHER}


def test_what_weighs_nothing_gets_no_series() -> None:
    share = psutil.virtual_memory().total / 1000
    busy = _Sum(cpu_ratio=0.06, resident_bytes=1.0, count=1)
    chosen = ProcessReader(10)._choose(
        {**sums_of(shell=share, sleep=0.1 * share, db=6 * share), "cron": busy}
    )
    assert chosen == {"db", "cron"}


def test_an_incumbent_keeps_its_place_among_twice_the_top() -> None:
    reader = ProcessReader(1)
    share = psutil.virtual_memory().total / 1000  # a thousandth
    first = reader._choose(sums_of(a=10 * share, b=9 * share))
    second = reader._choose(sums_of(a=10 * share, b=11 * share))
    reader._shown = first
    third = reader._choose(sums_of(a=10 * share, b=11 * share))
    reader._shown = third
    fourth = reader._choose(sums_of(a=10 * share, b=11 * share, c=12 * share))
    assert (first, second, third, fourth) == ({"a"}, {"b"}, {"a"}, {"c"})


def sums_of(**resident: float) -> Any:
    return {name: _Sum(resident_bytes=amount, count=1) for name, amount in resident.items()}


def test_contract(registry: SeriesRegistry) -> None:
    check_source(lambda: HostSource(QUICK, registry, SystemClock(), socket.gethostname()))
