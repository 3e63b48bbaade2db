"""The actuators' part of the configuration: each `type` has its own keys, which its module declares."""

from __future__ import annotations

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from stormpetrel.adapters.actuate.settings import ENTITY, ActuatorSettings
from stormpetrel.app.config_typed import typed_section
from stormpetrel.app.registry import ACTUATORS


def typed(section: Any) -> ActuatorSettings:
    """A section as its type's own settings.

    Raises:
        ValueError: as `typed_section`, or a target is no entity.
    """
    found = typed_section(section, ACTUATORS, ActuatorSettings)
    for part in ("targets", "switches", "releases"):
        wrong = sorted(one for one in getattr(found, part, {}) if not re.fullmatch(ENTITY, one))
        if wrong:
            raise ValueError(f"{part}: {wrong[0][:80]!r} is no entity; name it as in service:checkout")
    return found


ActuatorSection = Annotated[SerializeAsAny[ActuatorSettings], BeforeValidator(typed)]
