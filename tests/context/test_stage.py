"""Maintenance restores what was before, findings are held, expected, raised again, and put to changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.context.times import at, entry, series

from stormpetrel.context.book import EntryBook
from stormpetrel.context.heartbeats import deploys_of
from stormpetrel.context.stage import ContextSettings, ContextStage
from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.model.calendar import CalendarEntry, EntryKind, Once, Watch
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.record_columns import build_changes
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch

MINUTE = 60 * 10**9
T0 = at("2026-05-04")
SERIES = [series(n, host=f"h{n}") for n in range(4)]


def stage_of(*entries: CalendarEntry) -> ContextStage:
    book = EntryBook()
    book.put("config", entries)
    return ContextStage(SERIES.__getitem__, lambda: len(SERIES), book, ContextSettings())


def rows(first: int, last: int, seed: int = 0) -> AdmittedMetrics:
    """All series, a sample a minute, from the first minute up to the last."""
    n = len(SERIES)
    minutes = np.arange(first, last)
    values = np.random.default_rng((seed, first)).normal(10, 1, n * len(minutes))
    batch = MetricBatch(
        np.tile(np.arange(n, dtype=np.uint32), len(minutes)), np.repeat(T0 + minutes * MINUTE, n), values
    )
    return AdmittedMetrics(batch, values, np.zeros(len(values), np.bool_))


def window(start: int, end: int, scope: str = "*", train: bool = False) -> CalendarEntry:
    rule = Once(T0 + start * MINUTE, T0 + end * MINUTE)
    return entry(rule, EntryKind.MAINTENANCE, (scope,), f"w{start}", train=train)


def finding(minute: int, host: int = 0, severity: Severity = Severity.WARNING, key: str = "f") -> Finding:
    time = T0 + minute * MINUTE
    evidence = Evidence("metric", "load", host, time, time, 1.0, 0.0, 0.0, 0.5, 1e-6)
    return Finding(
        f"{key}{minute}", "robust", 1, "level", f"host:h{host}", "load far above", "Why.", severity,
        FindingState.OPEN, time, time, evidence,
    )  # fmt: skip


def closed(one: Finding) -> Finding:
    return replace(one, state=FindingState.CLOSED)


@settings(deadline=None, max_examples=25)
@given(
    start=st.integers(150, 250), length=st.integers(1, 200), chunk=st.integers(1, 60), seed=st.integers(0, 9)
)
def test_a_bank_is_the_same_before_and_after_a_window(start: int, length: int, chunk: int, seed: int) -> None:
    stage, bank = stage_of(window(start, start + length)), RobustBank(120, 86_400.0)
    bank.update(stage.mask(rows(0, start, seed)))
    before = bank.snapshot()
    for first in range(start, start + length, chunk):
        masked = stage.mask(rows(first, min(first + chunk, start + length), seed))
        scores = bank.update(masked)
        assert np.isnan(scores.p_value).all()
    after = bank.snapshot()
    assert all(np.array_equal(before[name], after[name]) for name in before)
    next_rows = stage.mask(rows(start + length, start + length + 2, seed))
    assert next_rows.resumed.tolist() == [True] * len(SERIES) + [False] * len(SERIES)
    assert np.isfinite(next_rows.signal).all()


def test_only_the_scope_of_a_window_is_masked_and_training_can_go_on() -> None:
    masked = stage_of(window(0, 10, "host:h1")).mask(rows(0, 10))
    assert np.isnan(masked.signal).tolist() == [one == 1 for one in masked.batch.series.tolist()]
    whole = rows(0, 10)
    assert stage_of(window(0, 10, train=True)).mask(whole) is whole
    assert stage_of().mask(whole) is whole, "without a calendar nothing is touched"


def test_an_ended_window_lets_go_at_once() -> None:
    stage = stage_of(window(0, 100))
    assert np.isnan(stage.mask(rows(0, 5)).signal).all()
    stage._book.put("config", [window(0, 5)])
    after = stage.mask(rows(5, 6))
    assert np.isfinite(after.signal).all()
    assert after.resumed.all()


@pytest.mark.parametrize("train", [True, False])
def test_findings_of_a_window_are_held_and_told_if_they_outlast_it(train: bool) -> None:
    stage = stage_of(window(10, 60, "host:h0", train))
    held, short, other = finding(20), finding(30), finding(30, host=1, key="g")
    now = T0 + 31 * MINUTE
    assert stage.over([held, short, other], now) == [other]
    assert stage.over([closed(short)], now + MINUTE) == []
    assert stage.advance([], T0 + 59 * MINUTE) == []
    told = stage.advance([], T0 + 60 * MINUTE)
    assert [f.finding_id for f in told] == [held.finding_id]
    assert told[0].severity is Severity.WARNING
    assert "began while title of w10 was under way" in told[0].why
    assert stage.over([closed(held)], T0 + 70 * MINUTE) == [closed(held)]
    assert stage.marks.held_total == 2


def test_a_finding_of_before_the_window_goes_on_through_it() -> None:
    stage = stage_of(window(10, 60))
    early = finding(5)
    assert stage.over([early], T0 + 5 * MINUTE) == [early]
    assert stage.over([closed(early)], T0 + 30 * MINUTE) == [closed(early)]


def test_findings_in_a_jobs_time_are_expected_and_raised_when_they_outlast_it() -> None:
    watch = Watch("", (), 60.0, 600.0)
    job = entry(Once(T0, T0 + 30 * MINUTE), EntryKind.EXPECTED_JOB, ("host:h0",), "job", watch)
    stage = stage_of(job)
    before, inside, elsewhere = finding(-5), finding(5), finding(5, host=1, key="g")
    told = stage.over([before, inside, elsewhere], T0 + 5 * MINUTE)
    assert told[0] == before
    assert told[1].severity is Severity.INFO
    assert (told[1].attributes or {})["expected"] == "expected by title of job (in the calendar)"
    assert told[2] == elsewhere
    worse = replace(inside, severity=Severity.ERROR)
    assert stage.over([worse], T0 + 6 * MINUTE)[0].severity is Severity.INFO
    assert stage.advance([], T0 + 44 * MINUTE) == []
    raised = stage.advance([], T0 + 46 * MINUTE)
    assert [(f.finding_id, f.severity) for f in raised] == [(inside.finding_id, Severity.ERROR)]
    assert "It outlasts title of job" in raised[0].why


def test_a_finding_soon_after_a_deploy_names_it_and_is_not_silenced() -> None:
    stage = stage_of()
    stage.see_changes(
        build_changes(
            [T0], ["1"], ["shop"], source="ci", kind="deploy", version="1.4", entity="host:h0", actor="ada"
        )
    )
    told = stage.over([finding(2), finding(2, host=1, key="g"), finding(20, key="k")], T0 + 2 * MINUTE)
    assert (told[0].attributes or {})["change"] == "deploy shop 1.4 by ada, 120 seconds before"
    assert told[0].severity is Severity.WARNING
    assert [f.attributes for f in told[1:]] == [None, None]
    view = stage.view(T0 + MINUTE, ())
    assert [o.entry.title for o in view.current] == ["deploy shop 1.4 by ada"]


def test_a_change_that_says_what_it_is_is_not_told_so_twice() -> None:
    batch = build_changes([T0], ["1"], ["deploy of shop 1.4"], source="ci", kind="deploy", version="1.4")
    assert [one.text for one in deploys_of(batch, MINUTE)] == ["deploy of shop 1.4"]


def test_heartbeats_are_change_records_and_wait_for_their_time() -> None:
    watch = Watch("backup", (), 120.0, 60.0)
    job = entry(Once(T0 + 10 * MINUTE, T0 + 20 * MINUTE), EntryKind.EXPECTED_JOB, ("host:h0",), "job", watch)
    stage = stage_of(job)
    assert stage.advance([], T0) == []
    times = [T0 + 10 * MINUTE, T0 + 40 * MINUTE]
    stage.see_changes(
        build_changes(times, ["1", "2"], "backup", source="jobs", kind="job", state=["started", "succeeded"])
    )
    assert stage.advance([], T0 + 15 * MINUTE) == []
    told = [f for minute in range(15, 45) for f in stage.advance([], T0 + minute * MINUTE)]
    assert [(f.head, f.state) for f in told] == [
        ("overlong", FindingState.OPEN),
        ("overlong", FindingState.CLOSED),
    ]


def test_a_heartbeat_that_does_not_come_is_missing_unless_its_host_is_in_maintenance() -> None:
    watch = Watch("backup", (), 120.0, 60.0)
    job = entry(Once(T0 + 10 * MINUTE, T0 + 20 * MINUTE), EntryKind.EXPECTED_JOB, ("host:h0",), "job", watch)
    for entries, heads in (((job,), ["late", "missing"]), ((job, window(0, 50, "host:h0")), [])):
        stage = stage_of(*entries)
        told = [f for minute in range(40) for f in stage.advance([], T0 + minute * MINUTE)]
        assert [f.head for f in told] == heads
