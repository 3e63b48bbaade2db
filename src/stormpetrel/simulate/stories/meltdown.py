"""Autoscale meltdown: a minor spike, and a feedback loop in which each new server adds load."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from stormpetrel.act.planning import Matter, Owned, plan
from stormpetrel.act.runbook import read_runbook
from stormpetrel.act.words import effect_of
from stormpetrel.model.action import Action, EffectClass, Plan
from stormpetrel.model.facts import (
    Facts,
    Group,
    Limits,
    LiveTarget,
    TriggerSignal,
)
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.run import RunState, Verification
from stormpetrel.model.runbook import Runbook
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.actuate import ActionSchema, ParameterSchema, Reading
from stormpetrel.ports.automation import BudgetLimits
from stormpetrel.simulate.stories.stage import WELL, Stage, StoryClock, without

SERVICE = "service:shop"
START = 1_800_000_000_000_000_000
HOUR = from_seconds(3600)
# What somebody without a head for exponentials writes: double, triple, ten more, all that there may be.
POLICIES = ("target.count * 2", "target.count * 3", "target.count + 10", "target.most", "target.count * 8")
BUDGET = BudgetLimits(spend_hour=8.0, spend_day=20.0, churn_hour=12, churn_day=40)
# Bounds, budget, rate, cooldown, "did not help", breaker: what stands between a spike and a meltdown.
RELEVANT = (14, 15, 16, 17, 19, 20)
SCALE = ActionSchema(
    "service.scale",
    EffectClass.REVERSIBLE,
    "replicas",
    (ParameterSchema("replicas", "int", required=True, least=0, most=1_000_000),),
    "service.scale",
    fences=False,
)


@dataclass(slots=True)
class Fleet:
    """The servers. `spends` and `churns` are by the clock's hour, counted by the world itself."""

    replicas: int
    most: int
    feedback: float
    spends: dict[int, float] = field(default_factory=dict)
    churns: dict[int, int] = field(default_factory=dict)
    peak: int = 0

    def load_ratio(self, demand: float) -> float:
        """Of what the servers can carry; each of them brings load of its own."""
        return (demand + self.feedback * self.replicas) / max(self.replicas, 1)

    def scale(self, to: int, hour: int) -> None:
        """Start or stop."""
        more = to - self.replicas
        self.spends[hour] = self.spends.get(hour, 0.0) + max(more, 0)
        self.churns[hour] = self.churns.get(hour, 0) + abs(more)
        self.replicas = to
        self.peak = max(self.peak, to)


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one trace."""

    peak: int
    most: int
    spend_hour: float
    churn_hour: int
    runs: int


def runbook_of(policy: str) -> Runbook:
    """A runbook that scales by a policy, and may do so by itself."""
    return read_runbook(
        "name: scale-out\ntitle: More servers\nwhy: The servers are busy.\nautonomy: auto\n"
        'trigger: {entities: ["service:*"], confidence: 0}\n'
        "steps:\n"
        "  - id: more\n    do: service.scale\n    on: cause\n    effect: reversible\n"
        f'    with: {{replicas: {{fact: "{policy}"}}}}\n'
        "    cost: {spend: 1, churn: 1}\n"
        "verify: [{series: load_ratio, better: down}]\n",
        "scale-out.yaml",
    )


def play(seed: int, folder: Path, guarded: bool = True, ticks: int = 24) -> Told:
    """One trace: a spike of 5 to 60 %, servers that add load to load, a policy, and what is done about it.

    Args:
        seed: of everything.
        folder: for the store.
        guarded: with all guardrails; without, those of `RELEVANT` are off.
        ticks: how often the load is looked at, one to four minutes apart.

    Raises:
        AssertionError: at the first moment at which a cap does not hold, where all guardrails judge.
    """
    rng = np.random.default_rng(seed)
    clock = StoryClock(START + int(rng.integers(0, 24)) * HOUR + int(rng.integers(0, 3000)) * 1_000_000_000)
    fleet = Fleet(int(rng.integers(2, 6)), int(rng.integers(8, 30)), float(rng.uniform(0.3, 1.4)))
    demand = fleet.replicas * float(rng.uniform(0.2, 0.6)) * float(rng.uniform(1.05, 1.6))
    runbook = runbook_of(POLICIES[int(rng.integers(len(POLICIES)))])

    def perform(action: Action) -> None:
        fleet.scale(int(action.parameter("replicas") or 0), clock.now_unix_nano() // HOUR)

    guardrails = without() if guarded else without(*RELEVANT)
    stage = Stage(folder, clock, (Limits(), BUDGET), guardrails, perform)
    runs = 0
    try:
        stage.trust(runbook)
        for tick in range(ticks):
            clock.advance(float(rng.uniform(60.0, 240.0)))
            if fleet.load_ratio(demand) < 0.7 or fleet.replicas > 100_000:
                continue
            made = _plan(runbook, fleet, clock.now_unix_nano(), tick)
            run = stage.admit(made, _facts(made, fleet, clock.now_unix_nano()))
            if run.state is RunState.READY:
                runs += 1
                # A metric that says "fixed" whatever happens is the worst adviser.
                lies = rng.random() < 0.8
                stage.carry_out(run, Verification.FIXED if lies else Verification.NO_EFFECT)
            else:
                stage.expire()
            if guarded:
                _check(fleet, seed)
    finally:
        stage.close()
    return Told(fleet.peak, fleet.most, max(fleet.spends.values(), default=0.0),
                max(fleet.churns.values(), default=0), runs)  # fmt: skip


def _check(fleet: Fleet, seed: int) -> None:
    """The caps, at this moment."""
    spend, churn = max(fleet.spends.values(), default=0.0), max(fleet.churns.values(), default=0)
    assert fleet.replicas <= fleet.most, (seed, fleet)  # noqa: S101 - this is what the story is about
    assert spend <= BUDGET.spend_hour, (seed, fleet)  # noqa: S101
    assert sum(fleet.spends.values()) <= 2 * BUDGET.spend_day, (seed, fleet)  # noqa: S101
    assert churn <= BUDGET.churn_hour, (seed, fleet)  # noqa: S101


def _plan(runbook: Runbook, fleet: Fleet, now: int, tick: int) -> Plan:
    live = LiveTarget(SERVICE, True, f"g{tick}", True, True, fleet.replicas, 1, fleet.most, True)
    reading = Reading(live, False, None, ())
    incident = Incident(
        f"busy-{tick}", "busy", IncidentState.OPEN, Severity.ERROR, (SERVICE,), now, now, 0, (), ()
    )
    matter = Matter(incident, None, {SERVICE: (Owned("cloud", (SCALE,), reading),)}, now)
    made = plan(runbook, matter, effect_of)
    if not isinstance(made, Plan):
        raise TypeError(made.reason)
    return made


def _facts(made: Plan, fleet: Fleet, now: int) -> Facts:
    generation = made.targets[0].generation
    live = LiveTarget(SERVICE, True, generation, True, True, fleet.replicas, 1, fleet.most, True)
    return Facts(
        now_unix_nano=now, limits=Limits(), run_id=made.plan_id, me="", my_token=0, switches=None, lease=None,
        health=WELL, runbook=None, approvals=None, known_actions=(("cloud", "service.scale"),),
        signals=(TriggerSignal("load", "a", "fresh"), TriggerSignal("latency", "b", "fresh")),
        objective_burns=True, confidence=0.9, context=(), live=(live,),
        groups=(Group(SERVICE, (SERVICE,), (SERVICE,), 0),), backups=(), hour=None, day=None, rate=None,
        touched=None, owners=(), tries=None, breaker_open=None,
    )  # fmt: skip
