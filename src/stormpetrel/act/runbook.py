"""Runbooks as YAML: the schema, and what every field means. An error names the line."""

from __future__ import annotations

import re
from dataclasses import replace

from stormpetrel.act import canonical
from stormpetrel.act.conditions import Expression
from stormpetrel.act.yaml_nodes import Value, read_yaml
from stormpetrel.model.action import Autonomy, Condition, Cost, EffectClass
from stormpetrel.model.cause import CauseClass
from stormpetrel.model.finding import Severity
from stormpetrel.model.runbook import ParameterSpec, Runbook, StepSpec, Trigger

MOST_STEPS = 20
_NAME = re.compile(r"^[a-z][a-z0-9-]{0,59}$")
_KIND = re.compile(r"^[a-z][a-z0-9_]*\.[a-z][a-z0-9_]*$")
_PARAMETER = re.compile(r"^[a-z][a-z0-9_]{0,39}$")
_ENTITY = re.compile(r"^[a-z][a-z0-9_.-]*:[^\s]{1,200}$")
_AUTONOMY = {level.word: level for level in Autonomy}
_EFFECTS = {effect.word: effect for effect in EffectClass}
_SEVERITIES = {one.name.lower(): one.name.lower() for one in Severity}
_CAUSES = {one.value: one.value for one in CauseClass}
_DAY = 86_400.0


def read_runbook(content: str, source: str) -> Runbook:
    """A runbook from its YAML.

    Args:
        content: the file.
        source: its name, for messages.

    Raises:
        ConfigError: something is missing, unknown, of the wrong type or out of bounds; names file and line.
    """
    root = read_yaml(content, source)
    known = {"name", "title", "why", "autonomy", "trigger", "steps", "verify"}
    fields = root.fields(known, {"name", "title", "why", "steps", "trigger"})
    steps = tuple(_step(one) for one in fields["steps"].each(MOST_STEPS))
    if not steps:
        fields["steps"].refuse("a runbook has at least one step")
    _once([step.step_id for step in steps], fields["steps"])
    verify = tuple(_condition(one) for one in fields["verify"].each(10)) if "verify" in fields else ()
    if not verify and max(_declared(step) for step in steps) > EffectClass.READ:
        root.refuse("'verify' is missing: what changes a system says how it is seen whether it helped")
    found = Runbook(
        name=_matching(fields["name"], _NAME, "a name of a-z, digits and hyphens"),
        version="",
        title=fields["title"].text(120),
        why=fields["why"].text(1000),
        trigger=_trigger(fields["trigger"]),
        steps=steps,
        verification=verify,
        autonomy=fields["autonomy"].one_of(_AUTONOMY) if "autonomy" in fields else Autonomy.APPROVE,
        text=content,
    )
    return replace(found, version=version_of(found))


def version_of(runbook: Runbook) -> str:
    """The version: of what a runbook says, not of how its file is laid out."""
    bare = replace(runbook, version="", text="", steps=tuple(replace(step, line=0) for step in runbook.steps))
    return canonical.digest(canonical.text(bare))[:16]


def _trigger(value: Value) -> Trigger:
    known = {"causes", "entities", "detectors", "severities", "when", "confidence"}
    fields = value.fields(known)
    if not fields:
        value.refuse("a trigger that matches everything is not allowed; name causes, entities or detectors")
    return Trigger(
        cause_classes=_words(fields.get("causes"), _CAUSES),
        entities=tuple(one.text(200) for one in fields["entities"].each(50)) if "entities" in fields else (),
        detectors=tuple(one.text(80) for one in fields["detectors"].each(50))
        if "detectors" in fields
        else (),
        severities=_words(fields.get("severities"), _SEVERITIES),
        condition=fields["when"].tried(Expression).text if "when" in fields else "",
        confidence_floor=fields["confidence"].number(0, 1) if "confidence" in fields else 0.5,
    )


def _step(value: Value) -> StepSpec:
    known = {"id", "do", "by", "on", "effect", "with", "cost", "wave", "timeout", "settle", "undo"}
    fields = value.fields(known, {"id", "do", "on"})
    cost = Cost()
    if "cost" in fields:
        costs = fields["cost"].fields({"spend", "churn"})
        cost = Cost(
            costs["spend"].number(0, 1e9) if "spend" in costs else 0.0,
            costs["churn"].whole(0, 10_000) if "churn" in costs else 0,
        )
    return StepSpec(
        step_id=_matching(fields["id"], _NAME, "a name of a-z, digits and hyphens"),
        kind=_matching(fields["do"], _KIND, "an action such as service.restart"),
        actuator=fields["by"].text(80) if "by" in fields else "",
        targets=_targets(fields["on"]),
        parameters=tuple(_parameter(name, one) for name, one in fields["with"].named())
        if "with" in fields
        else (),
        effect=fields["effect"].one_of(_EFFECTS) if "effect" in fields else None,
        cost=cost,
        wave=fields["wave"].whole(1, 100) if "wave" in fields else 1,
        timeout_seconds=fields["timeout"].seconds(1, 3600) if "timeout" in fields else 60.0,
        settle_seconds=fields["settle"].seconds(0, 3600) if "settle" in fields else 60.0,
        undo=fields["undo"].truth() if "undo" in fields else True,
        line=value.line,
    )


def _declared(step: StepSpec) -> EffectClass:
    """What is not declared is destructive."""
    return EffectClass.DESTRUCTIVE if step.effect is None else step.effect


def _parameter(name: str, value: Value) -> ParameterSpec:
    if not _PARAMETER.match(name):
        value.refuse("a parameter's name is of a-z, digits and underscores")
    if not value.is_mapping():
        return ParameterSpec(name, value.scalar())
    fields = value.fields({"fact"}, {"fact"})
    return ParameterSpec(name, None, fields["fact"].tried(Expression).text)


def _condition(value: Value) -> Condition:
    if value.is_mapping() and "finding" in dict(value.named()):
        return Condition("", "down", finding=value.fields({"finding"}, {"finding"})["finding"].text(80))
    fields = value.fields({"series", "better", "ratio", "hold"}, {"series", "better"})
    return Condition(
        fields["series"].text(),
        fields["better"].one_of({"up": "up", "down": "down"}),
        fields["ratio"].number(0.05, 1) if "ratio" in fields else 0.5,
        fields["hold"].truth() if "hold" in fields else False,
    )


def _targets(value: Value) -> str:
    found = value.text(220)
    if found not in ("cause", "change", "group") and not _ENTITY.match(found):
        value.refuse("this must be cause, change, group, or an entity such as service:checkout")
    return found


def _matching(value: Value, pattern: re.Pattern[str], what: str) -> str:
    found = value.text(120)
    if not pattern.match(found):
        value.refuse(f"{found[:60]!r} is not {what}")
    return found


def _words(value: Value | None, words: dict[str, str]) -> tuple[str, ...]:
    return tuple(one.one_of(words) for one in value.each(50)) if value is not None else ()


def _once(names: list[str], value: Value) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        value.refuse(f"the id {twice[0]!r} stands here twice")
