"""Programs under supervisord, by XML-RPC over its unix socket: restart, start, stop, and how many run.

Works with supervisord 3 and newer. A target is a group (`checkout`, all processes of a program with
`numprocs`) or one process of it (`checkout:checkout_01`). `service.scale` starts the first stopped members
of a group or stops the last running ones; supervisord is never told to add or remove programs.

supervisord keeps no keys: the pids and start times from before say whether a restart happened. A restart that
was cut in half leaves its process stopped, is told as in doubt, and is not repeated.
Source: supervisord.org/api.html.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.parsers.expat import ExpatError
from xmlrpc.client import Fault, ResponseError, dumps, loads

from pydantic import Field

from stormpetrel.adapters.actuate.base import BaseActuator, Deadline, Effect, NotDoneError, undoing
from stormpetrel.adapters.actuate.settings import (
    MAX_TARGETS,
    ActuatorSettings,
    Place,
    SecretSettings,
    read_secret,
)
from stormpetrel.adapters.actuate.sockets import exchange, http_client
from stormpetrel.errors import ActuatorError
from stormpetrel.model.action import Action, EffectClass, Target
from stormpetrel.model.facts import LiveTarget
from stormpetrel.ports.actuate import ActionSchema, Order, ParameterSchema

_STOPPED = frozenset({0, 100, 200})  # STOPPED, EXITED, FATAL
_RUNNING, _STARTING = 20, 10
_BAD_NAME, _ALREADY_STARTED, _NOT_RUNNING = 10, 60, 70  # faults
MAX_NAMED = 8  # members whose pids are all in the generation; more are hashed


class SupervisordSettings(ActuatorSettings):
    """A supervisord on this host."""

    socket: Path = Field(description="its unix socket, see [unix_http_server] file")
    user: str = Field("", max_length=100, description="name for it, where it asks for one")
    password: SecretSettings | None = Field(None, description="where the password is kept")
    targets: dict[str, str] = Field(
        min_length=1, max_length=MAX_TARGETS, description="groups, or GROUP:PROCESS, by entity"
    )
    least: dict[str, int] = Field(
        default_factory=dict, description="how many of a group run at least, by entity; unsaid: 1"
    )


@dataclass(frozen=True, slots=True)
class _Process:
    name: str
    state: int
    pid: int
    start: int

    @property
    def mark(self) -> str:
        return f"{self.pid}@{self.start}" if self.pid else "-"


class SupervisordActuator(BaseActuator):
    """Restarts, starts, stops and scales programs.

    Fails (in doubt) when a program does not stay up for its `startsecs`. Needs the socket's owner or group,
    or its password. Costs two calls a process.
    """

    Settings = SupervisordSettings
    schemas = (
        ActionSchema("service.restart", EffectClass.DISRUPTIVE, "", (), "", False),
        ActionSchema("service.start", EffectClass.REVERSIBLE, "running", (), "service.stop", False),
        ActionSchema("service.stop", EffectClass.DISRUPTIVE, "running", (), "service.start", False),
        ActionSchema(
            "service.scale", EffectClass.REVERSIBLE, "replicas",
            (ParameterSchema("replicas", "int", True, least=0, most=1000),), "service.scale", False,
        ),
    )  # fmt: skip

    def __init__(self, place: Place, settings: SupervisordSettings) -> None:
        super().__init__(place, settings, settings.targets)
        self._own = settings
        self._password = ""

    def _live(self, entity: str, deadline: Deadline) -> LiveTarget:
        members = self._members(entity, deadline)
        running = sum(one.state == _RUNNING for one in members)
        count = sum(one.state in (_RUNNING, _STARTING) for one in members)
        least = self._own.least.get(entity, 1)
        return LiveTarget(
            entity, bool(members), _generation(members) or "none", running >= max(1, least), None,
            count, least, len(members), bool(members),
        )  # fmt: skip

    def _unfit(self, action: Action) -> str:
        if action.kind == "service.scale" and any(":" in self._own.targets[t.entity] for t in action.targets):
            return "a single process cannot be scaled; name its group as the target"
        return ""

    def _perform(self, order: Order, target: Target, deadline: Deadline) -> Effect:
        members = self._members(target.entity, deadline)
        if not members:
            raise NotDoneError("supervisord has no program of this name; look at its configuration")
        kind = order.action.kind
        if kind == "service.scale":
            return self._scale(target, members, int(order.action.parameter("replicas") or 0), deadline)
        for one in members:  # one after the other, each up before the next goes
            if kind != "service.start" and one.state not in _STOPPED:
                self._stop(one, deadline)
            if kind != "service.stop" and (kind == "service.restart" or one.state in _STOPPED):
                self._start(one, deadline)
        pids = ",".join(str(one.pid) for one in self._members(target.entity, deadline))
        return Effect(
            f"{kind} done: {len(members)} process{'' if len(members) == 1 else 'es'}", (("pids", pids),)
        )

    def _happened(self, order: Order, target: Target, before: str, deadline: Deadline) -> bool | None:
        members = self._members(target.entity, deadline)
        now, kind = _generation(members), order.action.kind
        running = sum(one.state in (_RUNNING, _STARTING) for one in members)
        if kind == "service.restart":
            if now == before:
                return False
            marks = before.split(",")
            whole = len(marks) == len(members) <= MAX_NAMED and running == len(members)
            return True if whole and not set(marks) & {one.mark for one in members} else None
        wanted = {"service.start": len(members), "service.stop": 0}.get(
            kind, order.action.parameter("replicas")
        )
        if running == wanted:
            return True
        return False if now == before else None

    def _inverse(self, action: Action, deadline: Deadline) -> Action | None:
        members = [self._members(target.entity, deadline) for target in action.targets]
        running = {sum(one.state in (_RUNNING, _STARTING) for one in of) for of in members}
        if action.kind == "service.scale":
            return undoing(action, action.kind, replicas=running.pop()) if len(running) == 1 else None
        if action.kind == "service.start" and running == {0}:
            return undoing(action, "service.stop")
        if action.kind == "service.stop" and all(one.state == _RUNNING for of in members for one in of):
            return undoing(action, "service.start")
        return None

    def _scale(self, target: Target, members: list[_Process], count: int, deadline: Deadline) -> Effect:
        least = self._own.least.get(target.entity, 1)
        if not least <= count <= len(members):
            raise NotDoneError(f"{count} is not within {least} and {len(members)}; raise numprocs for more")
        up = [one for one in members if one.state in (_RUNNING, _STARTING)]
        down = [one for one in members if one.state in _STOPPED]
        for one in down[: max(0, count - len(up))]:
            self._start(one, deadline)
        for one in reversed(up[count:]):
            self._stop(one, deadline)
        return Effect(f"{count} of {len(members)} processes run, {len(up)} did before")

    def _start(self, one: _Process, deadline: Deadline) -> None:
        self._call_but(_ALREADY_STARTED, "supervisor.startProcess", one.name, deadline)

    def _stop(self, one: _Process, deadline: Deadline) -> None:
        self._call_but(_NOT_RUNNING, "supervisor.stopProcess", one.name, deadline)

    def _call_but(self, fine: int, method: str, name: str, deadline: Deadline) -> None:
        try:
            self._call(method, (name, True), deadline)  # True: answer when it is so
        except Fault as fault:
            if fault.faultCode != fine:
                raise ActuatorError(f"{method} of {name}: {fault.faultString}") from None

    def _members(self, entity: str, deadline: Deadline) -> list[_Process]:
        wanted = self._own.targets[entity]
        try:
            rows = self._call("supervisor.getAllProcessInfo", (), deadline)
            found = [
                _Process(
                    f"{row['group']}:{row['name']}", int(row["state"]), int(row["pid"]), int(row["start"])
                )
                for row in rows
                if wanted in (row["group"], f"{row['group']}:{row['name']}")
            ]
        except Fault as fault:
            raise ActuatorError(f"supervisord: {fault.faultString}") from None
        except (TypeError, KeyError, ValueError) as error:
            raise ActuatorError(f"supervisord's list of processes cannot be read: {error}") from None
        return sorted(found, key=lambda one: one.name)

    def _call(self, method: str, arguments: tuple[Any, ...], deadline: Deadline) -> Any:
        deadline.check()
        if self._own.password is not None:
            self._password = read_secret(self._own.password, self._place.environment)
        auth = (self._own.user, self._password) if self._password else None
        with http_client(str(self._own.socket)) as client:
            request = client.build_request(
                "POST", "http://supervisord/RPC2", content=dumps(arguments, method),
                headers={"Content-Type": "text/xml"},
            )  # fmt: skip
            if auth is not None:
                client.auth = auth
            status, body = exchange(client, request, deadline)
        if status != 200:
            raise NotDoneError(f"supervisord answered {status}; look at user and password of its section")
        try:
            return loads(body)[0][0]
        except (ExpatError, ResponseError, UnicodeDecodeError) as error:
            raise ActuatorError(f"supervisord's answer is no XML-RPC: {type(error).__name__}") from None

    def _secrets(self) -> tuple[str, ...]:
        return (self._password,) if self._password else ()


def _generation(members: list[_Process]) -> str:
    """Pids and start times of all members; a hash of them for large groups; "" when there are none."""
    marks = ",".join(one.mark for one in members)
    return marks if len(members) <= MAX_NAMED else hashlib.sha256(marks.encode()).hexdigest()
