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


def load_all(group: str) -> dict[str, Any]:
    """Every implementation of a group, by name, in order of name.

    Raises:
        ConfigError: one of them cannot be imported; names it and the package to look at.
    """
    found: dict[str, Any] = {}
    for point in sorted(entry_points(group=group), key=lambda p: p.name):
        try:
            found[point.name] = point.load()
        except (ImportError, AttributeError) as error:
            raise ConfigError(
                f"the extension {point.name!r} of {group} cannot be loaded ({point.value}): {error}; "
                "repair or uninstall the package that declares it"
            ) from error
    return found
