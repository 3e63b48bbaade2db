"""This system's own metrics as a source: it goes on when a store refuses to answer."""

from __future__ import annotations

import threading
import time

import pytest

from stormpetrel.app import sources
from stormpetrel.app.logging import RecentLog
from stormpetrel.app.sources import OwnLogSource, OwnSource
from stormpetrel.errors import StoreError, StoreFullError
from stormpetrel.ingest.exposition import ExpositionParser
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import SEVERITY_WARN, MetricBatch
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.memory import MemoryIntake


def test_own_metrics_go_on_after_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_OWN_INTERVAL_SECONDS", 0.001)
    intake, clock, registry, stop = MemoryIntake(), FakeClock(), SeriesRegistry(), threading.Event()
    answers: list[bytes | StoreError] = [
        StoreError("locked"),
        b"",
        b"petrel_up 1\n",
        StoreFullError("no room"),
    ]

    def text() -> bytes:
        answer = answers.pop(0) if answers else b"petrel_up 2\n"
        if isinstance(answer, StoreError):
            raise answer
        return answer

    source = OwnSource(text, ExpositionParser(registry), clock)
    thread = threading.Thread(target=source.run, args=(intake, stop), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while len(intake.kept()) < 3 and time.monotonic() < deadline:
        time.sleep(0.005)
    stop.set()
    thread.join(20)
    assert [(refusal.reason, refusal.rows) for refusal in intake.refusals()] == [
        ("store", 1),
        ("store_full", 1),
    ]
    batches = [kept.batch for kept in intake.kept() if isinstance(kept.batch, MetricBatch)]
    assert [batch.value.tolist() for batch in batches[:2]] == [[1.0], [2.0]]
    assert registry.info(0).label_map() == {"service_name": "storm-petrel"}


def test_the_own_log_is_a_source(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_OWN_LOG_INTERVAL_SECONDS", 0.001)
    recent = RecentLog(most=3)
    monkeypatch.setattr(sources, "RECENT", recent)
    for n in range(5):
        recent.keep(None, "warning", {"event": f"trouble {n}", "level": "warning", "rows": n})
    intake, stop = MemoryIntake(), threading.Event()
    thread = threading.Thread(target=OwnLogSource().run, args=(intake, stop), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not intake.bodies() and time.monotonic() < deadline:
        time.sleep(0.005)
    stop.set()
    thread.join(20)
    assert intake.bodies() == ["trouble 2 rows=2", "trouble 3 rows=3", "trouble 4 rows=4"]
    assert {row["severity_number"] for row in intake.log_rows()} == {SEVERITY_WARN}
    assert {row["entity"] for row in intake.log_rows()} == {"service:storm-petrel"}
