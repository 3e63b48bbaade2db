"""From what is stored around an incident to what caused it, through the real store."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.app.estate import START, signals_of

from stormpetrel.adapters.store.clickhouse import ClickHouseStore
from stormpetrel.adapters.store.control import SqlControlStore
from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.config import Config
from stormpetrel.app.diagnose import MOST_WAITING, DiagnoseDesk
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.errors import BusyError
from stormpetrel.explain.situation import Situation
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.columns import build_logs
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.record_columns import build_changes
from stormpetrel.model.time import from_seconds
from stormpetrel.simulate.estate import Estate
from stormpetrel.simulate.faults import FAULTS
from stormpetrel.testing.clock import FakeClock

ONSET = START + from_seconds(3600)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ClickHouseStore]:
    one = open_store(Config().store, tmp_path)
    yield one
    one.close()


def incident(start: int, state: IncidentState = IncidentState.OPEN) -> Incident:
    """An incident that began a minute after the trouble, as detection is never early."""
    return Incident(
        "i1",
        "checkout is in trouble",
        state,
        Severity.WARNING,
        ("service:checkout",),
        start,
        start,
        0,
        (),
        (),
    )


def filled(store: ClickHouseStore, control: SqlControlStore, fault: str, seed: int = 5) -> DiagnoseDesk:
    """An hour of calm and a quarter of an hour with the fault, in the store; the desk over it."""
    struck = FAULTS[fault](ONSET, 900.0, 1.0)
    estate, registry = Estate(seed, START, 5.0, (struck,), nightly=False), SeriesRegistry()
    pipeline = Pipeline(Config(), registry)
    for n, (metrics, logs, spans) in enumerate(signals_of(estate, registry, 1.25, 300.0)):
        fresh = registry.fresh()
        store.insert_series(fresh)
        registry.stored(fresh)
        store.insert_samples(metrics, f"samples-{n}")
        store.insert_logs(pipeline.mine(logs) if len(logs) else logs, f"logs-{n}")
        store.insert_spans(spans, f"spans-{n}")
    return DiagnoseDesk(store, control, pipeline, FakeClock(ONSET + from_seconds(900)))


def told_of(store: ClickHouseStore, control: SqlControlStore, fault: str) -> Diagnosis:
    return filled(store, control, fault).of(incident(ONSET + from_seconds(60)))


@pytest.mark.parametrize(
    ("fault", "entity"),
    [
        ("slow-database", "service:orders-db"),
        ("deploy-bug", "service:checkout"),
        ("queue-stuck", "service:mail-queue"),
        ("cpu-hog", "host:web-1"),
    ],
)
def test_what_is_at_fault_is_first(
    store: ClickHouseStore, control: SqlControlStore, fault: str, entity: str
) -> None:
    told = told_of(store, control, fault)
    assert told.found
    assert told.causes[0].entity == entity, [(cause.entity, cause.score) for cause in told.causes]
    assert abs(told.since_unix_nano - ONSET) <= from_seconds(60)


def test_a_deploy_just_before_is_named(store: ClickHouseStore, control: SqlControlStore) -> None:
    desk = filled(store, control, "deploy-bug")
    store.insert_records(
        build_changes(
            [ONSET - from_seconds(20), ONSET - from_seconds(5400)],
            ["d-42", "d-41"],
            ["checkout 2.4.0: discounts", "mail templates"],
            source="ci",
            entity=["service:checkout", "service:mail-queue"],
            kind="deploy",
            state="succeeded",
        ),
        "changes",
    )
    told = desk.of(incident(ONSET + from_seconds(60)))
    assert told.change_id == "d-42"
    assert told.causes[0].change_id == "d-42"


def test_a_rollout_of_a_workload_is_a_change_of_the_service_that_it_is(
    store: ClickHouseStore, control: SqlControlStore
) -> None:
    desk = filled(store, control, "deploy-bug")
    names = '{"resource.k8s.deployment.name":"co-v2","resource.k8s.namespace.name":"shop"}'
    resource = build_logs([ONSET], ["x"], source="t", entity="service:checkout", attributes=[names])
    desk._pipeline.topology.learn_hosts(resource)
    changed = build_changes(
        ONSET - from_seconds(20), "d-42", "Deployment co-v2: rolled", source="k8s",
        entity="deployment:shop/co-v2", kind="deploy", state="succeeded",
    )  # fmt: skip
    store.insert_records(changed, "changes")
    (known,) = desk.situation(incident(ONSET)).changes
    assert known.entity == "service:checkout"
    assert desk.of(incident(ONSET + from_seconds(60))).change_id == "d-42"


def test_an_answer_for_a_resolved_incident_is_remembered(
    store: ClickHouseStore, control: SqlControlStore
) -> None:
    desk = filled(store, control, "cpu-hog")
    over = replace(incident(ONSET, IncidentState.RESOLVED), resolved_unix_nano=ONSET + from_seconds(800))
    assert desk.of(over) is desk.of(over)


def test_those_who_ask_the_same_cost_one_answer_and_few_wait(
    store: ClickHouseStore, control: SqlControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = DiagnoseDesk(store, control, Pipeline(Config(), SeriesRegistry()), FakeClock(ONSET))
    begun, go_on, asked = threading.Event(), threading.Event(), list[str]()
    real = desk.situation

    def slow(incident: Incident) -> Situation:
        asked.append(incident.incident_id)
        begun.set()
        assert go_on.wait(10)
        return real(incident)

    monkeypatch.setattr(desk, "situation", slow)
    with ThreadPoolExecutor(MOST_WAITING + 1) as people:
        told = [people.submit(desk.of, incident(ONSET))]
        assert begun.wait(10)
        told += [people.submit(desk.of, incident(ONSET)) for _ in range(MOST_WAITING)]
        while desk._room._value:  # until they all wait
            threading.Event().wait(0.01)
        with pytest.raises(BusyError, match="few seconds"):
            desk.of(replace(incident(ONSET), incident_id="i2"))
        go_on.set()
        assert len({id(one.result(10)) for one in told}) == 1
    assert asked == ["i1"]


def test_nothing_stored_is_no_cause_and_no_crash(store: ClickHouseStore, control: SqlControlStore) -> None:
    desk = DiagnoseDesk(store, control, Pipeline(Config(), SeriesRegistry()), FakeClock(ONSET))
    told = desk.of(incident(ONSET))
    assert not told.found
    assert told.causes == ()
    assert "no log records near it" in told.checked


def test_an_incident_of_before_the_first_sample_has_no_cause_and_no_crash(
    store: ClickHouseStore, control: SqlControlStore
) -> None:
    """All that is known of it is the last moment that is looked at."""
    desk = filled(store, control, "cpu-hog")
    for early in (896, 890, 900, 880):
        assert not desk.of(incident(START - from_seconds(early))).found


def test_the_time_of_another_incident_is_no_model_of_health(
    store: ClickHouseStore, control: SqlControlStore
) -> None:
    desk = filled(store, control, "cpu-hog")
    begun, over = START + from_seconds(600), START + from_seconds(1200)
    other = replace(incident(begun, IncidentState.RESOLVED), incident_id="i0", resolved_unix_nano=over)
    control.save_incidents([other, incident(ONSET)])
    situation = desk.situation(incident(ONSET))
    times = situation.time_unix_nano
    assert ((times >= begun) & (times <= over)).sum() > 30
    assert (situation.usable == ~((times >= begun) & (times <= over))).all()


def test_the_time_of_an_incident_is_known_however_many_came_after_it(
    store: ClickHouseStore, control: SqlControlStore
) -> None:
    desk = filled(store, control, "cpu-hog")
    begun = START + from_seconds(600)
    open_still = replace(incident(begun), incident_id="i0", updated_unix_nano=START + from_seconds(1200))
    after = [replace(incident(ONSET + n), incident_id=f"j{n}") for n in range(1, 200)]
    control.save_incidents([open_still, *after, incident(ONSET)])
    usable = desk.situation(incident(ONSET)).usable
    assert 30 < (~usable).sum() < 60


def test_a_fresh_installation_is_diagnosed_from_the_minutes_that_it_has(
    store: ClickHouseStore, control: SqlControlStore
) -> None:
    struck = FAULTS["disk-filling"](ONSET, 900.0, 20.0)
    first = ONSET - from_seconds(150)
    estate, registry = Estate(5, first, 1.0, (struck,), nightly=False), SeriesRegistry()
    for n, (metrics, _, _) in enumerate(signals_of(estate, registry, 200 / 3600, 300.0)):
        store.insert_series(registry.fresh())
        store.insert_samples(metrics, f"samples-{n}")
    desk = DiagnoseDesk(store, control, Pipeline(Config(), registry), FakeClock(ONSET + from_seconds(50)))
    situation = desk.situation(incident(ONSET))
    assert len(situation.time_unix_nano) <= 15
    told = desk.of(incident(ONSET))
    assert told.found
    assert told.since_unix_nano >= ONSET - from_seconds(15)
    assert "disk_used" in told.causes[0].metric or "filesystem_used" in told.causes[0].metric
