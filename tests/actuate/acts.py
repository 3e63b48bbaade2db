"""Shared by the tests of actuators: a place for each, and targets made short."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from stormpetrel.adapters.actuate.settings import Place
from stormpetrel.model.action import Action, EffectClass, Origin, Parameter, Scalar, Target
from stormpetrel.ports.actuate import Actuator

NAME = "it"


def place(folder: Path, environment: Mapping[str, str] | None = None) -> Place:
    return Place(NAME, folder, environment or {})


def target(actuator: Actuator, entity: str) -> Target:
    """As it stands now."""
    generation = actuator.read(entity).live.generation or ""
    return Target(entity, NAME, entity, generation, False, Origin.RUNBOOK)


def action(actuator: Actuator, kind: str, *entities: str, **parameters: Scalar) -> Action:
    """One that is as the actuator's schema asks."""
    schema = next(one for one in actuator.actions() if one.kind == kind)
    given = tuple(Parameter(name, parameters[name], Origin.RUNBOOK, True) for name in sorted(parameters))
    targets = tuple(target(actuator, one) for one in entities)
    return Action(kind, schema.field, targets, given, EffectClass(schema.effect))


def program(name: str, package: str) -> str:
    """The path of a program; without it the tests of the module are skipped, which names the package."""
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/sbin:/bin:/usr/lib/postgresql/15/bin")
    if found is None:
        pytest.skip(f"{name} is not installed (Debian: apt-get install {package})", allow_module_level=True)
    return found


def wait_for(condition: Callable[[], object], what: str, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        time.sleep(0.02)
