"""Planning: a runbook and an incident become a plan, concrete actions on concrete targets, or a reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from stormpetrel.act import canonical
from stormpetrel.act.checking import Refused, parameters_of, schema_of
from stormpetrel.act.conditions import Expression
from stormpetrel.model.action import Action, Cost, EffectClass, Origin, Parameter, Plan, Step, Target
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.finding import FindingState
from stormpetrel.model.incident import Incident
from stormpetrel.model.runbook import Runbook, StepSpec, Trigger
from stormpetrel.model.time import to_seconds
from stormpetrel.ports.actuate import ActionSchema, Reading

MOST_TARGETS = 50
PETREL = "petrel"  # who proposes when nobody asked
COUNT = "replicas"  # the parameter of what scales
# What an action can do, from what was declared and what its parameters read like.
EffectOf = Callable[[EffectClass | None, Sequence[Parameter]], EffectClass]


@dataclass(frozen=True, slots=True)
class Owned:
    """One entity that an actuator lists, as it reads it just now.

    Attributes:
        actuator: by name.
        schemas: what that actuator offers.
        reading: how the entity stands.
    """

    actuator: str
    schemas: tuple[ActionSchema, ...]
    reading: Reading


@dataclass(frozen=True, slots=True)
class Matter:
    """What a plan is made for.

    Attributes:
        incident: the incident.
        diagnosis: what caused it; None when nothing is known yet.
        inventory: what may be acted on, by entity; several actuators may own one.
        now_unix_nano: the moment.
        requester: who proposes.
    """

    incident: Incident
    diagnosis: Diagnosis | None
    inventory: Mapping[str, tuple[Owned, ...]]
    now_unix_nano: int
    requester: str = PETREL


@dataclass(frozen=True, slots=True)
class NotFitting:
    """Why a runbook has no plan for an incident. `matched`: its trigger fits, but it cannot be planned."""

    runbook: str
    reason: str
    matched: bool


def matches(runbook: Runbook, matter: Matter) -> NotFitting | None:
    """None when the trigger fits the incident; else why not.

    Who asks for a plan is held to whom the runbook is for (entities and condition); causes, severities and
    detectors say when it is proposed by itself.
    """
    why = _not_for_whom(runbook.trigger, matter)
    if not why and matter.requester == PETREL:
        why = _not_for_what(runbook.trigger, matter)
    return NotFitting(runbook.name, why, matched=False) if why else None


def _not_for_whom(trigger: Trigger, matter: Matter) -> str:
    """Why a runbook is not for this entity as it stands; "" when it is."""
    entity = _subject(matter)
    if trigger.entities and not any(fnmatchcase(entity, pattern) for pattern in trigger.entities):
        return f"{entity or 'no entity'} is none of {', '.join(trigger.entities)}"
    if trigger.condition and not Expression(trigger.condition).holds(_environment(matter, entity)):
        return f"its condition does not hold: {trigger.condition}"
    return ""


def _not_for_what(trigger: Trigger, matter: Matter) -> str:
    """Why a runbook is not for this kind of trouble; "" when it is."""
    incident, cause = matter.incident, _cause_of(matter)
    if trigger.cause_classes and cause["class"] not in trigger.cause_classes:
        return (
            f"the cause is {cause['class'] or 'not known'}, and it is for {', '.join(trigger.cause_classes)}"
        )
    if trigger.severities and incident.severity.name.lower() not in trigger.severities:
        return f"the incident's severity is {incident.severity.name.lower()}"
    if trigger.detectors and not set(_detectors(incident)) & set(trigger.detectors):
        return f"no finding is of {', '.join(trigger.detectors)}"
    return ""


def plan(runbook: Runbook, matter: Matter, effect_of: EffectOf) -> Plan | NotFitting:
    """The plan of a runbook for an incident, or why there is none. Deterministic; nothing is asked or done.

    A target is taken only where an actuator lists it: the entity that telemetry names *selects* from the
    inventory, and never goes to a system by itself. Two runs over the same matter give the same plan.

    Args:
        runbook: the signed version.
        matter: for what.
        effect_of: the worst of what is declared and what the words of parameters say.
    """
    unfit = matches(runbook, matter)
    if unfit is not None:
        return unfit
    try:
        steps = tuple(_step(spec, matter, effect_of) for spec in runbook.steps)
    except Refused as refused:
        return NotFitting(runbook.name, str(refused), matched=True)
    seed = f"{runbook.name}\n{runbook.version}\n{matter.incident.incident_id}\n{matter.now_unix_nano}"
    cause = _cause_of(matter)
    return Plan(
        plan_id=canonical.digest(seed)[:24],
        runbook=runbook.name,
        runbook_version=runbook.version,
        incident_id=matter.incident.incident_id,
        cause=_cause_words(cause),
        requester=matter.requester,
        steps=steps,
        verification=runbook.verification,
        created_unix_nano=matter.now_unix_nano,
    )


def _cause_words(cause: Mapping[str, Any]) -> str:
    """A cause in words; one whose kind is unknown is where it is, and nothing more."""
    where = str(cause["entity"])
    return where if cause["class"] in ("", "unknown") else f"{cause['class']} of {where}"


def _step(spec: StepSpec, matter: Matter, effect_of: EffectOf) -> Step:
    entities, origin = _named(spec, matter)
    owned = [_owner(entity, spec, matter) for entity in entities]
    names = sorted({one.actuator for one in owned})
    if len(names) > 1:
        raise Refused(f"step {spec.step_id}: its targets belong to several actuators: {', '.join(names)}")
    schema = schema_of(spec.kind, owned[0].schemas)
    facts = _environment(matter, entities[0], owned[0].reading)
    parameters = parameters_of(spec, schema, facts)
    targets = tuple(
        _target(entity, one, origin) for entity, one in sorted(zip(entities, owned, strict=True), key=_first)
    )
    effect = max(schema.effect, effect_of(spec.effect, parameters))
    words = ", ".join(target.entity for target in targets)
    return Step(
        step_id=spec.step_id,
        action=Action(spec.kind, schema.field, targets, parameters, effect),
        cost=together(cost_of(spec.cost, parameters, one.reading) for one in owned),
        wave=0 if effect == EffectClass.READ else spec.wave,
        timeout_seconds=spec.timeout_seconds,
        settle_seconds=spec.settle_seconds,
        inverse=None,  # captured from how things stand, just before acting
        predicted=f"{spec.kind} on {words}" + ("; undone if it makes things worse" if spec.undo else ""),
    )


def cost_of(each: Cost, parameters: Sequence[Parameter], reading: Reading) -> Cost:
    """What a step costs on one target: of one that changes a count, what the runbook says of one is times how
    many change, and at least so much is started or stopped."""
    wanted = next((one.value for one in parameters if one.name == COUNT), None)
    count = reading.live.count
    if wanted is None or isinstance(wanted, str | bool):
        return each
    if count is None:
        raise Refused(f"{COUNT} is to be {wanted}, and how many there are now is not known")
    units = abs(int(wanted) - count)
    spend = each.spend * units if wanted > count else 0.0
    return Cost(spend, max(each.churn, units))


def together(costs: Iterable[Cost]) -> Cost:
    """What a step costs: of all its targets. In waves or at once, each of them is started or stopped."""
    every = list(costs)
    return Cost(sum(one.spend for one in every), sum(one.churn for one in every))


def _first(pair: tuple[str, Owned]) -> str:
    return pair[0]


def _target(entity: str, owned: Owned, origin: Origin) -> Target:
    reading = owned.reading
    group = reading.group.name if reading.group is not None else entity
    generation = reading.live.generation or ""
    return Target(entity, owned.actuator, group, generation, reading.stateful, origin)


def _named(spec: StepSpec, matter: Matter) -> tuple[list[str], Origin]:
    """The entities that a step is about, and who named them."""
    if spec.targets not in ("cause", "change", "group"):
        return [spec.targets], Origin.RUNBOOK
    entity = _subject(matter)
    if not entity:
        raise Refused(f"step {spec.step_id}: no cause is known, so there is no target")
    if spec.targets != "group":
        return [entity], Origin.INVENTORY
    groups = [one.reading.group for one in matter.inventory.get(entity, ()) if one.reading.group is not None]
    if not groups:
        raise Refused(f"step {spec.step_id}: no actuator knows the group of {entity}")
    members = list(groups[0].members)
    if len(members) > MOST_TARGETS:
        raise Refused(f"step {spec.step_id}: the group of {entity} has {len(members)} members, too many")
    return members, Origin.INVENTORY


def _owner(entity: str, spec: StepSpec, matter: Matter) -> Owned:
    """The one actuator that owns an entity and offers the action."""
    owners = [
        one
        for one in matter.inventory.get(entity, ())
        if spec.actuator in ("", one.actuator) and any(schema.kind == spec.kind for schema in one.schemas)
    ]
    if not owners:
        named = f" of the actuator {spec.actuator}" if spec.actuator else ""
        raise Refused(f"step {spec.step_id}: {entity} is no target{named} that offers {spec.kind}")
    if len(owners) > 1:
        names = ", ".join(sorted(one.actuator for one in owners))
        raise Refused(f"step {spec.step_id}: {entity} belongs to {names}; name one with `by`")
    return owners[0]


def _subject(matter: Matter) -> str:
    """Whom the runbook is about: the first cause's entity, or the only entity of the incident."""
    cause = _cause_of(matter)
    if cause["entity"]:
        return str(cause["entity"])
    entities = matter.incident.entities
    return entities[0] if len(entities) == 1 else ""


