"""The deriver behind the writer: through the intake, never in the way, never from what is derived."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path

import numpy as np
import pytest
from tests.ingest.derive.spans import SECOND, T0, Span, batch

from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.config import Config, DeriveConfig, load_config
from stormpetrel.app.derive import Deriver, Told
from stormpetrel.app.replay import replay
from stormpetrel.app.runtime import Runtime
from stormpetrel.app.tally import SourceTally
from stormpetrel.errors import OverloadedError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs
from stormpetrel.model.records import AlertBatch, ChangeBatch, FlowBatch
from stormpetrel.model.signal import AdmittedMetrics, LogBatch, MetricBatch, SpanBatch
from stormpetrel.model.time import Window
from stormpetrel.testing.clock import FakeClock

SOON = 30.0


class Intake:
    """Keeps what it is given, or is full."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, MetricBatch]] = []
        self.full = False
        self.came = threading.Event()

    def metrics(self, samples: MetricBatch, source: str) -> Future[None]:
        self.came.set()
        if self.full:
            raise OverloadedError("full")
        self.taken.append((source, samples))
        return Future()

    def logs(self, batch: LogBatch, source: str) -> Future[None]:
        raise AssertionError("only samples are derived")

    def spans(self, batch: SpanBatch, source: str) -> Future[None]:
        raise AssertionError("only samples are derived")

    def records(self, batch: FlowBatch | AlertBatch | ChangeBatch, source: str) -> Future[None]:
        raise AssertionError("only samples are derived")

    def rejected(self, source: str, reason: str, rows: int, example: str = "") -> None:
        raise AssertionError("nothing is refused")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(T0)


@pytest.fixture
def intake() -> Intake:
    return Intake()


@pytest.fixture
def registry() -> SeriesRegistry:
    return SeriesRegistry()


@pytest.fixture
def deriver(registry: SeriesRegistry, clock: FakeClock, intake: Intake) -> Iterator[Deriver]:
    one = Deriver(DeriveConfig(), registry, clock, intake, SourceTally())
    yield one
    one.stop()


def test_spans_become_samples_of_the_source_derived(
    deriver: Deriver, registry: SeriesRegistry, clock: FakeClock, intake: Intake
) -> None:
    deriver.start()
    deriver.put(batch([Span("a")] * 3))
    clock.advance(60.0)
    deriver.put(batch([Span("a", end=55_000)]))
    assert intake.came.wait(SOON)
    deriver.stop()
    (first, *_) = intake.taken
    assert first[0] == "derived"
    assert {registry.info(s).source for s in first[1].series.tolist()} == {"derived"}
    assert 3.0 in first[1].value.tolist()
    assert deriver.samples_total == sum(len(samples) for _, samples in intake.taken)
    assert deriver.held()["operations"] == 1


def test_a_full_intake_drops_and_counts(deriver: Deriver, clock: FakeClock, intake: Intake) -> None:
    intake.full = True
    deriver.start()
    deriver.put(batch([Span("a")]))
    clock.advance(60.0)
    deriver.put(batch([Span("a", end=55_000)]))
    assert intake.came.wait(SOON)
    deriver.stop()
    assert deriver.dropped()["overloaded"] == 3
    assert deriver.samples_total == 0


def test_putting_never_waits_and_what_does_not_fit_is_counted(deriver: Deriver) -> None:
    for _ in range(100):  # nobody takes: the thread is not started
        deriver.put(batch([Span("a")]))
    assert deriver.dropped()["behind"] == 68


def test_what_is_derived_is_not_derived_from(
    deriver: Deriver, registry: SeriesRegistry, clock: FakeClock, intake: Intake
) -> None:
    ids = [registry.intern("x_bucket", {"le": le}, "derived") for le in ("1", "+Inf")]
    for at in range(3):
        samples = MetricBatch(np.array(ids, np.uint32), np.full(2, T0 + at * SECOND), np.zeros(2))
        deriver.put(AdmittedMetrics(samples, np.full(2, 1000.0), np.zeros(2, np.bool_)))
    deriver.start()
    deriver.stop()
    assert intake.taken == []
    assert deriver.held()["histograms"] == 0


