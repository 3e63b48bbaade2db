"""Actions of your own, by a signed HTTP request to a service of yours.

Each act is one `POST` with a JSON body for each target, signed (`signing`), with an `Idempotency-Key` that
the receiver must keep: a key that it has seen is answered as before and does nothing. One address answers
questions (`GET`): `?entity=` how a target stands, `?key=` what became of an order.

Redirects are never followed, hosts are those of the section alone, TLS is verified, and plain HTTP goes to
loopback only. What an answer means: 2xx done (202: asked again until it is), 4xx not done, everything else,
also 408, 409, 425, 429 and silence, in doubt, and the status address decides.
"""

from __future__ import annotations

import hashlib
import ipaddress
import secrets
import ssl
import threading
import time
from typing import Any, Literal, Self

import httpx
import orjson
from pydantic import Field, model_validator
from typing_extensions import override

from stormpetrel.adapters.actuate.base import BaseActuator, Deadline, Effect, NotDoneError, undoing
from stormpetrel.adapters.actuate.checks import complaint
from stormpetrel.adapters.actuate.settings import (
    MAX_TARGETS,
    ActuatorSettings,
    ParameterSettings,
    Place,
    SecretSettings,
    Settings,
    read_secret,
)
from stormpetrel.adapters.actuate.sockets import exchange, http_client
from stormpetrel.adapters.signing import KEY, NONCE, SIGNATURE, TIMESTAMP, signature, signed_text
from stormpetrel.errors import ActuatorError
from stormpetrel.model.action import Action, EffectClass, Scalar, Target
from stormpetrel.model.facts import LiveTarget
from stormpetrel.ports.actuate import ActionSchema, Order

MAX_ANSWER_BYTES = 64 << 10
_POLL_SECONDS = 0.2
_UNSURE = frozenset({408, 409, 425, 429})


class WebhookAction(Settings):
    """An action of yours."""

    effect: Literal["read", "reversible", "disruptive", "destructive"] = Field(
        "destructive", description="what it can do to the system at worst"
    )
    field: str = Field("", max_length=60, description="the part of the target that it changes")
    reversible_by: str = Field("", max_length=60, description="the action that undoes it")
    parameters: dict[str, ParameterSettings] = Field(default_factory=dict, max_length=50)


class HookSettings(ActuatorSettings):
    """Where requests go, and how they are signed."""

    url: str = Field(max_length=2000, description="address that takes orders")
    status_url: str = Field(max_length=2000, description="address that answers questions")
    allowed_hosts: list[str] = Field(min_length=1, max_length=20, description="hosts they may name")
    secret: SecretSettings = Field(description="where the secret is kept that requests are signed with")
    ca_file: str = Field("", description="PEM of who signed the receiver's certificate; empty: the system's")
    targets: dict[str, str] = Field(
        min_length=1, max_length=MAX_TARGETS, description="what the receiver calls them, by entity"
    )

    @model_validator(mode="after")
    def _goes_where_it_may(self) -> Self:
        for text in (self.url, self.status_url):
            address = httpx.URL(text)
            if address.host not in self.allowed_hosts:
                raise ValueError(f"{address.host!r} is not one of allowed_hosts")
            if address.userinfo or address.fragment:
                raise ValueError("an address with a password or a fragment in it is not taken; use `secret`")
            if address.scheme != "https" and not (address.scheme == "http" and _loopback(address.host)):
                raise ValueError(f"{text}: https is needed, except on loopback")
        return self


class WebhookSettings(HookSettings):
    """A service of yours that acts."""

    actions: dict[str, WebhookAction] = Field(min_length=1, max_length=100, description="by kind")

    @model_validator(mode="after")
    def _leads_back(self) -> Self:
        for kind, of in self.actions.items():
            if of.reversible_by not in ("", *self.actions):
                raise ValueError(f"{kind} is undone by {of.reversible_by!r}, which is none of the actions")
            if of.effect == "reversible" and not of.reversible_by:
                raise ValueError(f"{kind} is called reversible: say by what (reversible_by)")
        return self


