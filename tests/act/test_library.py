"""Every runbook of the library in a simulated trouble of its trigger: planned, judged, run, and verified.

The schemas are those of the real actuators, so a runbook that an actuator would refuse fails here.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.act.library_world import Scene, World

from stormpetrel.act.library import shipped
from stormpetrel.adapters.actuate.collect import CollectActuator
from stormpetrel.adapters.actuate.commands import CommandSettings, least_effect, parameters_of
from stormpetrel.adapters.actuate.files import AREA
from stormpetrel.adapters.actuate.kubernetes import KubernetesActuator
from stormpetrel.adapters.actuate.nftables import NftablesActuator
from stormpetrel.adapters.actuate.postgresql import PostgresqlActuator
from stormpetrel.adapters.actuate.supervisord import SupervisordActuator
from stormpetrel.model.action import Autonomy, EffectClass
from stormpetrel.model.run import RunState, Verification
from stormpetrel.model.runbook import Runbook
from stormpetrel.model.verdict import Outcome
from stormpetrel.ports.actuate import ActionSchema

RUNBOOKS = {one.name: one for one in shipped()}
HOUR = 3600.0


def command(name: str, effect: str) -> tuple[ActionSchema, ...]:
    """What an actuator offers that may run one command."""
    allowed = {name: CommandSettings.model_validate({"words": ["/usr/local/bin/it"], "effect": effect})}
    return (ActionSchema("command.run", least_effect(allowed), "", parameters_of(allowed), "", fences=False),)


FILES = (
    ActionSchema("files.free", EffectClass.DISRUPTIVE, "files", (AREA,), "", fences=False),
    ActionSchema("logs.rotate", EffectClass.DISRUPTIVE, "logs", (AREA,), "", fences=False),
)
CLIENT = {"address": "203.0.113.7"}
SESSION = {"pid": "4711", "backend_start": "2026-01-01 00:00:00.000000+00"}
SCENES: dict[str, Scene] = {
    "block-address": Scene("service:shop", NftablesActuator.schemas, attributes=CLIENT),
    "collect-diagnostics": Scene("service:shop", CollectActuator.schemas),
    "drain-node": Scene("node:n1", KubernetesActuator.schemas),
    "fail-over-replica": Scene(
        "database:orders", command("fail-over", "disruptive"), healthy=False, stateful=True
    ),
    "free-disk-space": Scene("host:a", FILES),
    "kill-runaway-query": Scene(
        "database:orders", PostgresqlActuator.schemas, stateful=True, attributes=SESSION
    ),
    "renew-certificate": Scene("service:shop", command("renew-certificate", "reversible")),
    "restart-failed-service": Scene("service:shop", SupervisordActuator.schemas, healthy=False),
    "roll-back-deployment": Scene("deployment:shop", KubernetesActuator.schemas, change="rollout-7"),
    "rotate-logs": Scene("host:a", FILES),
    "scale-in": Scene("service:shop", SupervisordActuator.schemas, count=4),
    "scale-out": Scene("service:shop", SupervisordActuator.schemas, count=1),
    "throttle-client": Scene("service:shop", NftablesActuator.schemas, attributes=CLIENT),
}


@contextmanager
def world_of(runbook: Runbook, folder: Path, helps: bool) -> Iterator[World]:
    world = World(runbook, SCENES[runbook.name], folder, helps)
    try:
        yield world
    finally:
        world.close()


def test_every_runbook_of_the_library_has_its_scene() -> None:
    assert SCENES.keys() == RUNBOOKS.keys()


@pytest.mark.parametrize("name", RUNBOOKS)
def test_it_is_planned_judged_run_and_fixes_its_trouble(name: str, tmp_path: Path) -> None:
    runbook = RUNBOOKS[name]
    with world_of(runbook, tmp_path, helps=True) as world:
        (made,) = world.look()
        verdicts = made.judgement.verdicts
        assert len(verdicts) == 20
        refused = [f"{one.guardrail}: {one.reason}" for one in verdicts if one.outcome is Outcome.DENY]
        assert refused == []
        asked = [one.number for one in verdicts if one.outcome is Outcome.ASK]
        automatic = runbook.autonomy is Autonomy.AUTO
        assert asked == ([] if automatic else [4]), [one for one in verdicts if one.outcome is Outcome.ASK]
        assert made.run.state is (RunState.READY if automatic else RunState.WAITING)
        ended = world.to_end(made.run)
        assert ended.state is RunState.FINISHED, ended.why
        assert [one.kind for one in world.system.acts.values()] == [step.kind for step in runbook.steps]
        assert ended.automatic is automatic
        if ended.plan.effect is not EffectClass.READ:
            assert ended.records[-1].verified is Verification.FIXED, ended.why
        assert world.store.check_ledger() == []


CHANGING = [
    name for name, one in RUNBOOKS.items() if any(step.effect is not EffectClass.READ for step in one.steps)
]


@pytest.mark.parametrize("name", CHANGING)
def test_what_does_not_help_is_handed_to_people_and_not_repeated(name: str, tmp_path: Path) -> None:
    runbook = RUNBOOKS[name]
    with world_of(runbook, tmp_path, helps=False) as world:
        (made,) = world.look()
        first = world.to_end(made.run)
        assert first.records[-1].verified is Verification.NO_EFFECT, first.why
        assert first.state is RunState.FINISHED
        acts = len(world.system.acts)
        # By itself it is not done again: it asks, also where it acted by itself before.
        for number in (2, 3):
            world.pass_time(HOUR)
            (made,) = world.look()
            assert made.run.state is RunState.WAITING, made.run.why
            asked = {one.guardrail for one in made.judgement.verdicts if one.outcome is Outcome.ASK}
            assert "did not help" in asked
            ended = world.to_end(made.run)
            assert ended.records[-1].verified is Verification.NO_EFFECT, ended.why
            assert len(world.system.acts) == number * acts
        assert ended.state is RunState.ESCALATED
        assert "a person takes over" in ended.why
        world.pass_time(HOUR)
        assert world.look() == [], "three tries are all it gets"
        assert len(world.system.acts) == 3 * acts


def test_nobody_who_agrees_is_nobody_who_acts(tmp_path: Path) -> None:
    """A plan that asks and is not answered expires, and nothing was done."""
    with world_of(RUNBOOKS["block-address"], tmp_path, helps=True) as world:
        (made,) = world.look()
        world.clock.advance(901.0)
        world.made.leader.renew()
        assert world.made.runs.advance(made.run.run_id) == 0.0
        ended = world.store.run(made.run.run_id)
        assert ended is not None
        assert ended.state is RunState.EXPIRED
        assert world.system.acts == {}