def test_counters_of_a_service_become_its_own_series(
    deriver: Deriver, registry: SeriesRegistry, clock: FakeClock, intake: Intake
) -> None:
    one = registry.intern("http_requests_total", {"service": "shop", "code": "200"}, "scrape:shop")
    for at in range(0, 60, 15):
        samples = MetricBatch(np.array([one], np.uint32), np.array([T0 + at * SECOND]), np.zeros(1))
        deriver.step(AdmittedMetrics(samples, np.full(1, 4.0), np.zeros(1, np.bool_)), T0 + at * SECOND)
    told = {
        registry.info(series).metric: value
        for _, taken in intake.taken
        for series, value in zip(taken.series.tolist(), taken.value.tolist(), strict=True)
    }
    assert told == {"service_requests_rate": 4.0, "service_error_ratio": 0.0}
    assert deriver.held()["services"] == 1


def test_a_defect_ends_nothing(
    deriver: Deriver, clock: FakeClock, intake: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deriver._edges, "take", lambda _batch: 1 / 0)
    deriver.put(batch([Span("a")]))
    clock.advance(60.0)
    deriver.start()
    assert intake.came.wait(SOON)
    deriver.stop()
    assert deriver.dropped()["failed"] == 1


@pytest.mark.parametrize("wanted", [True, False])
def test_records_of_entities_are_counted_only_where_somebody_wants_that(
    registry: SeriesRegistry, clock: FakeClock, intake: Intake, wanted: bool
) -> None:
    told = Told(lambda _pattern: None, lambda _pattern, _line: (), tuple, wanted)
    one = Deriver(DeriveConfig(), registry, clock, intake, SourceTally(), told)
    times = [T0 + (15 + k) * SECOND for k in range(4)]  # in the first window that began after the deriver
    one.put(build_logs(times, ["x"] * 4, source="s", entity="service:a", severity_number=[9, 9, 17, 9]))
    clock.advance(60.0)
    one.put(build_logs([T0 + 60 * SECOND], ["x"], source="s", entity="service:a", severity_number=9))
    one.start()
    one.stop()
    samples = [(s, v) for _, taken in intake.taken for s, v in zip(taken.series, taken.value, strict=True)]
    assert {registry.info(int(series)).metric: value for series, value in samples} == (
        {"log_records": 4.0, "log_error_records": 1.0} if wanted else {}
    )


def test_switched_off_nothing_is_derived(registry: SeriesRegistry, clock: FakeClock, intake: Intake) -> None:
    one = Deriver(DeriveConfig(enabled=False), registry, clock, intake, SourceTally())
    one.start()
    one.put(batch([Span("a")]))
    one.stop()
    assert intake.taken == []


def config(tmp_path: Path) -> Config:
    quiet = {"host": {"enabled": False}, "logs": {"journald": False, "files": []}, "own_metrics": False}
    return load_config(None, {"data_dir": str(tmp_path), "sources": quiet})


def test_live_they_are_stored_and_a_replay_derives_nothing_again(tmp_path: Path) -> None:
    clock = FakeClock(T0)
    runtime = Runtime(config(tmp_path), clock)
    runtime.start()
    try:
        runtime.writer.spans(batch([Span("a")] * 12), "otel").result(SOON)
        clock.advance(60.0)
        runtime.writer.spans(batch([Span("a", end=55_000)]), "otel").result(SOON)
        deadline = threading.Event()
        while runtime.writer.stats.samples_total < 5 and not deadline.wait(0.05):
            clock.advance(0.001)
        deadline.wait(0.2)  # counted right after it is handed over
        text = runtime.service.own_metrics().decode()
    finally:
        runtime.stop()
    assert 'petrel_derived_followed{family="operations"} 1.0' in text
    assert "petrel_derived_samples_total 5.0" in text
    window = Window(T0 - 3600 * SECOND, T0 + 3600 * SECOND)
    store = open_store(config(tmp_path).store, tmp_path)
    try:
        infos = {info.series: info.metric for info in store.all_series()}
        stored = [
            (infos[s], v)
            for piece in store.scan_samples(window)
            for s, v in zip(piece.series.tolist(), piece.value.tolist(), strict=True)
        ]
    finally:
        store.close()
    assert ("span_requests", 12.0) in stored
    report = replay(config(tmp_path), window)
    assert report.samples == len(stored) == 5
