"""The pipeline as a whole: deterministic, quiet when nothing happens, and not blind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.estate import START, batches

from stormpetrel.adapters.store.clickhouse import ClickHouseStore
from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.config import Config
from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.app.replay import ReplayReport, replay_store
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_logs
from stormpetrel.model.incident import Incident
from stormpetrel.model.resource import root_of
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.simulate.drive import CHUNK_SECONDS
from stormpetrel.simulate.estate import Estate
from stormpetrel.simulate.faults import FAULTS

HOUR = from_seconds(3600)


def live_through(estate: Estate, hours: float, chunk_seconds: float = 60.0) -> ReplayReport:
    """Batches straight through the stages, as they would arrive live."""
    config, registry = Config(), SeriesRegistry()
    pipeline = Pipeline(config, registry)
    report = ReplayReport(Window(START, START + from_seconds(hours * 3600)))
    for metrics, logs in batches(estate, registry, hours, chunk_seconds):
        now = int(metrics.time_unix_nano.max())
        admission = pipeline.admit(metrics, now)
        report.take(pipeline.judge_metrics(admission.admitted))
        report.take(pipeline.judge_logs(pipeline.mine(logs)) if len(logs) else Outcome())
        report.take(pipeline.advance(now))
    return report


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ClickHouseStore]:
    one = open_store(Config().store, tmp_path)
    yield one
    one.close()


def test_recorded_input_gives_the_same_incidents_bit_for_bit(store: ClickHouseStore) -> None:
    fault = FAULTS["cpu-hog"](START + from_seconds(2.5 * 3600), 600.0, 1.0)
    estate, registry = Estate(7, START, 5.0, (fault,)), SeriesRegistry()
    for n, (metrics, logs) in enumerate(batches(estate, registry, 3.0, 600.0)):
        fresh = registry.fresh()
        store.insert_series(fresh)
        registry.stored(fresh)
        store.insert_samples(metrics, f"samples-{n}")
        store.insert_logs(logs, f"logs-{n}")
    window = Window(START, START + 3 * HOUR)
    first = replay_store(Config(), store, registry, window)
    second = replay_store(Config(), store, registry, window)
    assert first.samples > 100_000
    assert first.log_records > 100
    assert first.incidents, "the fault was not seen: two empty results prove nothing"
    assert first.incidents == second.incidents
    assert first.findings == second.findings
    assert first.digest == second.digest


@pytest.mark.parametrize(
    ("said", "present"),
    [
        (2**63 - 1, 0), (10 * 86_400, 0), (6 * 86_400, 60), (30, 30), (-3600, -3600), (-START // 10**9, 0),
    ],
)  # fmt: skip
def test_what_a_sender_dates_is_not_the_present(
    said: int, present: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pages are dated by it: with each time that a sender makes up it would have a budget of its own."""
    pipeline = Pipeline(Config(), SeriesRegistry())
    told: list[int] = []

    def correlate(_: object, now: int) -> Outcome:
        told.append(now)
        return Outcome()

    monkeypatch.setattr(pipeline, "_correlate", correlate)
    time = said if said == 2**63 - 1 else START + from_seconds(said)
    pipeline.judge_logs(build_logs([time], ["a line"], source="s", observed_unix_nano=START))
    assert told == [START + from_seconds(present)]


def test_a_quiet_estate_gives_no_incident_for_hours() -> None:
    report = live_through(Estate(11, START, 5.0), 4.0)
    assert [incident.sentence for incident in report.incidents.values()] == []


@pytest.mark.parametrize("offset_hours", [1.0, 3.5, 5.5, 8.5, 12.0, 14.5])
def test_the_demonstrations_past_holds_no_incident_at_whatever_hour_it_is_shown(offset_hours: float) -> None:
    estate = Estate(7, START + from_seconds(offset_hours * 3600), 5.0, nightly=False)
    report = live_through(estate, 6.0, CHUNK_SECONDS)  # as the demonstration pushes it
    assert [incident.sentence for incident in report.incidents.values()] == []


@pytest.mark.parametrize(("name", "entity"), [("cpu-hog", "host:"), ("deploy-bug", "service:checkout")])
def test_a_fault_opens_an_incident_on_the_right_thing(name: str, entity: str) -> None:
    start = START + from_seconds(1.5 * 3600)
    fault = FAULTS[name](start, 600.0, 1.0)
    report = live_through(Estate(3, START, 5.0, (fault,)), 2.0)
    opened = [i for i in report.incidents.values() if _during(i, start)]
    assert any(root_of(e).startswith(entity) for i in opened for e in i.entities)
    assert [i.sentence for i in report.incidents.values() if not _during(i, start)] == []


def _during(incident: Incident, start: int) -> bool:
    return start - from_seconds(60) <= incident.start_unix_nano <= start + from_seconds(900)
