"""The configured actuators, found by entry point and built from their sections."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

from stormpetrel.adapters.actuate.settings import Place
from stormpetrel.app.config import Config
from stormpetrel.app.registry import ACTUATORS, load_one
from stormpetrel.errors import ConfigError, StormPetrelError
from stormpetrel.ports.actuate import Actuator


def build_actuators(config: Config, redact: Callable[[str], str] = str) -> dict[str, Actuator]:
    """Every actuator of the configuration, by name; each keeps its journal of keys in `DATA/actuators/NAME`.

    Args:
        config: with sections `[actuators.NAME]`, checked when it was read.
        redact: takes secrets out of the outputs of commands before they are kept or shown.

    Raises:
        ConfigError: an extra is not installed, or an actuator cannot be made; names it.
    """
    found: dict[str, Actuator] = {}
    for name, settings in sorted(config.actuators.items()):
        folder = config.data_dir / "actuators" / name
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            place = Place(name, folder, os.environ, redact)
            found[name] = load_one(ACTUATORS, settings.type)(place, settings)
        except (OSError, ValueError) as error:
            raise ConfigError(f"[actuators.{name}] cannot be opened: {error}") from None
    return found


def overlapping(actuators: Mapping[str, Actuator]) -> list[str]:
    """Sentences about entities on which two actuators offer the same: who acts would be left to chance."""
    owners: dict[tuple[str, str], str] = {}
    said = []
    for name, actuator in sorted(actuators.items()):
        try:
            entities = actuator.targets()
        except StormPetrelError as error:
            said.append(f"{name} does not say what it may act on: {str(error)[:200]}")
            continue
        for kind in (one.kind for one in actuator.actions()):
            for entity in entities:
                other = owners.setdefault((kind, entity), name)
                if other != name:
                    said.append(f"{kind} on {entity} is offered by {other} and {name}; name one in runbooks")
    return said


def warnings_of(config: Config) -> list[str]:
    """What is allowed and most likely not meant, before anything is started. Leaves nothing behind.

    Raises:
        ConfigError: see `build_actuators`.
    """
    with tempfile.TemporaryDirectory(prefix="petrel-check-") as folder:
        actuators = build_actuators(config.model_copy(update={"data_dir": Path(folder)}))
        try:
            return overlapping(actuators)
        finally:
            for one in actuators.values():
                one.close()
