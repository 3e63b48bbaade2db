"""Whether an action is one that an actuator offers: kind, effect, parameters against their schema."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from dataclasses import asdict

import re2

from stormpetrel.model.action import Action, Parameter, Scalar
from stormpetrel.ports.actuate import ActionSchema, ParameterSchema

MAX_TEXT = 1000  # of a parameter
MAX_TARGETS = 1000  # of an action

_TYPES: dict[str, tuple[type, ...]] = {"text": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}


def complaint(action: Action, schemas: Iterable[ActionSchema], targets: frozenset[str], name: str) -> str:
    """Why an action is refused, in one sentence that quotes no value; "" when it is as its schema asks."""
    schema = next((one for one in schemas if one.kind == action.kind), None)
    if schema is None:
        return f"{name} offers no action of this kind; see its list of actions"
    if action.effect < schema.effect:
        return f"{schema.kind} is {schema.effect.word} at least, and was declared {action.effect.word}"
    if action.field not in ("", schema.field):
        return f"{schema.kind} changes the field {schema.field!r}, and another one was named"
    return _of_targets(action, targets, name) or _of_parameters(action.parameters, schema)


def _of_targets(action: Action, targets: frozenset[str], name: str) -> str:
    if not 1 <= len(action.targets) <= MAX_TARGETS:
        return f"{action.kind} needs 1 to {MAX_TARGETS} targets, and was given {len(action.targets)}"
    if any(one.entity not in targets for one in action.targets):
        return f"a target is not on the list of {name}; add it to [actuators.{name}] where it may be acted on"
    if any(one.actuator != name for one in action.targets):
        return f"a target belongs to another actuator than {name}"
    if len({one.entity for one in action.targets}) != len(action.targets):
        return "a target is named twice"
    return ""


def _of_parameters(parameters: tuple[Parameter, ...], schema: ActionSchema) -> str:
    known = {one.name: one for one in schema.parameters}
    given = [one.name for one in parameters]
    if len(set(given)) != len(given):
        return f"{schema.kind}: a parameter is given twice"
    missing = [one.name for one in schema.parameters if one.required and one.name not in given]
    if missing:
        return f"{schema.kind} needs the parameter {missing[0]}"
    for parameter in parameters:
        if parameter.name not in known:
            return f"{schema.kind} has no parameter of this name; it has {', '.join(sorted(known)) or 'none'}"
        if not parameter.validated:
            return f"{schema.kind}: the parameter {parameter.name} was not validated"
        wrong = wrong_value(parameter.value, known[parameter.name])
        if wrong:
            return f"{schema.kind}: the parameter {parameter.name} {wrong}"
    return ""


def wrong_value(value: Scalar, schema: ParameterSchema) -> str:
    """What is wrong with one value, as the end of a sentence; "" when nothing is."""
    if type(value) not in _TYPES[schema.kind]:  # exactly: True is no number
        return f"must be of the kind {schema.kind}"
    if isinstance(value, str):
        if len(value) > MAX_TEXT or "\x00" in value or any("\ud800" <= one <= "\udfff" for one in value):
            return f"is longer than {MAX_TEXT} characters, or holds a NUL or half a character"
        if not re2.fullmatch(schema.pattern, value):
            return f"does not match {schema.pattern}"
    elif not isinstance(value, bool) and not (math.isfinite(value) and schema.least <= value <= schema.most):
        return f"is not within {schema.least:g} and {schema.most:g}"
    if schema.allowed and value not in schema.allowed:
        return "is not one of the values that are allowed"
    return ""


def action_digest(action: Action) -> str:
    """SHA-256 of everything in an action: two orders with one key must be the same order."""
    content = json.dumps(asdict(action), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()
