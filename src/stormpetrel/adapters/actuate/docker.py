"""Containers of Docker by its API on a unix socket: restart, start, stop.

Works with Docker Engine 20.10 and newer (API 1.41), and with Podman's service for it; no library is needed. A
container is known by its id and start time: they tell whether a restart happened. What Swarm or Kubernetes
runs belongs to them, and is told so.

The socket is as good as root on its host. Put a proxy in front that lets only `GET /containers/*/json` and
`POST /containers/*/{restart,start,stop}` through, and name its socket here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
from pydantic import Field, field_validator
from typing_extensions import override

from stormpetrel.adapters.actuate.base import BaseActuator, Deadline, Effect, NotDoneError, undoing
from stormpetrel.adapters.actuate.settings import MAX_TARGETS, ActuatorSettings, Place
from stormpetrel.adapters.actuate.sockets import exchange, http_client
from stormpetrel.errors import ActuatorError
from stormpetrel.model.action import Action, EffectClass, Target
from stormpetrel.model.facts import LiveTarget, Owner
from stormpetrel.ports.actuate import ActionSchema, Order

_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-")
_OWNERS = {"com.docker.swarm.service.name": "swarm", "io.kubernetes.pod.name": "kubernetes"}


class DockerSettings(ActuatorSettings):
    """A Docker engine on this host."""

    socket: Path = Field(Path("/var/run/docker.sock"), description="its socket, or that of a proxy before it")
    api_version: str = Field("1.41", pattern=r"^1\.\d{2}$", description="of the API")
    stop_seconds: int = Field(10, ge=0, le=600, description="after which a container is killed")
    targets: dict[str, str] = Field(min_length=1, max_length=MAX_TARGETS, description="containers by entity")

    @field_validator("targets")
    @classmethod
    def _are_names(cls, targets: dict[str, str]) -> dict[str, str]:
        for name in targets.values():
            if not (name and name[0].isalnum() and len(name) <= 128 and set(name) <= _LETTERS):
                raise ValueError(f"{name[:80]!r} is no name of a container")
        return targets


class DockerActuator(BaseActuator):
    """Restarts, starts and stops containers.

    Fails (in doubt) when the engine answers with an error of its own. Costs three requests an act.
    """

    Settings = DockerSettings
    schemas = (
        ActionSchema("service.restart", EffectClass.DISRUPTIVE, "", (), "", False),
        ActionSchema("service.start", EffectClass.REVERSIBLE, "running", (), "service.stop", False),
        ActionSchema("service.stop", EffectClass.DISRUPTIVE, "running", (), "service.start", False),
    )

    def __init__(self, place: Place, settings: DockerSettings) -> None:
        super().__init__(place, settings, settings.targets)
        self._own = settings

    def _live(self, entity: str, deadline: Deadline) -> LiveTarget:
        found = self._container(entity, deadline)
        if found is None:
            return LiveTarget(entity, False, "none", False, None)
        state = found.get("State") or {}
        checked = (state.get("Health") or {}).get("Status", "none") in ("healthy", "none")
        healthy = bool(state.get("Running")) and not state.get("Restarting") and checked
        return LiveTarget(entity, True, _generation(found), healthy, None)

    @override  # its mounts tell
    def _stateful(self, entity: str, live: LiveTarget) -> bool | None:
        configured = self._settings.stateful.get(entity)
        if configured is not None:
            return configured
        found = self._container(entity, Deadline(self._settings.timeout_seconds))
        return None if found is None else any(one.get("RW", True) for one in found.get("Mounts") or ())

    def _owners(self, entity: str, deadline: Deadline) -> tuple[Owner, ...]:
        found = self._container(entity, deadline) or {}
        labels = (found.get("Config") or {}).get("Labels") or {}
        return tuple(
            Owner(entity, "", f"{owner}:{labels[name]}") for name, owner in _OWNERS.items() if name in labels
        )

    def _perform(self, order: Order, target: Target, deadline: Deadline) -> Effect:
        verb = order.action.kind.removeprefix("service.")
        query = "" if verb == "start" else f"?t={self._own.stop_seconds}"
        path = f"/containers/{self._own.targets[target.entity]}/{verb}{query}"
        status, answer = self._ask("POST", path, deadline)
        if status not in (204, 304):  # 304: it stood as ordered
            said = f"Docker answered {status}: {_message(answer)}"
            raise NotDoneError(said) if 400 <= status < 500 else ActuatorError(said)
        live = self._live(target.entity, deadline)
        return Effect(f"{verb} done", (("container", str(live.generation)),))

    def _happened(self, order: Order, target: Target, before: str, deadline: Deadline) -> bool | None:
        found = self._container(target.entity, deadline)
        if found is None:
            return None
        now, runs = _generation(found), bool((found.get("State") or {}).get("Running"))
        if order.action.kind != "service.restart" and runs == (order.action.kind == "service.start"):
            return True
        if now == before:
            return False
        return True if runs and order.action.kind == "service.restart" else None

    def _inverse(self, action: Action, deadline: Deadline) -> Action | None:
        found = [self._container(target.entity, deadline) for target in action.targets]
        running = {bool(((one or {}).get("State") or {}).get("Running")) for one in found}
        if action.kind == "service.start" and running == {False}:
            return undoing(action, "service.stop")
        if action.kind == "service.stop" and running == {True}:
            return undoing(action, "service.start")
        return None

    def _container(self, entity: str, deadline: Deadline) -> dict[str, Any] | None:
        status, answer = self._ask("GET", f"/containers/{self._own.targets[entity]}/json", deadline)
        if status == 404:
            return None
        if status != 200:
            raise ActuatorError(f"Docker answered {status}: {_message(answer)}")
        try:
            found = orjson.loads(answer)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise ActuatorError("Docker's answer is no JSON object")
        return found

    def _ask(self, method: str, path: str, deadline: Deadline) -> tuple[int, bytes]:
        with http_client(str(self._own.socket)) as client:
            url = f"http://docker/v{self._own.api_version}{path}"
            return exchange(client, client.build_request(method, url), deadline)


def _generation(found: dict[str, Any]) -> str:
    state = found.get("State") or {}
    standing = state.get("StartedAt", "") if state.get("Running") else "stopped"
    return f"{str(found.get('Id', ''))[:12]}@{standing}"


def _message(answer: bytes) -> str:
    try:
        return str(orjson.loads(answer).get("message", ""))[:200]
    except (orjson.JSONDecodeError, AttributeError):
        return ""
