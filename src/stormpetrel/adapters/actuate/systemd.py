"""Units of systemd over D-Bus: restart, start, stop.

Works with systemd 232 and newer (InvocationID), with the extra `systemd`, on the system bus or another one. A
unit's invocation id changes with each start: it tells whether a restart happened. Jobs are queued in the mode
"fail", so that a job of somebody else is never replaced.

The account needs a polkit rule for `org.freedesktop.systemd1.manage-units` that names the units and verbs;
without it the answer says so. No `systemctl` is run. Source: org.freedesktop.systemd1(5).
"""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import Field, field_validator

from stormpetrel.adapters.actuate.base import BaseActuator, Deadline, Effect, NotDoneError, undoing
from stormpetrel.adapters.actuate.settings import MAX_TARGETS, ActuatorSettings, Place
from stormpetrel.errors import ActuatorError, ConfigError
from stormpetrel.model.action import Action, EffectClass, Target
from stormpetrel.model.facts import LiveTarget, Owner
from stormpetrel.ports.actuate import ActionSchema, Order

T = TypeVar("T")
SYSTEMD, ROOT = "org.freedesktop.systemd1", "/org/freedesktop/systemd1"
_UNIT_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.@-\\")
_METHODS = {"service.restart": "RestartUnit", "service.start": "StartUnit", "service.stop": "StopUnit"}
_POLL_SECONDS = 0.05
# Errors after which it is certain that no job was queued.
_REFUSALS = (
    "org.freedesktop.systemd1.", "org.freedesktop.DBus.Error.AccessDenied",
    "org.freedesktop.DBus.Error.ServiceUnknown",
    "org.freedesktop.DBus.Error.InteractiveAuthorizationRequired", "org.freedesktop.DBus.Error.UnknownMethod",
)  # fmt: skip


class SystemdSettings(ActuatorSettings):
    """A systemd, reached over D-Bus."""

    bus: str = Field("unix:path=/run/dbus/system_bus_socket", description="address of the bus")
    targets: dict[str, str] = Field(min_length=1, max_length=MAX_TARGETS, description="units by entity")

    @field_validator("targets")
    @classmethod
    def _are_services(cls, targets: dict[str, str]) -> dict[str, str]:
        for unit in targets.values():
            if not (unit.endswith(".service") and len(unit) <= 255 and set(unit) <= _UNIT_LETTERS):
                raise ValueError(f"{unit!r}: give the whole name of a unit, as in checkout.service")
        return targets


@dataclass(frozen=True, slots=True)
class _Unit:
    loaded: bool
    active: str
    result: str
    invocation: str
    job: int

    @property
    def generation(self) -> str:
        return self.invocation if self.active in ("active", "activating", "reloading") else self.active


