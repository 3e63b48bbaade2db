"""From incidents to plans: what is proposed, what becomes of it, and when it is proposed again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from stormpetrel.act.planning import NotFitting
from stormpetrel.act.runbook import read_runbook
from stormpetrel.adapters.store import open_control_store
from stormpetrel.adapters.store.control import SqlControlStore
from stormpetrel.app.config import Config
from stormpetrel.app.facts import FactFinder, Holder
from stormpetrel.app.inventory import Inventory
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.proposals import Proposed, Proposer
from stormpetrel.app.watches import HealthWatch
from stormpetrel.errors import ActuatorError, NotFoundError, StateError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.action import Action, EffectClass
from stormpetrel.model.facts import Limits, LiveTarget
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.record_columns import build_changes
from stormpetrel.model.run import ActOutcome, ActResult, Run, RunState
from stormpetrel.ports.actuate import ActionSchema, Order, Reading
from stormpetrel.ports.automation import BudgetLimits
from stormpetrel.testing.clock import FakeClock

START = 1_700_000_000_000_000_000
SECOND = 1_000_000_000
SHOP = "service:shop"
RUNBOOK = read_runbook(
    "name: again\ntitle: t\nwhy: w\n"
    'trigger: {entities: ["service:*"], when: target.healthy == false, confidence: 0}\n'
    "steps: [{id: s, do: service.restart, on: cause, effect: disruptive, undo: false}]\n"
    "verify: [{series: service_up, better: up}]\n",
    "again.yaml",
)
RESTART = ActionSchema("service.restart", EffectClass.DISRUPTIVE, "", (), "", False)


class Shop:
    """One service, in memory: what stands in for a system here is only ever read."""

    name = "shop"

    def __init__(self) -> None:
        self.healthy: bool | None = False
        self.silent = False

    def actions(self) -> tuple[ActionSchema, ...]:
        return (RESTART,)

    def targets(self) -> tuple[str, ...]:
        if self.silent:
            raise ActuatorError("the shop does not answer")
        return (SHOP,)

    def read(self, entity: str) -> Reading:
        if self.silent:
            raise ActuatorError("the shop does not answer")
        if entity != SHOP:
            raise NotFoundError(entity)
        return Reading(LiveTarget(entity, True, "g1", self.healthy, None), False, None, ())

    def inverse(self, action: Action) -> Action | None:
        return None

    def act(self, order: Order) -> ActResult:
        raise AssertionError("proposing acts on nothing")

    def resolve(self, order: Order) -> ActResult:
        return ActResult(ActOutcome.NOT_DONE, "nothing was ordered")

    def close(self) -> None:
        pass


def finding(number: int, metric: str) -> Finding:
    evidence = Evidence("alert", metric, -1, START, START, 0.0, 1.0, 1.0, 1.0, 1.0)
    return Finding(
        f"f{number}", "down", 1, "down", SHOP, metric, "w", Severity.ERROR, FindingState.OPEN, START, START,
        evidence,
    )  # fmt: skip


INCIDENT = Incident(
    "i1", "s", IncidentState.OPEN, Severity.ERROR, (SHOP,), START, START, 0, (finding(1, "up"),), ()
)


@dataclass
class Place:
    store: SqlControlStore
    clock: FakeClock
    shop: Shop
    proposer: Proposer
    started: list[Run]
    pipeline: Pipeline

    def look(self, incident: Incident = INCIDENT) -> list[Proposed]:
        return self.proposer.look([incident], self.store.runbooks())


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    clock = FakeClock(START)
    store = open_control_store(f"sqlite:///{tmp_path / 'c.sqlite'}", tmp_path, clock)
    shop = Shop()
    inventory = Inventory({"shop": shop})
    pipeline = Pipeline(Config(data_dir=tmp_path), SeriesRegistry(100))
    health = HealthWatch(clock, clock.now_unix_nano, lambda: True, lambda: True, lambda: 0.0)
    facts = FactFinder(pipeline, lambda ask: ask(), inventory, health, lambda _: (), Limits())
    proposer = Proposer(store, inventory, facts, clock, BudgetLimits(10.0, 10.0, 10, 10), Limits())
    started: list[Run] = []
    proposer.start = started.append
    lease = store.take_lease("me", START, 3600.0)
    assert lease is not None
    proposer.holder = lambda: Holder("me", lease.token)
    store.save_runbook(RUNBOOK, "petrel", START)
    yield Place(store, clock, shop, proposer, started, pipeline)
    store.close()


UNDONE = read_runbook(RUNBOOK.text.replace("undo: false", "undo: true"), "again.yaml")


def test_of_a_step_that_is_to_be_undone_and_nobody_can_say_how_there_is_no_plan(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    def silent(_: Action) -> Action:
        raise ActuatorError("the shop does not answer")

    place.store.save_runbook(UNDONE, "petrel", START)
    with monkeypatch.context() as patched:
        patched.setattr(place.shop, "inverse", silent)
        assert place.look() == []
        with pytest.raises(ActuatorError, match="could not be found out: the shop does not answer"):
            place.proposer.propose(UNDONE, INCIDENT, "rob")
    assert place.store.list_runs() == []
    (made,) = place.look()
    assert made.run.plan.steps[0].inverse is None, "nothing undoes it, and that is known"


def test_why_a_runbook_for_this_trouble_has_no_plan_is_said_once(place: Place) -> None:
    scaling = RUNBOOK.text.replace("service.restart", "service.scale")
    place.store.save_runbook(read_runbook(scaling, "again.yaml"), "petrel", START)
    with capture_logs() as lines:
        for _ in range(3):
            assert place.look() == []
            place.clock.advance(60.0)
    (told,) = [line for line in lines if line["event"] == "runbook_not_planned"]
    assert "offers service.scale" in told["reason"]


@pytest.mark.parametrize("method", ["read", "targets"])
def test_an_actuator_with_a_defect_holds_up_no_other_and_tells_no_secret(
    place: Place, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def defect(*_: object) -> None:
        raise KeyError("password=hunter2")

    broken = Shop()
    monkeypatch.setattr(broken, method, defect)
    inventory = Inventory({"broken": broken, "shop": place.shop})
    assert inventory.entities()[SHOP][-1] == "shop"
    assert [one.actuator for one in inventory.owned(SHOP)] == ["shop"]
    assert inventory.faults == {"broken": "the actuator failed: KeyError"}


def said(one: Proposed) -> dict[str, str]:
    return {verdict.guardrail: verdict.outcome.word for verdict in one.judgement.verdicts}


def test_what_fits_is_planned_judged_and_on_record(place: Place) -> None:
    (made,) = place.look()
    assert len(made.judgement.verdicts) == 20
    assert (made.run.plan.targets[0].entity, made.run.state) == (SHOP, RunState.REFUSED)
    assert said(made)["autonomy"] == "deny", "nobody has signed it"
    assert said(made)["evidence quality"] == "deny", "one signal is not two"
    assert place.started == []
    assert [entry.kind.value for entry in place.store.ledger(0, made.run.run_id)][:2] == [
        "proposed",
        "judged",
    ]


def test_with_two_signals_and_a_signature_it_waits_for_people(place: Place) -> None:
    place.store.sign_runbook("again", RUNBOOK.version, "ada", START)
    two = replace(INCIDENT, findings=(finding(1, "up"), finding(2, "service_up")))
    (made,) = place.look(two)
    assert made.run.state is RunState.WAITING, made.run.why
    place.clock.advance(60.0)
    assert place.look(two) == [], "one plan of a runbook at a time"
    with pytest.raises(StateError, match="waits or runs already"):
        place.proposer.propose(RUNBOOK, two, "rob")


def test_a_deploy_that_was_told_as_a_change_is_one_that_is_under_way(place: Place) -> None:
    def told(change_id: str, kind: str, entity: str, ago_seconds: int) -> None:
        change = build_changes(
            START - ago_seconds * SECOND, change_id, "shop 2.1", source="ci", entity=entity, kind=kind
        )
        place.pipeline.judge_records(change)

    told("old", "deploy", SHOP, 901)
    told("other", "deploy", "service:elsewhere", 60)
    told("ours", "scaling", SHOP, 60)
    place.store.sign_runbook("again", RUNBOOK.version, "ada", START)
    (made,) = place.look()
    assert said(made)["context"] == "allow"
    told("new", "deploy", SHOP, 60)
    place.clock.advance(31.0)
    (made,) = place.look()
    (verdict,) = [one for one in made.judgement.verdicts if one.guardrail == "context"]
    assert (verdict.outcome.word, "shop 2.1" in verdict.reason) == ("ask", True)


def test_what_was_refused_is_proposed_again_when_the_incident_changes_or_later(place: Place) -> None:
    assert len(place.look()) == 1
    place.clock.advance(4.0)
    assert place.look() == [], "nothing has changed"
    two = replace(INCIDENT, findings=(*INCIDENT.findings, finding(2, "service_up")))
    assert len(place.look(two)) == 1
    place.clock.advance(2.0)
    assert place.look() == [], "not more often than every three seconds"
    place.clock.advance(31.0)
    assert len(place.look(two)) == 1


def test_there_is_an_end_to_proposing(place: Place) -> None:
    made = 0
    for _ in range(20):
        place.clock.advance(31.0)
        made += len(place.look())
    assert made == 12


def test_what_does_not_fit_says_why(place: Place) -> None:
    place.shop.healthy = True
    found = place.proposer.propose(RUNBOOK, INCIDENT, "rob")
    assert isinstance(found, NotFitting)
    assert "its condition does not hold" in found.reason
    assert place.look() == []


def test_a_system_that_does_not_answer_is_not_acted_on(place: Place) -> None:
    place.shop.silent = True
    assert place.look() == []
    assert place.proposer._inventory.faults["shop"] == "the shop does not answer"


def test_a_person_who_asks_is_the_requester(place: Place) -> None:
    made = place.proposer.propose(RUNBOOK, INCIDENT, "rob")
    assert isinstance(made, Proposed)
    assert made.run.plan.requester == "rob"
