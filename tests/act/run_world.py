"""A small world to drive runs in: a real control store, a system with a journal, crashes between effects."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from stormpetrel.act.verify import Measured, Seen, Side, TargetHealth
from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.app.leader import Leader
from stormpetrel.app.runs import Around, Bounds, Runs
from stormpetrel.errors import ActuatorError
from stormpetrel.model import canonical
from stormpetrel.model.action import Action, Condition, Cost, EffectClass, Plan, Step
from stormpetrel.model.facts import Facts, Limits, LiveTarget, Owner, Switch
from stormpetrel.model.ledger import EntryKind
from stormpetrel.model.run import ENDS, ActOutcome, ActResult, Run, Verification
from stormpetrel.model.verdict import Judgement, Outcome, Verdict
from stormpetrel.ports.actuate import ActionSchema, Order, Reading
from stormpetrel.ports.automation import BudgetLimits
from stormpetrel.testing.automation_samples import VERSION, sample_run, sample_runbook, sample_target
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.store_samples import NOW

PLENTY = BudgetLimits(1e9, 1e9, 10**9, 10**9)
LEASE_SECONDS = 30.0


class Crash(BaseException):
    """The process is gone: nothing after this point happens in it."""


@dataclass
class Fate:
    """When the next crash comes: after so many more boundaries; None: not now."""

    boundaries: int | None = None
    passed: int = 0

    def boundary(self) -> None:
        """One point between two effects."""
        self.passed += 1
        if self.boundaries is not None:
            if self.boundaries <= 0:
                self.boundaries = None
                raise Crash
            self.boundaries -= 1


class Fragile:
    """A store, before and after each of whose transactions the process may die."""

    def __init__(self, store: SqlControlStore, fate: Fate) -> None:
        self._store, self._fate = store, fate

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)
        if name not in {"admit", "begin_step", "advance_run"}:
            return found

        def call(*args: object) -> object:
            self._fate.boundary()
            result = found(*args)
            self._fate.boundary()
            return result

        return call


@dataclass
class System:
    """What is acted on. It does what it is told as often as it is told, and keeps a journal of it.

    It keeps no keys: that nothing is done twice is all the driver's doing.
    """

    fate: Fate
    name: str = "local"
    journal: list[tuple[str, Action]] = field(default_factory=list)
    behaves: list[str] = field(default_factory=list)  # of the next orders; done when there is none left
    asked: list[str] = field(default_factory=list)  # of the next questions; the truth when there is none left
    owner: str = ""
    undoable: bool = True
    known: Callable[[str], bool] = lambda _: False  # whether an order is on record, asked at each act
    unrecorded: list[str] = field(default_factory=list)

    def actions(self) -> tuple[ActionSchema, ...]:
        return ()

    def targets(self) -> tuple[str, ...]:
        return ()

    def read(self, entity: str) -> Reading:
        owners = (Owner(entity, "", self.owner),) if self.owner else ()
        return Reading(LiveTarget(entity, True, "g1", True, True), False, None, owners)

    def inverse(self, action: Action) -> Action | None:
        return replace(action, kind="service.unscale") if self.undoable else None

    def act(self, order: Order) -> ActResult:
        self.fate.boundary()
        behaviour = self.behaves.pop(0) if self.behaves else "done"
        if behaviour == "declined":
            return ActResult(ActOutcome.NOT_DONE, "not today")
        if behaviour == "raises":
            raise ActuatorError("no route")
        if behaviour == "lost":
            return ActResult(ActOutcome.IN_DOUBT, "timed out")
        if not self.known(order.key):
            self.unrecorded.append(order.key)
        self.journal.append((order.key, order.action))
        self.fate.boundary()
        if behaviour == "done, raises":
            raise ActuatorError("connection lost")
        if behaviour == "done, lost":
            return ActResult(ActOutcome.IN_DOUBT, "timed out")
        return ActResult(ActOutcome.DONE, "did it")

    def resolve(self, order: Order) -> ActResult:
        self.fate.boundary()
        answer = self.asked.pop(0) if self.asked else "truth"
        if answer == "raises":
            raise ActuatorError("no route")
        if answer == "no idea":
            return ActResult(ActOutcome.IN_DOUBT, "no trace")
        done = any(key == order.key for key, _ in self.journal)
        return ActResult(ActOutcome.DONE if done else ActOutcome.NOT_DONE, "looked")

    def close(self) -> None:
        """Nothing is held."""


def numbers(wanted: Verification) -> Measured:
    """Samples of which verification says just this."""
    rng = np.random.default_rng(7)

    def around(level: float) -> Any:
        return level + rng.standard_normal(20)

    level = {Verification.FIXED: 20.0, Verification.WORSE: 180.0}.get(wanted, 100.0)
    after = around(level) if wanted is not Verification.INCONCLUSIVE else np.empty(0)
    one = Seen(Condition("latency", "down"), "latency", around(20), Side(around(100), after), ())
    return Measured((one,), (TargetHealth("service:a", True, True),), wanted is Verification.NO_EFFECT)


class World:
    """Everything around runs, and as many drivers as crash."""

    def __init__(self, folder: Path, tries: int = 10**6) -> None:
        self.clock = FakeClock(NOW)
        self.fate = Fate()
        self.limits = Limits(tries_per_incident=tries)
        self.store = open_control_store(
            f"sqlite:///{folder}/control.db", clock=self.clock, limits=self.limits
        )
        self.store.save_runbook(sample_runbook(), "jo", NOW)
        self.system = System(self.fate)
        self.system.known = self.is_recorded
        self.says = Verification.FIXED
        self.outcome = Outcome.ALLOW
        self.file_switches: tuple[Switch, ...] = ()
        self.drivers = 0
        self.restart()

    def restart(self) -> None:
        """The driver is gone; another one comes up, with nothing in its memory."""
        self.drivers += 1
        fragile: Any = Fragile(self.store, self.fate)
        self.leader = Leader(self.store, self.clock, f"driver-{self.drivers}", LEASE_SECONDS)
        around = Around(
            self.facts,
            self.judge,
            lambda _: self.system,
            lambda *_: numbers(self.says),
            lambda: self.file_switches,
        )
        self.runs = Runs(fragile, around, self.leader, self.clock, Bounds(self.limits, PLENTY))

    def facts(self, run: Run, now: int) -> Facts:
        return Facts(
            now_unix_nano=now, limits=self.limits, run_id=run.run_id, me="a", my_token=1, switches=None,
            lease=None, health=None, runbook=None, approvals=None, known_actions=None, signals=None,
            objective_burns=None, confidence=None, context=(), live=None, groups=(), backups=None, hour=None,
            day=None, rate=None, touched=None, owners=(), tries=None, breaker_open=None,
        )  # fmt: skip

    def judge(self, plan: Plan, facts: Facts) -> Judgement:
        outcome = Outcome.DENY if facts.switches else self.outcome
        said = Verdict(1, "fixed", outcome, outcome.word, 1 if outcome is Outcome.ASK else 0)
        return Judgement(plan, canonical.plan_hash(plan), (said,))

    def propose(self, plan: Plan) -> Run:
        """Admit a plan, as whoever proposes does."""
        run = sample_run(plan)
        facts = World.facts(self, run, self.now)
        self.store.admit(facts, lambda whole: self.judge(plan, whole), run, PLENTY)
        return self.run(run.run_id)

    @property
    def now(self) -> int:
        return self.clock.now_unix_nano()

    def run(self, run_id: str) -> Run:
        found = self.store.run(run_id)
        assert found is not None
        return found

    def advance(self, run_id: str) -> float | None:
        """One thing by the present driver; when it dies of it, another one comes up."""
        try:
            self.leader.renew()
            return self.runs.advance(run_id)
        except Crash:
            self.restart()
            return 0.0

    def to_end(self, run_id: str, most: int = 400) -> Run:
        """Drive a run to its end, with time passing as it is asked for."""
        for _ in range(most):
            pause = self.advance(run_id)
            if pause is None:
                return self.run(run_id)
            self.clock.advance(pause if pause > 0 else 0.01)
        raise AssertionError(f"no end in sight: {self.run(run_id)}")

    def is_recorded(self, key: str) -> bool:
        """Whether an order under this key is on record and open."""
        return any(one.key == key and one.result is None for one in self.run(key.partition(":")[0]).records)

    def entries(self, run_id: str) -> list[tuple[EntryKind, dict[str, Any]]]:
        """The ledger of a run."""
        return [(one.kind, json.loads(one.body)) for one in self.store.ledger(run_id=run_id)]

    def check(self, run_id: str) -> None:
        """What must hold of a run at any moment, as the system's journal and the ledger have it."""
        run = self.run(run_id)
        done = [key for key, _ in self.system.journal if key.split(":")[0] == run_id]
        assert len(done) == len(set(done)), f"done twice: {done}"
        assert not self.system.unrecorded, f"done without an order on record: {self.system.unrecorded}"
        begun, answered = {EntryKind.BEGUN, EntryKind.UNDO_BEGUN}, {EntryKind.RESULT, EntryKind.UNDO_RESULT}
        entries = self.entries(run_id)
        ordered = [body["key"] for kind, body in entries if kind in begun]
        assert set(done) <= set(ordered)
        ends = [body for kind, body in entries if kind is EntryKind.STATE and body.get("to") in ENDS]
        assert len(ends) == int(run.ended), f"ends: {ends}"
        if run.ended:
            told = [body["key"] for kind, body in entries if kind in answered]
            assert set(ordered) <= set(told), "an order without its answer"
            assert all(one.result is not None for one in run.records)


def plan_of(
    plan_id: str, widths: list[int], *, wave: int = 1, undo: bool = True,
    effect: EffectClass = EffectClass.REVERSIBLE, incident: str = "i1", timeout: float = 5.0,
    settle: float = 10.0,
) -> Plan:  # fmt: skip
    """A plan with a step for each width, on so many targets."""
    steps = []
    for number, width in enumerate(widths):
        targets = tuple(sample_target(f"{plan_id}-{number}-{one}") for one in range(width))
        action = Action("service.scale", "replicas", targets, (), effect)
        inverse = replace(action, kind="service.unscale") if undo else None
        steps.append(Step(f"s{number}", action, Cost(1.0, 1), wave, timeout, settle, inverse, "better"))
    seen = (Condition("latency", "down"),)
    return Plan(plan_id, "restart-it", VERSION, incident, "overload", "petrel", tuple(steps), seen, NOW)