class SystemdActuator(BaseActuator):
    """Restarts, starts and stops units.

    Fails (in doubt) when a unit does not become active in time. Costs one connection to the bus a call.
    """

    Settings = SystemdSettings
    schemas = (
        ActionSchema("service.restart", EffectClass.DISRUPTIVE, "", (), "", False),
        ActionSchema("service.start", EffectClass.REVERSIBLE, "running", (), "service.stop", False),
        ActionSchema("service.stop", EffectClass.DISRUPTIVE, "running", (), "service.start", False),
    )

    def __init__(self, place: Place, settings: SystemdSettings) -> None:
        super().__init__(place, settings, settings.targets)
        try:
            self._dbus: Any = importlib.import_module("dbus_fast")
            self._aio: Any = importlib.import_module("dbus_fast.aio")
        except ImportError:
            raise ConfigError(
                f"[actuators.{place.name}] needs the extra systemd: pip install 'stormpetrel[systemd]'"
            ) from None
        self._own = settings

    def _live(self, entity: str, deadline: Deadline) -> LiveTarget:
        unit = self._unit(entity, deadline)
        return LiveTarget(entity, unit.loaded, unit.generation, unit.active == "active", None)

    def _owners(self, entity: str, deadline: Deadline) -> tuple[Owner, ...]:
        """A job that is queued belongs to somebody."""
        job = self._unit(entity, deadline).job
        return (Owner(entity, "", f"systemd:job:{job}"),) if job else ()

    def _perform(self, order: Order, target: Target, deadline: Deadline) -> Effect:
        kind, name = order.action.kind, self._own.targets[target.entity]

        async def work(bus: Any) -> _Unit:
            await self._call(bus, ROOT, f"{SYSTEMD}.Manager", _METHODS[kind], "ss", [name, "fail"])
            while True:
                unit = await self._look(bus, name)
                if not unit.job:
                    return unit
                await asyncio.sleep(_POLL_SECONDS)

        unit = self._talk(work, deadline)
        wanted = "inactive" if kind == "service.stop" else "active"
        if unit.active != wanted and not (wanted == "inactive" and unit.active == "failed"):
            raise ActuatorError(f"{name} is {unit.active} ({unit.result}) now; look at its journal")
        return Effect(f"{name} is {unit.active}", (("invocation", unit.invocation),))

    def _happened(self, order: Order, target: Target, before: str, deadline: Deadline) -> bool | None:
        unit = self._unit(target.entity, deadline)
        if unit.job:
            return None
        if order.action.kind == "service.stop":
            return unit.active in ("inactive", "failed") or (False if unit.generation == before else None)
        if unit.active == "active" and (unit.generation != before or order.action.kind == "service.start"):
            return True
        return False if unit.generation == before else None

    def _inverse(self, action: Action, deadline: Deadline) -> Action | None:
        active = {self._unit(target.entity, deadline).active for target in action.targets}
        if action.kind == "service.start" and active == {"inactive"}:
            return undoing(action, "service.stop")
        if action.kind == "service.stop" and active == {"active"}:
            return undoing(action, "service.start")
        return None

    def _unit(self, entity: str, deadline: Deadline) -> _Unit:
        return self._talk(lambda bus: self._look(bus, self._own.targets[entity]), deadline)

    async def _look(self, bus: Any, name: str) -> _Unit:
        (path,) = await self._call(bus, ROOT, f"{SYSTEMD}.Manager", "LoadUnit", "s", [name])
        unit = await self._properties(bus, path, f"{SYSTEMD}.Unit")
        service = await self._properties(bus, path, f"{SYSTEMD}.Service")
        return _Unit(
            unit.get("LoadState") == "loaded", str(unit.get("ActiveState", "")),
            str(service.get("Result", "")), bytes(unit.get("InvocationID", b"")).hex(),
            int((unit.get("Job") or (0,))[0]),
        )  # fmt: skip

    async def _properties(self, bus: Any, path: str, interface: str) -> dict[str, Any]:
        (found,) = await self._call(bus, path, "org.freedesktop.DBus.Properties", "GetAll", "s", [interface])
        return {name: variant.value for name, variant in found.items()}

    async def _call(self, bus: Any, path: str, interface: str, *rest: Any) -> list[Any]:
        member, signature, body = rest
        reply = await bus.call(
            self._dbus.Message(
                destination=SYSTEMD,
                path=path,
                interface=interface,
                member=member,
                signature=signature,
                body=body,
            )
        )
        if reply.message_type is self._dbus.MessageType.ERROR:
            said = f"systemd refuses {member}: {reply.error_name}: {' '.join(map(str, reply.body))}"
            if "AccessDenied" in reply.error_name or "Authorization" in reply.error_name:
                said += "; allow it by a polkit rule for org.freedesktop.systemd1.manage-units"
            raise NotDoneError(said) if reply.error_name.startswith(_REFUSALS) else ActuatorError(said)
        found: list[Any] = reply.body
        return found

    def _talk(self, work: Callable[[Any], Awaitable[T]], deadline: Deadline) -> T:
        """One conversation over a connection of its own, within the time."""

        async def conversation() -> T:
            try:
                bus = await self._aio.MessageBus(bus_address=self._own.bus).connect()
            except (OSError, self._dbus.AuthError) as error:
                raise NotDoneError(f"the bus {self._own.bus} cannot be reached: {error}") from None
            try:
                return await work(bus)
            finally:
                bus.disconnect()

        async def bounded() -> T:
            return await asyncio.wait_for(conversation(), deadline.left())

        try:
            return asyncio.run(bounded())
        except TimeoutError:
            raise ActuatorError("no answer of systemd within the time that was given") from None
