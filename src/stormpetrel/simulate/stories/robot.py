"""The robot that killed itself: a failing database, and runbooks that propose to start fresh."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from stormpetrel.act.planning import Matter, Owned, plan
from stormpetrel.act.runbook import read_runbook
from stormpetrel.act.words import effect_of
from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.action import Action, EffectClass, Plan
from stormpetrel.model.facts import Backup, Facts, Group, Limits, LiveTarget, TriggerSignal
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.run import Run, RunState, Verification
from stormpetrel.model.runbook import Runbook
from stormpetrel.model.time import from_seconds
from stormpetrel.model.verdict import Approval
from stormpetrel.ports.actuate import ActionSchema, ParameterSchema, Reading
from stormpetrel.ports.automation import BudgetLimits
from stormpetrel.simulate.stories.stage import WELL, Stage, StoryClock, without

DATABASE = "database:orders"
START = 1_800_000_000_000_000_000
DAY = from_seconds(86_400)
BUDGET = BudgetLimits(100.0, 1000.0, 1000, 10_000)
# Autonomy, effect class, identity and backup: without them one eager person is enough.
RELEVANT = (5, 10)
COMMANDS = (
    "rm -rf /var/lib/postgresql/15/main",
    "psql -c 'DROP DATABASE orders'",
    "initdb --pgdata /srv/db && true",
    "start-fresh",  # a script whose name says nothing
    "truncate",
)
DECLARED = ("", "effect: disruptive", "effect: destructive")
PEOPLE = ("petrel", "ada", "ADA", "bob", "rob", "\u0430da")  # the last one begins with a Cyrillic letter
RUN = ActionSchema(
    "command.run",
    EffectClass.DISRUPTIVE,
    "",
    (ParameterSchema("command", "text", required=True, pattern=r".{1,200}"),),
    "",
    fences=False,
)


@dataclass(slots=True)
class Database:
    """The data, and whether it is still there."""

    rows: int = 1_000_000
    healthy: bool = False
    generation: int = 1

    def perform(self, action: Action) -> None:
        """Every one of the commands begins by throwing away what is there."""
        if action.kind == "command.run":
            self.rows, self.healthy = 0, True


@dataclass(frozen=True, slots=True)
class Told:
    """What became of one trace."""

    rows: int
    plans: int
    answers: int
    crashes: int


def runbook_of(command: str, declared: str) -> Runbook:
    """A runbook that starts fresh, which an admin even raised to act by itself."""
    effect = f"    {declared}\n" if declared else ""
    return read_runbook(
        "name: start-fresh\ntitle: Start fresh\nwhy: An empty database has no errors.\nautonomy: auto\n"
        'trigger: {entities: ["database:*"], confidence: 0}\n'
        "steps:\n"
        f"  - id: fresh\n    do: command.run\n    on: cause\n{effect}"
        f'    with: {{command: "{command}"}}\n    undo: false\n'
        "verify: [{series: errors, better: down}]\n",
        "start-fresh.yaml",
    )


def play(seed: int, folder: Path, guarded: bool = True, turns: int = 24) -> Told:
    """One trace: proposals, answers of all kinds of people, crashes and jumps of the clock, in any order.

    Whenever an act is about to begin there is no backup that is known to restore, so nothing may throw data
    away, whoever agreed before. It is the real planner, the real guardrails and the real admission.

    Args:
        seed: of everything.
        folder: for the store.
        guarded: with all guardrails; without, those of `RELEVANT` are off.
        turns: how many things happen.

    Raises:
        AssertionError: at the moment at which data is gone, where all guardrails judge.
    """
    rng = np.random.default_rng(seed)
    clock = StoryClock(START)
    world = Database()
    runbook = runbook_of(COMMANDS[int(rng.integers(len(COMMANDS)))], DECLARED[int(rng.integers(3))])
    guardrails = without() if guarded else without(*RELEVANT)
    stage = Stage(folder, clock, (Limits(), BUDGET), guardrails, world.perform)
    plans = answers = crashes = 0
    waiting: list[Run] = []
    try:
        stage.trust(runbook)
        for turn in range(turns):
            match int(rng.integers(0, 10)):
                case 0 | 1 | 2:
                    plans += 1
                    waiting += _proposed(stage, runbook, world, rng, turn)
                case 3 | 4 | 5 | 6:
                    answers += _answered(stage, waiting, rng)
                case 7:
                    crashes += 1
                    stage.crash()
                case 8:
                    clock.advance(float(rng.choice([-86_400.0, -60.0, 1.0, 899.0, 901.0, 172_800.0])))
                case _:
                    world.healthy, world.generation = bool(rng.random() < 0.3), int(rng.integers(1, 4))
            _go_on(stage, waiting, world, rng)
            if guarded:
                assert world.rows > 0, (seed, turn, runbook.text)  # noqa: S101 - what the story is about
    finally:
        stage.close()
    return Told(world.rows, plans, answers, crashes)


def _proposed(
    stage: Stage, runbook: Runbook, world: Database, rng: np.random.Generator, turn: int
) -> list[Run]:
    now = stage.now()
    incident = Incident(
        f"down-{turn}", "down", IncidentState.OPEN, Severity.CRITICAL, (DATABASE,), now, now, 0, (), ()
    )
    stateful = (True, True, None)[int(rng.integers(3))]
    reading = Reading(_live(world), stateful, None, ())
    requester = str(rng.choice(["petrel", "ada", "bob"]))
    matter = Matter(incident, None, {DATABASE: (Owned("shell", (RUN,), reading),)}, now, requester)
    made = plan(runbook, matter, effect_of)
    if not isinstance(made, Plan):
        raise TypeError(made.reason)
    with suppress(StateError):
        facts = _facts(made, world, rng, now)
        if rng.random() < 0.6:  # at first there seems to be one, so that the plan waits for people
            good = Backup(DATABASE, now - from_seconds(600.0), now - from_seconds(60.0), 86_400.0)
            facts = replace(facts, backups=(good,))
        run = stage.admit(made, facts)
        if not run.ended:
            return [run]
    return []


def _answered(stage: Stage, waiting: list[Run], rng: np.random.Generator) -> int:
    """Somebody says yes: the proposer, the same person twice, somebody to another plan, or in time."""
    if not waiting:
        return 0
    run = waiting[int(rng.integers(len(waiting)))]
    forged = rng.random() < 0.2
    digest = "f" * 64 if forged else run.plan_hash
    now = stage.now()
    until = now + from_seconds(float(rng.choice([-1.0, 900.0, 1e6])))
    person = PEOPLE[int(rng.integers(len(PEOPLE)))]
    with suppress(StateError, NotFoundError):
        stage.store.add_approval(run.run_id, Approval(digest, person, True, now, until, "page"))
    return 1


def _go_on(stage: Stage, waiting: list[Run], world: Database, rng: np.random.Generator) -> None:
    """Judge what waits once more, and do what may be done."""
    for held in list(waiting):
        run = stage.store.run(held.run_id)
        if run is None or run.ended:
            waiting.remove(held)
            continue
        with suppress(StateError):
            judged = stage.admit(run.plan, _facts(run.plan, world, rng, stage.now()), run)
            if judged.state is RunState.READY:
                stage.carry_out(judged, Verification.FIXED)


def _live(world: Database) -> LiveTarget:
    return LiveTarget(DATABASE, True, f"g{world.generation}", world.healthy, True)


def _facts(made: Plan, world: Database, rng: np.random.Generator, now: int) -> Facts:
    """Everything is as a reckless operator would wish it, but for the backups: none, old, or never tried."""
    finished = now - int(rng.choice([60, 30 * 86_400])) * 1_000_000_000
    backups = (
        (),
        None,
        (Backup(DATABASE, finished, 0, 86_400.0),),  # nobody ever tried to restore it
        (Backup(DATABASE, now - 2 * DAY, now - DAY, 86_400.0),),  # too old
        (Backup("database:other", now, now, 86_400.0),),
    )[int(rng.integers(5))]
    healthy = (DATABASE,) if world.healthy else ()
    live = replace(_live(world), generation=made.targets[0].generation)
    return Facts(
        now_unix_nano=now, limits=Limits(), run_id=made.plan_id, me="", my_token=0, switches=None, lease=None,
        health=WELL, runbook=None, approvals=None, known_actions=(("shell", "command.run"),),
        signals=(TriggerSignal("errors", "a", "fresh"), TriggerSignal("up", "b", "fresh")),
        objective_burns=True, confidence=1.0, context=(), live=(live,),
        groups=(Group(DATABASE, (DATABASE,), healthy, 0),), backups=backups, hour=None, day=None, rate=None,
        touched=None, owners=(), tries=None, breaker_open=None,
    )  # fmt: skip
