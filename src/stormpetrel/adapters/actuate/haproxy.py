"""HAProxy by its runtime API: drain, ready and weight of a server, and which backend a map points to.

Works with HAProxy 2.0 and newer on a unix stats socket of level `admin`. What is set this way lasts until
HAProxy is started anew; its configuration file is not touched. A switch of versions is a map in the
configuration, `use_backend %[str(checkout),map(/etc/haproxy/live.map)]`, of which one key is set. Two
releases behind one backend (blue and green) are rolled back by making the other one's servers ready and
draining the present one's; which of two that both get traffic is the new one cannot be seen here, so that is
refused.

HAProxy keeps no keys, but every action sets a state: doing it twice is doing it once, and whether it was
done can be read. Source: HAProxy management guide, 9.3 "Unix Socket commands".
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator

from stormpetrel.adapters.actuate.base import BaseActuator, Deadline, Effect, NotDoneError, undoing
from stormpetrel.adapters.actuate.haproxy_servers import (
    DRAIN,
    LETTERS,
    NAME,
    READY,
    Release,
    ReleaseSettings,
    Server,
    read_servers,
    release_of,
    switch,
)
from stormpetrel.adapters.actuate.settings import MAX_TARGETS, ActuatorSettings, Place, Settings
from stormpetrel.adapters.actuate.sockets import ask_line
from stormpetrel.errors import ActuatorError
from stormpetrel.model.action import Action, EffectClass, Target
from stormpetrel.model.facts import Group, LiveTarget
from stormpetrel.ports.actuate import ActionSchema, Order, ParameterSchema

CHANGE = r"^[^\x00-\x1f\x7f]{1,200}$"  # for people alone: it goes to no command


class SwitchSettings(Settings):
    """One key of a map, and the backends that it may name."""

    map: str = Field(pattern=r"^/[A-Za-z0-9_./-]{1,200}$", description="the map's file, as in haproxy.cfg")
    key: str = Field(pattern=NAME, description="the key")
    backends: list[str] = Field(min_length=1, max_length=100, description="what it may be set to")

    @field_validator("backends")
    @classmethod
    def _are_names(cls, backends: list[str]) -> list[str]:
        if any(not set(one) <= LETTERS or not one for one in backends):
            raise ValueError("names of backends have letters, digits, _ . : and - only")
        return backends


class HaproxySettings(ActuatorSettings):
    """A HAProxy on this host."""

    socket: Path = Field(description="its stats socket, of level admin")
    targets: dict[str, str] = Field(
        default_factory=dict, max_length=MAX_TARGETS, description="servers by entity, as BACKEND/SERVER"
    )
    switches: dict[str, SwitchSettings] = Field(
        default_factory=dict, max_length=MAX_TARGETS, description="keys of maps by entity"
    )
    releases: dict[str, ReleaseSettings] = Field(
        default_factory=dict, max_length=MAX_TARGETS, description="services with two releases, by entity"
    )

    @field_validator("targets")
    @classmethod
    def _are_servers(cls, targets: dict[str, str]) -> dict[str, str]:
        for name in targets.values():
            parts = name.split("/")
            if len(parts) != 2 or not all(part and set(part) <= LETTERS for part in parts):
                raise ValueError(f"{name!r}: give it as BACKEND/SERVER")
        return targets

    @model_validator(mode="after")
    def _are_one_thing(self) -> Self:
        twice = sorted(
            (self.targets.keys() & self.switches.keys())
            | (self.releases.keys() & (self.targets.keys() | self.switches.keys()))
        )
        if twice:
            raise ValueError(f"{twice[0]} is more than one of targets, switches and releases")
        return self


class HaproxyActuator(BaseActuator):
    """Takes servers out of a backend and back, shifts weight, switches backends, rolls releases back.

    Fails when the socket is of a lesser level. Costs one connection a command.
    """

    Settings = HaproxySettings
    schemas = (
        ActionSchema("backend.drain", EffectClass.REVERSIBLE, "state", (), "backend.ready", False),
        ActionSchema("backend.ready", EffectClass.REVERSIBLE, "state", (), "backend.drain", False),
        ActionSchema(
            "backend.weight", EffectClass.REVERSIBLE, "weight",
            (ParameterSchema("weight", "int", True, least=0, most=256),), "backend.weight", False,
        ),
        ActionSchema(
            "traffic.switch", EffectClass.DISRUPTIVE, "backend",
            (ParameterSchema("backend", "text", True, pattern=NAME),), "traffic.switch", False,
        ),
        ActionSchema(
            "deployment.rollback", EffectClass.DISRUPTIVE, "version",
            (ParameterSchema("change", "text", False, pattern=CHANGE),), "deployment.rollback", False,
        ),
    )  # fmt: skip

    def __init__(self, place: Place, settings: HaproxySettings) -> None:
        super().__init__(place, settings, {**settings.targets, **settings.switches, **settings.releases})
        self._socket = settings.socket
        self._servers = settings.targets
        self._switches = settings.switches
        self._releases = settings.releases

    def actions(self) -> tuple[ActionSchema, ...]:
        """What it offers for the kinds of targets that its section has."""
        targets = {"traffic.switch": self._switches, "deployment.rollback": self._releases}
        return tuple(one for one in self.schemas if targets.get(one.kind, self._servers))

    def _live(self, entity: str, deadline: Deadline) -> LiveTarget:
        if entity in self._switches:
            backend = self._pointed(self._switches[entity], deadline)
            return LiveTarget(entity, backend is not None, backend or "none", backend is not None, None)
        if entity in self._releases:
            release = self._release(entity, deadline)
            if release is None:
                return LiveTarget(entity, False, "none", False, None)
            return LiveTarget(entity, True, release.mark, release.healthy, None)
        server = self._server(entity, deadline)
        if server is None:
            return LiveTarget(entity, False, "none", False, None)
        generation = f"{server.address} admin={server.admin} weight={server.weight}"
        return LiveTarget(entity, True, generation, server.serves, None)

    def _unfit(self, action: Action) -> str:
        switches = action.kind == "traffic.switch"
        of: dict[str, Collection[str]] = {
            "traffic.switch": self._switches,
            "deployment.rollback": self._releases,
        }
        for target in action.targets:
            if target.entity not in of.get(action.kind, self._servers):
                return f"{action.kind} is not for this kind of target"
            if switches and action.parameter("backend") not in self._switches[target.entity].backends:
                return "the backend is not one that this key may be set to; see `backends` of its section"
        return ""

    def _perform(self, order: Order, target: Target, deadline: Deadline) -> Effect:
        action = order.action
        if action.kind == "deployment.rollback":
            return self._roll_back(target.entity, deadline)
        if action.kind == "traffic.switch":
            switch = self._switches[target.entity]
            self._command(f"set map {switch.map} {switch.key} {action.parameter('backend')}", deadline)
        elif action.kind == "backend.weight":
            self._command(
                f"set server {self._servers[target.entity]} weight {action.parameter('weight')}", deadline
            )
        else:
            state = action.kind.removeprefix("backend.")
            self._command(f"set server {self._servers[target.entity]} state {state}", deadline)
        if not self._stands(action, target.entity, deadline):
            raise ActuatorError("HAProxy took the order, and does not stand as ordered")
        return Effect(f"{target.entity}: {self._live(target.entity, deadline).generation}")

    def _roll_back(self, entity: str, deadline: Deadline) -> Effect:
        release = self._release(entity, deadline)
        if release is None or not release.other:
            stands = "a server is missing" if release is None else release.mark
            raise NotDoneError(f"which release is to serve cannot be told: {stands}")
        if not release.ready:
            raise NotDoneError(f"not all servers of {release.other} run; start them first")
        switch(self._releases[entity], release, lambda line: self._command(line, deadline))
        after = self._release(entity, deadline)
        if after is None or after.serving != release.other:
            raise ActuatorError("HAProxy took the orders, and does not stand as ordered")
        return Effect(
            f"{entity}: {after.serving} serves again, {release.serving} is drained",
            (("from", release.serving), ("to", after.serving)),
        )

    def _happened(self, order: Order, target: Target, before: str, deadline: Deadline) -> bool | None:
        if order.action.kind == "deployment.rollback":
            now = self._live(target.entity, deadline).generation or ""
            # Half-way both serve, or the one that is drained is not yet: then it is not known.
            served, serves = before.partition(" serves (")[0], now.partition(" serves (")[0]
            if now == before:
                return False
            return True if {served, serves} == set(self._releases[target.entity].versions) else None
        if self._stands(order.action, target.entity, deadline):
            return True
        return False if self._live(target.entity, deadline).generation == before else None

    def _inverse(self, action: Action, deadline: Deadline) -> Action | None:
        if action.kind == "deployment.rollback":  # there are two: going back is rolling back once more
            releases = [self._release(target.entity, deadline) for target in action.targets]
            told = all(release is not None and release.other for release in releases)
            return undoing(action, action.kind) if told else None
        found: set[tuple[str, str | int]] = set()
        for target in action.targets:
            if action.kind == "traffic.switch":
                found.add(("backend", self._pointed(self._switches[target.entity], deadline) or ""))
                continue
            server = self._server(target.entity, deadline)
            if server is None:
                return None
            if action.kind == "backend.weight":
                found.add(("weight", server.weight))
            else:
                found.add(("state", {READY: "ready", DRAIN: "drain"}.get(server.admin, "")))
        if len(found) != 1:
            return None  # the targets do not stand alike: one action cannot undo it
        ((name, value),) = found
        if name == "state":
            return undoing(action, f"backend.{value}") if value else None
        inverse = undoing(action, action.kind, **{name: value})
        return None if self._unfit(inverse) else inverse

    def _group(self, entity: str, live: LiveTarget, deadline: Deadline) -> Group | None:
        configured = super()._group(entity, live, deadline)
        if configured is not None or entity not in self._servers:
            return configured
        backend = self._servers[entity].split("/")[0]
        names = {name: one for one, name in self._servers.items()}
        servers = self._backend(backend, deadline)
        members = {names.get(one.name, f"server:{one.name}"): one.serves for one in servers}
        healthy = tuple(sorted(one for one, serves in members.items() if serves))
        return Group(f"haproxy:{backend}", tuple(sorted(members)), healthy, 1)

    def _stands(self, action: Action, entity: str, deadline: Deadline) -> bool:
        if action.kind == "traffic.switch":
            return self._pointed(self._switches[entity], deadline) == action.parameter("backend")
        server = self._server(entity, deadline)
        if server is None:
            return False
        if action.kind == "backend.weight":
            return server.weight == action.parameter("weight")
        return server.admin == (DRAIN if action.kind == "backend.drain" else READY)

    def _server(self, entity: str, deadline: Deadline) -> Server | None:
        name = self._servers[entity]
        return next((one for one in self._backend(name.split("/")[0], deadline) if one.name == name), None)

    def _backend(self, backend: str, deadline: Deadline) -> list[Server]:
        return read_servers(backend, ask_line(self._socket, f"show servers state {backend}", deadline))

    def _release(self, entity: str, deadline: Deadline) -> Release | None:
        settings = self._releases[entity]
        return release_of(settings, self._backend(settings.backend, deadline))

    def _pointed(self, switch: SwitchSettings, deadline: Deadline) -> str | None:
        for line in ask_line(self._socket, f"show map {switch.map}", deadline).splitlines():
            words = line.split()
            if len(words) == 3 and words[1] == switch.key:
                return words[2]
        return None

    def _command(self, line: str, deadline: Deadline) -> None:
        answer = ask_line(self._socket, line, deadline).strip()
        if answer:  # it is silent when it did what was asked
            raise NotDoneError(f"HAProxy refuses: {answer[:200]}")
