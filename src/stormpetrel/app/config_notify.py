"""The routes' part of the configuration: each `type` has its own keys, which its module declares."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, SerializeAsAny

from stormpetrel.adapters.notify.settings import NotifySettings
from stormpetrel.app.config_typed import typed_section
from stormpetrel.app.registry import NOTIFIERS


def typed_route(section: Any) -> NotifySettings:
    """A section as its type's own settings; ValueError as `typed_section`."""
    return typed_section(section, NOTIFIERS, NotifySettings)


NotifySection = Annotated[SerializeAsAny[NotifySettings], BeforeValidator(typed_route)]
