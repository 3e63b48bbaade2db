"""Flights: what would have been done in a stored past, twice the same, and nothing real is touched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.flights.past import DAY, HOUR, MINUTE, SHOP, START, RealShop, Trouble, deploy, write_past
from tests.app.intake import FailingStore

from stormpetrel.act.library import shipped
from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.app.config import Config
from stormpetrel.app.flight.crew import Stored
from stormpetrel.app.flight.fly import covered_days, fly
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.action import Autonomy
from stormpetrel.model.cause import CauseClass
from stormpetrel.model.cause_verdict import CauseOutcome, CauseVerdict, ToldCause, ToldDiagnosis
from stormpetrel.model.finding import Severity
from stormpetrel.model.flight import Afterwards, FlownOutcome, Opinion
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.testing.clock import FakeClock

RESTART = next(one for one in shipped() if one.name == "restart-failed-service")
COLLECT = next(one for one in shipped() if one.name == "collect-diagnostics")
NOON = START + DAY + 12 * HOUR
BRIEF = Trouble(NOON, 80 * from_seconds(1))  # well again a moment after it would have been restarted
LONG = Trouble(NOON + 2 * HOUR, 8 * MINUTE)
DEPLOYED = Trouble(NOON + 4 * HOUR, 5 * MINUTE)
WINDOW = Window(NOON - HOUR, NOON + 5 * HOUR)


@pytest.fixture
def registry() -> SeriesRegistry:
    return SeriesRegistry()


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[SqlControlStore]:
    """A control store that can keep a ledger."""
    store = open_control_store(f"sqlite:///{tmp_path / 'kept.sqlite'}", tmp_path, FakeClock(START + 9 * DAY))
    yield store
    store.close()


def remembered(control: SqlControlStore) -> None:
    """The brief trouble was told of at the time, and a person said what it was."""
    incident = Incident(
        "told-then", "the shop does not serve", IncidentState.RESOLVED, Severity.ERROR, (SHOP,), BRIEF.begin,
        BRIEF.begin + HOUR, BRIEF.begin + HOUR, (), (),
    )  # fmt: skip
    control.save_incidents([incident])
    told = ToldDiagnosis(BRIEF.begin, True, 0.9, (ToldCause(SHOP, CauseClass.CODE, 1.0),))
    control.add_cause_verdict(
        CauseVerdict(
            "told-then", BRIEF.begin, 1, CauseOutcome.IT, SHOP, "", (), told, "ann", BRIEF.begin + HOUR
        )
    )


def test_a_flight_tells_what_would_have_been_done_and_twice_the_same(
    failing: FailingStore, registry: SeriesRegistry, kept: SqlControlStore
) -> None:
    write_past(failing, registry, 1.8, (BRIEF, LONG, DEPLOYED))
    deploy(failing, DEPLOYED.begin - MINUTE)
    remembered(kept)
    shop = RealShop()
    stored = Stored(failing, kept, (RESTART, COLLECT), {"shop": shop})
    shares: list[float] = []
    report = fly(Config(), registry, stored, WINDOW, shares.append)
    assert shop.acts == []
    found = report.runbook(RESTART.name)
    assert found is not None
    assert (found.version, found.level) == (RESTART.version, Autonomy.AUTO)
    plans = found.plans
    assert found.acted == sum(one.outcome is FlownOutcome.ACTED for one in plans) >= 2
    assert found.churn == 2 * found.acted
    assert found.targets == ((SHOP, found.acted),)
    brief = [one for one in plans if NOON <= one.time_unix_nano < NOON + HOUR]
    assert {one.outcome for one in brief} == {FlownOutcome.REFUSED, FlownOutcome.ACTED}
    refused, acted = brief[0], brief[-1]
    assert (7, "evidence quality") in refused.by, "one signal is not two"
    assert len(refused.verdicts) == 20
    assert acted.afterwards is Afterwards.WELL, acted.told
    assert (acted.opinion, acted.recorded) == (Opinion.RIGHT_CAUSE, "told-then")
    long = [one for one in plans if 2 * HOUR <= one.time_unix_nano - NOON < 3 * HOUR]
    held = [one for one in long if one.outcome is FlownOutcome.ACTED]
    assert [one.afterwards for one in held] == [Afterwards.AS_BEFORE], held
    asked = [one for one in plans if one.outcome is FlownOutcome.ASKED]
    assert asked, "a deploy was under way"
    assert all("deploy" in one.during and (8, "context") in one.by for one in asked)
    assert {one.number for one in found.in_the_way} >= {7, 8}
    assert {kind: plans for kind, plans, _ in found.during}["deploy"] >= len(asked)
    idle = report.runbook(COLLECT.name)
    assert idle is not None
    assert (idle.incidents, idle.acted, idle.asked, idle.refused, idle.plans) == (0, 0, 0, 0, ())
    assert kept.list_runs() == [], "nobody's real ledger was written"
    assert shares[-1] == 1.0
    again = fly(Config(), registry, stored, WINDOW)
    assert again == report
    assert len(report.digest) == 64


def test_only_time_with_telemetry_counts(failing: FailingStore, registry: SeriesRegistry) -> None:
    write_past(failing, registry, 3.0, gap=DAY // 2)
    assert covered_days(failing, Window(START, START + 3 * DAY)) == 2.5
    assert covered_days(failing, Window(START, START + DAY)) == 1.0
    assert covered_days(failing, Window(START - 5 * DAY, START + DAY)) == 1.0
    assert covered_days(failing, Window(START + 5 * DAY, START + 9 * DAY)) == 0.0
