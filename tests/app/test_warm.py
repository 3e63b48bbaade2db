"""A restart in the middle of trouble: the stored past is read again, and nothing is told twice or lost."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.app.estate import START, batches
from tests.app.intake import FailingStore

from stormpetrel.app import warm
from stormpetrel.app.config import Config
from stormpetrel.app.pipeline import Outcome, Pipeline, build_gate
from stormpetrel.app.warm import warm_start
from stormpetrel.detect.logs.error_surge import ErrorSurge
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs
from stormpetrel.model.finding import Finding, FindingState, unheard_since
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.record_columns import build_alerts
from stormpetrel.model.records import AlertBatch
from stormpetrel.model.signal import LogBatch, MetricBatch
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.control import ControlStore
from stormpetrel.simulate.estate import Estate
from stormpetrel.simulate.faults import FAULTS

CONFIG = Config()
FAULT = START + from_seconds(1.5 * 3600)
Chunk = tuple[MetricBatch, LogBatch]
Story = tuple[SeriesRegistry, list[Chunk]]


@pytest.fixture(scope="module")
def story() -> Story:
    """Two hours in minutes, with a busy processor from 1:30 to 1:40."""
    registry = SeriesRegistry()
    return registry, list(
        batches(Estate(3, START, 5.0, (FAULTS["cpu-hog"](FAULT, 600.0, 1.0),)), registry, 2.0)
    )


class Run:
    """One life of the process: takes chunks as the runtime does."""

    def __init__(self, story: Story, store: FailingStore, control: ControlStore) -> None:
        self.registry, self.chunks = story
        self.store, self.control = store, control
        self.pipeline = Pipeline(CONFIG, self.registry)

    def keep(self, outcome: Outcome) -> Outcome:
        self.store.insert_findings(outcome.findings)
        self.control.save_incidents(outcome.incidents)
        return outcome

    def live(self, first: int, last: int, judged: bool = True) -> None:
        for number, (metrics, logs) in enumerate(self.chunks[first:last], first):
            now = int(metrics.time_unix_nano.max())
            admitted = self.pipeline.admit(metrics, now).admitted
            self.store.insert_samples(admitted.batch, f"samples-{number}")
            self.store.insert_logs(logs, f"logs-{number}")
            if judged:
                self.keep(self.pipeline.judge_metrics(admitted))
                self.keep(self.pipeline.judge_logs(logs))
                self.keep(self.pipeline.advance(now))

    def restarted(self, at: int) -> tuple[Run, Outcome]:
        """A new process, after it read what is stored."""
        after = Run((self.registry, self.chunks), self.store, self.control)
        end = START + from_seconds(at * 60)
        after.pipeline.gate.resume(self.store.last_samples(end - from_seconds(7200)))
        window = Window(end - from_seconds(48 * 3600), end)
        return after, after.keep(
            warm_start(after.pipeline, build_gate(CONFIG), self.store, self.control, window)
        )

    def incidents(self) -> list[Incident]:
        return sorted(self.control.list_incidents(), key=lambda i: i.incident_id)


def gist(incidents: list[Incident]) -> list[tuple[str, str, set[str], set[FindingState]]]:
    """What must not depend on restarts."""
    return [
        (
            i.incident_id,
            i.state.value,
            {f.finding_id for f in i.findings},
            {f.state for f in i.findings},
        )
        for i in incidents
    ]


@pytest.fixture
def unbroken(story: Story, failing: FailingStore, control: ControlStore) -> Run:
    return Run(story, failing, control)


def test_an_open_incident_goes_on_with_the_same_ids_and_resolves(unbroken: Run) -> None:
    unbroken.live(0, 95)
    before = unbroken.incidents()
    assert [i.state for i in before] == [IncidentState.OPEN]
    after, outcome = unbroken.restarted(95)
    assert {i.incident_id for i in outcome.incidents} <= {before[0].incident_id}
    assert gist(after.incidents()) == gist(before)
    after.live(95, 120)
    (last,) = after.incidents()
    assert (last.incident_id, last.state) == (before[0].incident_id, IncidentState.RESOLVED)
    assert {f.state for f in last.findings} == {FindingState.CLOSED}
    again, outcome = after.restarted(120)
    assert outcome == Outcome([], []), "what is over is not told again"
    assert again.incidents() == [last]


def test_what_was_stored_and_not_judged_before_the_stop_is_told(unbroken: Run) -> None:
    unbroken.live(0, 90)
    unbroken.live(90, 95, judged=False)
    assert unbroken.incidents() == []
    after, outcome = unbroken.restarted(95)
    (incident,) = after.incidents()
    assert incident.state is IncidentState.OPEN, incident
    assert abs(incident.start_unix_nano - FAULT) < from_seconds(60)
    assert list(outcome.incidents) == [incident]


def test_an_incident_that_a_person_resolved_early_stays_resolved(unbroken: Run) -> None:
    unbroken.live(0, 95)
    (incident,) = unbroken.incidents()
    now = START + from_seconds(95 * 60)
    moved = unbroken.pipeline.grouping.move(incident.incident_id, IncidentState.RESOLVED, now, "ann")
    unbroken.keep(Outcome([], [moved]))
    after, _ = unbroken.restarted(95)
    after.live(95, 120)
    told = {i.incident_id: i for i in after.incidents()}
    assert told.pop(incident.incident_id).state is IncidentState.RESOLVED
    # What comes after it, like the way back to normal, may be told; what it held is not told again.
    assert all(later.start_unix_nano > now for later in told.values())


def test_what_comes_back_after_a_restart_names_what_it_repeats(unbroken: Run) -> None:
    unbroken.live(0, 120)
    (old,) = unbroken.incidents()
    assert old.state is IncidentState.RESOLVED
    after, _ = unbroken.restarted(120)
    later = START + from_seconds(3 * 3600)
    first = old.findings[0]
    again = dataclasses.replace(
        first, finding_id="again", state=FindingState.OPEN, start_unix_nano=later, end_unix_nano=later
    )
    (new,) = after.pipeline.grouping.update([again], later)
    assert new.follows == old.incident_id


def test_an_open_finding_that_the_past_does_not_show_is_closed_as_unknown(unbroken: Run) -> None:
    unbroken.live(0, 95)
    (incident,) = unbroken.incidents()
    ghost = dataclasses.replace(incident.findings[0], finding_id="ghost", state=FindingState.OPEN)
    unbroken.control.save_incidents([dataclasses.replace(incident, findings=(*incident.findings, ghost))])
    after, _ = unbroken.restarted(95)
    (told,) = after.incidents()
    found = {f.finding_id: f for f in told.findings}
    assert found["ghost"].state is FindingState.CLOSED
    assert "closed as unknown" in found["ghost"].why
    assert unheard_since(found["ghost"]) > 0
    assert told.state is IncidentState.OPEN
    after.live(95, 120)
    assert after.incidents()[0].state is IncidentState.RESOLVED


def test_the_window_is_bounded_by_samples_even_after_a_pause(failing: FailingStore) -> None:
    hours, rate = 6, 2
    times = START + np.arange(hours * 3600 * rate, dtype=np.int64) * (from_seconds(1) // rate)
    failing.insert_samples(MetricBatch(np.zeros(len(times), np.uint32), times, np.ones(len(times))), "x")
    end = int(times[-1]) + from_seconds(3 * 3600)
    whole = Window(START - from_seconds(3600), end)
    assert warm.bounded(failing, whole) == whole
    found = warm.bounded(failing, whole, 10_000)
    assert found.end_unix_nano == end
    held = int(np.count_nonzero(times >= found.start_unix_nano))
    assert 2_000 < held <= 12_000


def test_the_first_chunk_comes_in_pieces_that_lose_nothing() -> None:
    times = START + np.sort(np.random.default_rng(1).integers(0, from_seconds(300), 1000))
    chunk = MetricBatch(np.zeros(1000, np.uint32), times, np.arange(1000.0))
    pieces = list(warm._pieces([chunk, chunk]))
    assert pieces[-1] is chunk
    assert 25 < len(pieces) <= 31
    assert np.concatenate([piece.value for piece in pieces[:-1]]).tolist() == chunk.value.tolist()
    single = chunk.take(np.array([0]))
    assert [piece.value.tolist() for piece in warm._pieces([single])] == [[0.0]]


def test_log_records_that_arrive_meanwhile_are_counted_once(
    failing: FailingStore, control: ControlStore
) -> None:
    now = START + from_seconds(3600)
    old = build_logs([now - from_seconds(60)] * 2, ["a", "b"], source="t", request_token=1)
    new = build_logs([now - from_seconds(30)] * 3, ["c", "d", "e"], source="t", request_token=2)
    late = build_logs([now - from_seconds(7200)], ["f"], source="t", request_token=2)
    for number, batch in enumerate((old, new, late)):
        failing.insert_logs(batch, f"logs-{number}")
    seen: list[str] = []

    class Counting(ErrorSurge):
        def update(self, batch: LogBatch) -> list[Finding]:
            seen.extend(batch.records.column("body").to_pylist())
            return super().update(batch)

    pipeline = Pipeline(CONFIG, SeriesRegistry())
    pipeline.log_detectors = [Counting()]
    window = Window(now - from_seconds(86_400), now)
    asked: list[int] = []

    def arrived() -> NDArray[np.uint64]:
        asked.append(1)
        return np.array([2], np.uint64)

    warm_start(pipeline, build_gate(CONFIG), failing, control, window, arrived)
    assert sorted(seen) == ["a", "b", "f"], "of what is old enough nobody asks"
    assert len(asked) <= 5


def test_a_pipeline_that_forgot_is_as_new(story: Story) -> None:
    registry, chunks = story
    pipeline, fresh = Pipeline(CONFIG, registry), Pipeline(CONFIG, registry)
    for metrics, logs in chunks[:5]:
        pipeline.judge_metrics(pipeline.admit(metrics, int(metrics.time_unix_nano.max())).admitted)
        pipeline.judge_logs(logs)
    pipeline.forget()
    for bank, other in zip(pipeline.banks, fresh.banks, strict=True):
        left, right = bank.snapshot(), other.snapshot()
        assert left.keys() == right.keys()
        assert all(np.array_equal(left[name], right[name], equal_nan=True) for name in left)
    assert pipeline.grouping.unresolved() == []


def test_alerts_go_on_over_a_restart_and_what_was_told_meanwhile_is_heard(unbroken: Run) -> None:
    unbroken.live(0, 30)
    now = START + from_seconds(30 * 60)

    def told(names: str, state: str = "firing", minute: float = 29.0) -> AlertBatch:
        # What goes on is older than what is read again without being known.
        start = START + from_seconds(60 * (29 if names == "c" else 29 - 120))
        end = START + from_seconds(60 * minute)
        batch = build_alerts(
            start if state == "firing" else end, list(names), source="am", start_unix_nano=start,
            end_unix_nano=0 if state == "firing" else end, entity=[f"service:{name}" for name in names],
            name=list(names), state=state, severity_number=18,
        )  # fmt: skip
        unbroken.store.insert_records(batch, f"{names}-{state}")
        return batch

    unbroken.keep(unbroken.pipeline.judge_records(told("ab")))
    unbroken.keep(unbroken.pipeline.advance(now))
    before = unbroken.incidents()
    assert len(before) == 2
    told("b", "resolved", 34.0)  # stored, and the process was gone before it was judged
    told("c")
    after, _ = unbroken.restarted(35)
    found = {i.findings[0].title: i for i in after.incidents()}
    assert {name: one.findings[0].state.value for name, one in found.items()} == {
        "a": "open", "b": "closed", "c": "open"
    }  # fmt: skip
    assert {i.incident_id for i in before} == {found["a"].incident_id, found["b"].incident_id}
    assert after.pipeline.alerts.holds("am", "a")
    assert not after.pipeline.alerts.holds("am", "b")
