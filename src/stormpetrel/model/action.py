"""Actions: what may be done to a system, to whom, at what cost; and the plan that orders them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

Scalar = str | int | float | bool


class EffectClass(IntEnum):
    """What an action can do to a system, the mildest first. What is not declared is `DESTRUCTIVE`."""

    READ = 0
    REVERSIBLE = 1
    DISRUPTIVE = 2
    DESTRUCTIVE = 3

    @property
    def word(self) -> str:
        """The name in runbooks and on the page."""
        return self.name.lower()


class Autonomy(IntEnum):
    """How far a runbook may go: record only; show the plan; run once a person agrees; run."""

    OBSERVE = 0
    SUGGEST = 1
    APPROVE = 2
    AUTO = 3

    @property
    def word(self) -> str:
        """The name in runbooks and on the page."""
        return self.name.lower()


class Origin(StrEnum):
    """Who named a target, an action or a parameter.

    `RUNBOOK`: the signed runbook, literally. `INVENTORY`: what an actuator lists as its own. `FACT`: worked
    out from admitted numbers. The others are hostile until proven: `TELEMETRY` is any text of alerts, logs
    or traces; `MODEL` is a language model; `PERSON` somebody who asked.
    """

    RUNBOOK = "runbook"
    INVENTORY = "inventory"
    FACT = "fact"
    PERSON = "person"
    TELEMETRY = "telemetry"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class Target:
    """One thing that is acted on.

    Attributes:
        entity: as the topology names it, e.g. `service:checkout`.
        actuator: the configured actuator that owns it, by name.
        group: the group whose members serve together; the entity itself where it stands alone.
        generation: what the actuator said of its state when the plan was made; another one is another target.
        stateful: whether it holds data; None while nobody has said so, which counts as yes.
        origin: who named it.
    """

    entity: str
    actuator: str
    group: str
    generation: str
    stateful: bool | None
    origin: Origin


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an action. `validated`: it was checked against the type its schema declares."""

    name: str
    value: Scalar
    origin: Origin
    validated: bool


@dataclass(frozen=True, slots=True)
class Cost:
    """What a step costs.

    Attributes:
        spend: in the currency of the budget, over the time it is expected to stand.
        churn: starts plus stops of processes, machines or replicas.
    """

    spend: float = 0.0
    churn: int = 0


@dataclass(frozen=True, slots=True)
class Action:
    """One typed operation, e.g. `service.restart`, on targets that one actuator owns.

    Attributes:
        kind: what is done, from the actuator's own list.
        field: the part of the target that is changed ("replicas"), for owners of single fields; "" is all.
        targets: in the order of acting.
        parameters: by name, sorted.
        effect: as the runbook, the actuator and the reading of its words have it: the worst of them.
    """

    kind: str
    field: str
    targets: tuple[Target, ...]
    parameters: tuple[Parameter, ...]
    effect: EffectClass

    def parameter(self, name: str) -> Scalar | None:
        """The value of a parameter; None when it has none of this name."""
        return next((one.value for one in self.parameters if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Step:
    """One action of a plan, with how it is waited for and undone.

    Attributes:
        step_id: unique in its plan.
        wave: at most so many targets at once, after the first alone; 0: all at once (reads only).
        timeout_seconds: after which the act is in doubt, and the actuator is asked what is true.
        settle_seconds: after which it is verified.
        inverse: how it is undone, captured before acting; None: it cannot be.
        predicted: what is expected of it, in words.
    """

    step_id: str
    action: Action
    cost: Cost
    wave: int
    timeout_seconds: float
    settle_seconds: float
    inverse: Action | None
    predicted: str


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that must be so after acting, for verification.

    Attributes:
        series: selector of the series that is looked at, of the targets.
        direction: "down" or "up": which way is better.
        ratio: how far it must have moved towards better, of the step that the trouble made.
        finding: instead of a series: a detector, whose findings of the incident must be over.
        hold: it need not get better, it must not get worse: by more than `ratio` of its level before the act.
    """

    series: str
    direction: str
    ratio: float = 0.5
    hold: bool = False
    finding: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """A runbook made concrete for one incident. A changed plan is another plan: approvals name its hash.

    Attributes:
        plan_id: unique; part of what is hashed.
        runbook, runbook_version: of the signed runbook that it comes from.
        incident_id, cause: of the incident, and of its cause (class and entity), "" when none is known.
        requester: who proposed it: "petrel" or a person's name.
        steps: in order of acting.
        verification: how it is judged afterwards.
        created_unix_nano: when it was made.
    """

    plan_id: str
    runbook: str
    runbook_version: str
    incident_id: str
    cause: str
    requester: str
    steps: tuple[Step, ...]
    verification: tuple[Condition, ...]
    created_unix_nano: int

    @property
    def targets(self) -> tuple[Target, ...]:
        """All targets, each once, by entity."""
        found = {one.entity: one for step in self.steps for one in step.action.targets}
        return tuple(found[entity] for entity in sorted(found))

    @property
    def effect(self) -> EffectClass:
        """The worst of its steps."""
        return max((step.action.effect for step in self.steps), default=EffectClass.DESTRUCTIVE)

    @property
    def cost(self) -> Cost:
        """Of all steps together."""
        return Cost(sum(step.cost.spend for step in self.steps), sum(step.cost.churn for step in self.steps))
