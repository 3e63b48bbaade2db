"""The best case: a plan and facts to which no guardrail objects, from which a proof or a test departs.

One member of a group of ten is restarted. `calm_facts` fits any plan made with `calm_plan`; whoever wants to
see a guardrail refuse changes one fact (`dataclasses.replace`).
"""

from __future__ import annotations

from stormpetrel.model.action import (
    Action,
    Autonomy,
    Condition,
    Cost,
    EffectClass,
    Origin,
    Parameter,
    Plan,
    Scalar,
    Step,
    Target,
)
from stormpetrel.model.facts import (
    Backup,
    Facts,
    Group,
    Health,
    Lease,
    Limits,
    LiveTarget,
    Purse,
    Rate,
    RunbookFacts,
    Touched,
    Track,
    TriggerSignal,
)

SECOND = 1_000_000_000
NOW = 1_800_000_000 * SECOND
DAY = 86_400 * SECOND
RUNBOOK, VERSION, GROUP, ACTUATOR = "restart-what-hangs", "0123456789abcdef", "service:shop", "supervisor"


def member(number: int) -> str:
    """The entity of a member of the group."""
    return f"host:shop-{number:02d}"


def calm_target(number: int = 0, stateful: bool | None = False, origin: Origin = Origin.INVENTORY) -> Target:
    """A member of the group as a target."""
    return Target(member(number), ACTUATOR, GROUP, "g1", stateful, origin)


def calm_action(
    targets: tuple[Target, ...],
    effect: EffectClass = EffectClass.DISRUPTIVE,
    kind: str = "service.restart",
    field: str = "process",
    parameters: dict[str, Scalar] | None = None,
) -> Action:
    """An action on these targets; its parameters are literals of the runbook."""
    given = tuple(
        Parameter(name, value, Origin.RUNBOOK, validated=True)
        for name, value in sorted((parameters or {}).items())
    )
    return Action(kind, field, targets, given, effect)


def calm_step(action: Action, step_id: str = "restart", cost: Cost | None = None, wave: int = 1) -> Step:
    """A step without an undoing."""
    return Step(
        step_id, action, cost or Cost(0.0, 2 * len(action.targets)), wave, 60.0, 120.0, None, "it answers"
    )


def calm_plan(*steps: Step, requester: str = "petrel") -> Plan:
    """A plan of these steps; without any, the restart of one member."""
    steps = steps or (calm_step(calm_action((calm_target(),))),)
    checks = (Condition("latency", "down"),)
    return Plan(
        "plan-1", RUNBOOK, VERSION, "incident-1", "saturation host:shop-00", requester, steps, checks, NOW
    )


def calm_group(size: int = 10, healthy: int | None = None, minimum: int = 0) -> Group:
    """The group, of which the last `healthy` members are healthy; all but the first by default."""
    names = tuple(member(number) for number in range(size))
    ill = size - (max(size - 1, 0) if healthy is None else healthy)
    return Group(GROUP, names, names[ill:], minimum)


def calm_facts(plan: Plan, limits: Limits | None = None, size: int = 10) -> Facts:
    """Facts under which every guardrail allows this plan: all is known, fresh, earned, free and cheap."""
    names = sorted({one.entity for step in plan.steps for one in step.action.targets})
    kinds = sorted({(one.actuator, step.action.kind) for step in plan.steps for one in step.action.targets})
    record = Track(judged=40, useful=40, harmful_unix_nano=0, failed_in_a_row=0, replay_days=30.0)
    return Facts(
        now_unix_nano=NOW,
        limits=limits or Limits(),
        run_id="plan-1",
        me="node-a",
        my_token=7,
        switches=(),
        lease=Lease("node-a", 7, NOW + 60 * SECOND),
        health=Health(1.0, 0.1, clock_went_back=False, ledger_ok=True, store_ok=True),
        runbook=RunbookFacts(plan.runbook_version, "ada", Autonomy.AUTO, "", 0.5, record),
        approvals=(),
        known_actions=tuple(kinds),
        signals=(TriggerSignal("latency", "probe", "fresh"), TriggerSignal("errors", "log", "fresh")),
        objective_burns=False,
        confidence=0.9,
        context=(),
        live=tuple(LiveTarget(name, True, "g1", False, True, 4, 1, 20, True) for name in names),
        groups=(calm_group(size),),
        backups=tuple(Backup(name, NOW - 600 * SECOND, NOW - 60 * SECOND, 3600.0) for name in names),
        hour=Purse(10.0, 0.0, 0.0, 50, 0, 0),
        day=Purse(100.0, 0.0, 0.0, 500, 0, 0),
        rate=Rate(0, 0, ()),
        touched=tuple(Touched(name, 0, 0, 0) for name in names),
        owners=(),
        tries=(),
        breaker_open=False,
    )
