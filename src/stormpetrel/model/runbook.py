"""Runbooks: a declared response to a kind of incident."""

from __future__ import annotations

from dataclasses import dataclass

from stormpetrel.model.action import Autonomy, Condition, Cost, EffectClass, Scalar


@dataclass(frozen=True, slots=True)
class Trigger:
    """For which incidents a runbook is proposed; empty tuples match everything.

    Attributes:
        cause_classes: of the first cause, as `model.cause.CauseClass` has them.
        entities: patterns (`*` and `?`) of the entity that is acted on.
        detectors: of at least one finding.
        severities: of the incident.
        condition: a CEL expression over `incident`, `cause` and `target`; "" is always.
        confidence_floor: of the cause; below it a person is asked.
    """

    cause_classes: tuple[str, ...]
    entities: tuple[str, ...]
    detectors: tuple[str, ...]
    severities: tuple[str, ...]
    condition: str
    confidence_floor: float


@dataclass(frozen=True, slots=True)
class ParameterSpec:
    """A parameter as a runbook gives it.

    Attributes:
        name: as the action has it.
        literal: the value, where it is written in the runbook.
        fact: where it is worked out instead: a CEL expression over typed facts; "" for literals.
    """

    name: str
    literal: Scalar | None
    fact: str = ""


@dataclass(frozen=True, slots=True)
class StepSpec:
    """One step as a runbook declares it.

    Attributes:
        step_id: unique in the runbook.
        kind: of the action, e.g. `service.restart`.
        actuator: by name; "" is whichever lists the target.
        targets: "cause" (the entity of the first cause), "change" (the entity of the change), "group"
            (all members), or `kind:name`, literally.
        effect: as declared; None: not declared, which is destructive.
        undo: whether it is undone when it made things worse.
        line: of the file, for messages.
    """

    step_id: str
    kind: str
    actuator: str
    targets: str
    parameters: tuple[ParameterSpec, ...]
    effect: EffectClass | None
    cost: Cost
    wave: int
    timeout_seconds: float
    settle_seconds: float
    undo: bool
    line: int


@dataclass(frozen=True, slots=True)
class Runbook:
    """A declared response: a trigger over incidents, ordered steps, the verification, its autonomy.

    Attributes:
        name: unique; `a-z`, digits and hyphens.
        version: SHA-256 of its canonical content, first 16 digits: what is signed off.
        autonomy: the highest level that the file asks for; what is in force is kept elsewhere.
        text: the file, for diffs.
    """

    name: str
    version: str
    title: str
    why: str
    trigger: Trigger
    steps: tuple[StepSpec, ...]
    verification: tuple[Condition, ...]
    autonomy: Autonomy
    text: str
