"""Feature flags by webhook.

Works with any flag service behind a small receiver of yours that speaks `webhook`'s requests; asked with
`?flag=` as well as `?entity=`, its status address also says `"on": true` or `false`. A target is what the
flags belong to, a service mostly; each target has its own list of flags that may be switched.
"""

from __future__ import annotations

from pydantic import Field

from stormpetrel.adapters.actuate.base import Deadline, undoing
from stormpetrel.adapters.actuate.settings import MAX_TARGETS, Place
from stormpetrel.adapters.actuate.webhook import HookActuator, HookSettings
from stormpetrel.errors import ActuatorError
from stormpetrel.model.action import Action, EffectClass, Target
from stormpetrel.ports.actuate import ActionSchema, Order, ParameterSchema

FLAG = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}"


class FlagsSettings(HookSettings):
    """A service of feature flags."""

    flags: dict[str, list[str]] = Field(
        min_length=1, max_length=MAX_TARGETS, description="the flags that may be switched, by entity"
    )


class FlagsActuator(HookActuator):
    """Switches flags off and on.

    A flag that stands as ordered already has no way back: undoing must not switch what others had switched.
    Fails as its receiver fails. Needs the shared secret. Costs three requests an act.
    """

    Settings = FlagsSettings
    schemas = (
        ActionSchema(
            "flag.set", EffectClass.REVERSIBLE, "flags",
            (ParameterSchema("flag", "text", True, pattern=FLAG), ParameterSchema("on", "bool", True)),
            "flag.set", True,
        ),
    )  # fmt: skip

    def __init__(self, place: Place, settings: FlagsSettings) -> None:
        super().__init__(place, settings)
        self._flags = settings.flags

    def _unfit(self, action: Action) -> str:
        flag = action.parameter("flag")
        if any(flag not in self._flags.get(target.entity, ()) for target in action.targets):
            return "the flag is not on the target's list; see `flags` of its section"
        return ""

    def _inverse(self, action: Action, deadline: Deadline) -> Action | None:
        flag, on = str(action.parameter("flag")), action.parameter("on") is True
        if any(self._on(target.entity, flag, deadline) is on for target in action.targets):
            return None
        return undoing(action, "flag.set", flag=flag, on=not on)

    def _happened(self, order: Order, target: Target, before: str, deadline: Deadline) -> bool | None:
        kept = super()._happened(order, target, before, deadline)
        if kept is not True:
            return kept
        flag = str(order.action.parameter("flag"))
        stands = self._on(target.entity, flag, deadline) is (order.action.parameter("on") is True)
        return True if stands else None  # done, and turned back by somebody since

    def _on(self, entity: str, flag: str, deadline: Deadline) -> bool:
        found = self._state(entity, deadline, flag=flag).get("on")
        if not isinstance(found, bool):
            raise ActuatorError("the status address does not say whether the flag is on")
        return found
