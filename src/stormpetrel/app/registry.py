"""Implementations are found by entry point; built-ins come in by the same door as everybody's."""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from stormpetrel.errors import ConfigError

DECODERS = "stormpetrel.decoders"
DETECTORS = "stormpetrel.detectors"
LOG_DETECTORS = "stormpetrel.log_detectors"
MINERS = "stormpetrel.miners"
EVALUATIONS = "stormpetrel.evaluations"
ACTUATORS = "stormpetrel.actuators"
NOTIFIERS = "stormpetrel.notifiers"


def load_all(group: str) -> dict[str, Any]:
    """Every implementation of a group, by name, in order of name.

    Raises:
        ConfigError: one of them cannot be imported; names it and the package to look at.
    """
    return {name: load_one(group, name) for name in names(group)}


def names(group: str) -> list[str]:
    """The names in a group, sorted; imports none of them."""
    return sorted({point.name for point in entry_points(group=group)})


def load_one(group: str, name: str) -> Any:
    """One implementation of a group; imports no other.

    Raises:
        ConfigError: there is none of this name, or it cannot be imported.
    """
    for point in (one for one in entry_points(group=group) if one.name == name):
        try:
            return point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"the extension {point.name!r} of {group} cannot be loaded ({point.value}): {error}; "
                "repair or uninstall the package that declares it"
            ) from error
    raise ConfigError(f"{group} has no {name!r}; there are {', '.join(names(group)) or 'none'}")
