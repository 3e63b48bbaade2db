"""Parameters of actions, checked against the schema that their actuator declares."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import re2

from stormpetrel.act.conditions import Expression
from stormpetrel.model.action import Origin, Parameter, Scalar
from stormpetrel.model.runbook import ParameterSpec, StepSpec
from stormpetrel.ports.actuate import ActionSchema, ParameterSchema

MOST_LETTERS = 1000
_TYPES: dict[str, tuple[type, ...]] = {"text": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}


class Refused(Exception):  # noqa: N818 - a reason for having no plan, not an error of the program
    """A step cannot be planned; the message says why."""


def schema_of(kind: str, schemas: Sequence[ActionSchema]) -> ActionSchema:
    """The schema of a kind of action.

    Raises:
        Refused: there is none.
    """
    for schema in schemas:
        if schema.kind == kind:
            return schema
    raise Refused(f"there is no action {kind}; there are {', '.join(sorted(one.kind for one in schemas))}")


def parameters_of(
    spec: StepSpec, schema: ActionSchema, facts: Mapping[str, Mapping[str, Any]]
) -> tuple[Parameter, ...]:
    """The parameters of a step, every one checked, by name.

    Args:
        spec: as the runbook gives them.
        schema: what the actuator takes.
        facts: what expressions may look at.

    Raises:
        Refused: one is unknown, missing, of another type, out of bounds, or cannot be worked out.
    """
    known = {one.name: one for one in schema.parameters}
    given = {one.name: one for one in spec.parameters}
    unknown = sorted(given.keys() - known.keys())
    if unknown:
        raise Refused(f"step {spec.step_id}: {spec.kind} takes no {unknown[0]}")
    missing = sorted(name for name, one in known.items() if one.required and name not in given)
    if missing:
        raise Refused(f"step {spec.step_id}: {spec.kind} needs {missing[0]}")
    return tuple(_parameter(given[name], known[name], facts, spec.step_id) for name in sorted(given))


def fault_of(value: Scalar, schema: ParameterSchema) -> str:
    """Why a value is none of this schema's; "" when it is."""
    if isinstance(value, bool) != (schema.kind == "bool") or not isinstance(value, _TYPES[schema.kind]):
        return f"{schema.name} must be of type {schema.kind}"
    if schema.allowed and value not in schema.allowed:
        return f"{schema.name} must be one of {', '.join(map(str, schema.allowed))}"
    if isinstance(value, str):
        if len(value) > MOST_LETTERS or not re2.fullmatch(schema.pattern, value):
            return f"{schema.name} does not have the form {schema.pattern}"
    elif schema.kind != "bool" and not (math.isfinite(value) and schema.least <= value <= schema.most):
        return f"{schema.name} must be between {schema.least:g} and {schema.most:g}"
    return ""


def _parameter(
    given: ParameterSpec, schema: ParameterSchema, facts: Mapping[str, Mapping[str, Any]], step_id: str
) -> Parameter:
    value, origin = given.literal, Origin.RUNBOOK
    if given.fact:
        value = Expression(given.fact).value(facts)
        # A text that was worked out may hold what somebody wrote into a log; a number cannot name anything.
        origin = Origin.TELEMETRY if isinstance(value, str) else Origin.FACT
    if value is None:
        raise Refused(f"step {step_id}: {given.name} cannot be worked out from {given.fact!r}")
    if schema.kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    fault = fault_of(value, schema)
    if fault:
        raise Refused(f"step {step_id}: {fault}")
    return Parameter(given.name, value, origin, validated=True)