class HookActuator(BaseActuator):
    """Sends orders and asks what became of them; `WebhookActuator` and `FlagsActuator` are two of it.

    Fails as the receiver fails. Needs the shared secret and nothing else. Costs two requests an act.
    """

    def __init__(self, place: Place, settings: HookSettings) -> None:
        super().__init__(place, settings, settings.targets)
        self._hook = settings
        self._secret = ""
        verify = ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file else True
        self._client = http_client(verify=verify)

    def close(self) -> None:
        """Release connections; a later call opens new ones."""
        super().close()
        self._client.close()
        verify = ssl.create_default_context(cafile=self._hook.ca_file) if self._hook.ca_file else True
        self._client = http_client(verify=verify)

    def _live(self, entity: str, deadline: Deadline) -> LiveTarget:
        state = self._state(entity, deadline)
        generation = str(state.get("generation", ""))[:200]
        healthy = state.get("healthy")
        exists = state.get("exists", True)
        return LiveTarget(
            entity, exists if isinstance(exists, bool) else None, generation or None,
            healthy if isinstance(healthy, bool) else None, None,
        )  # fmt: skip

    def _perform(self, order: Order, target: Target, deadline: Deadline) -> Effect:
        content = {
            "key": order.key,
            "kind": order.action.kind,
            "entity": target.entity,
            "target": self._hook.targets[target.entity],
            "generation": target.generation,
            "parameters": {one.name: one.value for one in order.action.parameters},
            "lease": order.token,
        }
        body = orjson.dumps(content)
        status, answer = self._send("POST", self._hook.url, {}, body, _key(order, target), deadline)
        if status == 202:
            self._await(order, target, deadline)
        elif status // 100 != 2:
            certain = status // 100 in (3, 4) and status not in _UNSURE
            said = f"the receiver answered {status}: {answer[:200].decode('utf-8', 'replace')}"
            raise NotDoneError(said) if certain else ActuatorError(said)
        return Effect(f"the receiver answered {status}", _evidence(answer))

    def _await(self, order: Order, target: Target, deadline: Deadline) -> None:
        pause = threading.Event()
        while True:
            found = self._happened(order, target, "", deadline)
            if found is True:
                return
            if found is False:
                raise NotDoneError("the receiver took the order, and says that it was not done")
            deadline.check()
            pause.wait(min(_POLL_SECONDS, deadline.left()))

    @override  # the receiver keeps the key
    def _happened(self, order: Order, target: Target, before: str, deadline: Deadline) -> bool | None:
        status, answer = self._send(
            "GET", self._hook.status_url, {"key": _key(order, target)}, b"", "", deadline
        )
        if status != 200:
            raise ActuatorError(f"the status address answered {status}")
        return {"done": True, "not_done": False, "unknown": False}.get(str(_read(answer).get("state")))

    def _inverse(self, action: Action, deadline: Deadline) -> Action | None:
        schema = next(one for one in self.actions() if one.kind == action.kind)
        back = next((one for one in self.actions() if one.kind == schema.reversible_by), None)
        if back is None:
            return None
        found: list[dict[str, Scalar]] = []
        for target in action.targets:
            now = self._state(target.entity, deadline).get("parameters", {})
            found.append({one.name: now[one.name] for one in back.parameters if one.name in now})
        if any(one != found[0] for one in found):
            return None  # they do not stand alike: one action cannot undo it
        inverse = undoing(action, back.kind, **found[0])
        wrong = complaint(inverse, self.actions(), self._entities, self.name)
        return None if wrong else inverse

    def _state(self, entity: str, deadline: Deadline, **more: str) -> dict[str, Any]:
        named = {"entity": entity, "target": self._hook.targets[entity], **more}
        status, answer = self._send("GET", self._hook.status_url, named, b"", "", deadline)
        if status == 404:
            return {"exists": False, "healthy": False, "generation": "none"}
        if status != 200:
            raise ActuatorError(f"the status address answered {status}")
        return _read(answer)

    def _send(
        self, method: str, address: str, query: dict[str, str], body: bytes, *rest: Any
    ) -> tuple[int, bytes]:
        key, deadline = rest
        self._secret = read_secret(self._hook.secret, self._place.environment)
        url = httpx.URL(address).copy_merge_params(query)
        headers = {TIMESTAMP: str(int(time.time())), NONCE: secrets.token_hex(16), KEY: key}
        text = signed_text(method, url.raw_path.decode("ascii"), headers, body)
        headers |= {SIGNATURE: signature(self._secret, text), "Content-Type": "application/json"}
        request = self._client.build_request(method, url, headers=headers, content=body)
        return exchange(self._client, request, deadline, MAX_ANSWER_BYTES)

    def _secrets(self) -> tuple[str, ...]:
        return (self._secret,) if self._secret else ()


class WebhookActuator(HookActuator):
    """Actions of your own; what they are called, take and can do is declared in the section."""

    Settings = WebhookSettings

    def __init__(self, place: Place, settings: WebhookSettings) -> None:
        super().__init__(place, settings)
        self._schemas = tuple(
            ActionSchema(
                kind, EffectClass[of.effect.upper()], of.field,
                tuple(one.schema_of(name) for name, one in sorted(of.parameters.items())),
                of.reversible_by, True,
            )
            for kind, of in sorted(settings.actions.items())
        )  # fmt: skip

    def actions(self) -> tuple[ActionSchema, ...]:
        """What its section declares."""
        return self._schemas


def _key(order: Order, target: Target) -> str:
    """The key of one target: fit for a header, whatever the order's looks like."""
    return hashlib.sha256(f"{order.key}\n{target.entity}".encode()).hexdigest()


def _read(answer: bytes) -> dict[str, Any]:
    try:
        found = orjson.loads(answer)
    except orjson.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ActuatorError("the receiver's answer is no JSON object")
    return found


def _evidence(answer: bytes) -> tuple[tuple[str, str], ...]:
    """What the receiver has to say for the ledger: the object `evidence`, texts and numbers."""
    try:
        found = orjson.loads(answer).get("evidence", {})
        return tuple((str(name), str(value)) for name, value in list(found.items())[:20])
    except (orjson.JSONDecodeError, AttributeError):
        return ()


def _loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