def _cause_of(matter: Matter) -> dict[str, Any]:
    told = matter.diagnosis
    if told is None or not told.found or not told.causes:
        return {"class": "", "entity": "", "certainty": 0.0, "change": ""}
    first = told.causes[0]
    return {
        "class": first.cause_class.value,
        "entity": first.entity,
        "certainty": told.certainty,
        "change": first.change_id,
    }


def _detectors(incident: Incident) -> list[str]:
    """Of what still holds: a trouble that is over is answered by nothing."""
    return sorted({one.detector for one in incident.findings if one.state is FindingState.OPEN})


def _environment(matter: Matter, entity: str, reading: Reading | None = None) -> dict[str, Mapping[str, Any]]:
    """What conditions and facts may look at; see `conditions.SAMPLE`."""
    incident = matter.incident
    if reading is None:
        owned = matter.inventory.get(entity, ())
        reading = owned[0].reading if owned else None
    live = reading.live if reading is not None else None
    kind, _, name = entity.partition(":")
    attributes: dict[str, str] = {}
    for finding in incident.findings:
        for key, value in (finding.attributes or {}).items():
            attributes.setdefault(key, value)
    target: dict[str, Any] = {"entity": entity, "kind": kind, "name": name}
    if live is not None:
        known = {"healthy": live.healthy, "count": live.count, "least": live.least, "most": live.most}
        target |= {key: value for key, value in known.items() if value is not None}
        target["group"] = reading.group.name if reading is not None and reading.group is not None else entity
    return {
        "incident": {
            "severity": incident.severity.name.lower(),
            "age_seconds": to_seconds(matter.now_unix_nano - incident.start_unix_nano),
            "findings": incident.findings_total,
            "entities": list(incident.entities),
            "detectors": _detectors(incident),
            "priority": incident.priority.level if incident.priority is not None else 4,
        },
        "cause": _cause_of(matter),
        "target": target,
        "attribute": attributes,
    }
