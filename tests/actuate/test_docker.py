"""Docker: a small engine that speaks its API on a unix socket."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.actuate.acts import action, place
from tests.actuate.answering import Answering

from stormpetrel.adapters.actuate.docker import DockerActuator, DockerSettings
from stormpetrel.model.action import Action
from stormpetrel.model.run import ActOutcome
from stormpetrel.ports.actuate import Order
from stormpetrel.testing.check_actuator import ActuatorCase, check_actuator

ENTITY, MISSING = "service:checkout", "service:gone"


class Engine:
    """One container, `shop-checkout-1`; `fails`: a status that orders are answered with instead."""

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "docker.sock"
        self.container: dict[str, Any] = {
            "Id": "f" * 64, "State": {"Running": True, "StartedAt": "2026-01-01T00:00:00Z"}, "Mounts": [],
            "Config": {"Labels": {}},
        }  # fmt: skip
        self.orders: list[str] = []
        self.fails = 0
        self._mute = threading.Event()
        self._end = threading.Event()
        self._server = Answering(self.serve, self.socket)

    def close(self) -> None:
        self._end.set()
        self._server.close()

    @contextmanager
    def mute(self) -> Iterator[None]:
        self._mute.set()
        yield
        self._mute.clear()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        _, version, _, name, verb = request.path.partition("?")[0].split("/")
        if version != "v1.41" or name != "shop-checkout-1":
            self._send(request, 404, {"message": f"No such container: {name}"})
        elif request.command == "GET":
            self._send(request, 200, self.container)
        elif self.fails:
            self._send(request, self.fails, {"message": "driver failed"})
        else:
            self._order(request, verb)

    def _order(self, request: BaseHTTPRequestHandler, verb: str) -> None:
        state = self.container["State"]
        if verb != "restart" and state["Running"] == (verb == "start"):
            self._send(request, 304, None)
            return
        self.orders.append(verb)
        state["Running"] = verb != "stop"
        if verb != "stop":
            state["StartedAt"] = f"2026-01-01T00:00:{len(self.orders):02d}Z"
        while self._mute.is_set() and not self._end.is_set():
            time.sleep(0.02)
        self._send(request, 204, None)

    @staticmethod
    def _send(request: BaseHTTPRequestHandler, status: int, answer: Any) -> None:
        body = b"" if answer is None else json.dumps(answer).encode()
        try:
            request.send_response(status)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body)
        except OSError:
            return


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    found = Engine(tmp_path)
    yield found
    found.close()


def make(engine: Engine, journal: Path) -> DockerActuator:
    targets = {ENTITY: "shop-checkout-1", MISSING: "gone"}
    section = {"type": "docker", "socket": str(engine.socket), "targets": targets}
    return DockerActuator(place(journal), DockerSettings.model_validate(section))


@pytest.mark.parametrize("kind", ["service.restart", "service.stop"])
def test_contract(engine: Engine, tmp_path: Path, kind: str) -> None:
    actuator = make(engine, tmp_path / "look")

    def running() -> Action:
        engine.container["State"]["Running"] = True
        return action(actuator, kind, ENTITY)

    check_actuator(
        ActuatorCase(
            make=lambda folder: make(engine, folder), folder=tmp_path / "journal", action=running,
            effects=lambda: len(engine.orders), hang=engine.mute, undoes=kind == "service.stop",
        )
    )  # fmt: skip


def test_a_restart_whose_answer_was_lost_is_found_by_its_start_time(engine: Engine, tmp_path: Path) -> None:
    actuator = make(engine, tmp_path)
    order = Order("k", action(actuator, "service.restart", ENTITY), 0.5, 1)
    with engine.mute():
        assert actuator.act(order).outcome is ActOutcome.IN_DOUBT
    assert actuator.resolve(order).outcome is ActOutcome.DONE
    assert engine.orders == ["restart"]


@pytest.mark.parametrize(("status", "outcome"), [(409, ActOutcome.NOT_DONE), (500, ActOutcome.IN_DOUBT)])
def test_what_a_status_means(engine: Engine, tmp_path: Path, status: int, outcome: ActOutcome) -> None:
    actuator = make(engine, tmp_path)
    engine.fails = status
    result = actuator.act(Order("k", action(actuator, "service.restart", ENTITY), 20, 1))
    assert (result.outcome, "driver failed" in result.text) == (outcome, True)


def test_what_a_container_says_of_itself(engine: Engine, tmp_path: Path) -> None:
    actuator = make(engine, tmp_path)
    assert actuator.read(ENTITY).stateful is False
    engine.container["Mounts"] = [{"Type": "volume", "RW": True}]
    engine.container["Config"]["Labels"] = {"com.docker.swarm.service.name": "shop_checkout"}
    engine.container["State"]["Health"] = {"Status": "unhealthy"}
    reading = actuator.read(ENTITY)
    assert (reading.stateful, reading.live.healthy) == (True, False)
    assert [one.owner for one in reading.owners] == ["swarm:shop_checkout"]
    assert actuator.read(MISSING).live.exists is False
    result = actuator.act(Order("k", action(actuator, "service.restart", MISSING), 20, 1))
    assert (result.outcome, engine.orders) == (ActOutcome.NOT_DONE, [])


@pytest.mark.parametrize("name", ["", "a/b", "../x", "a?t=0", "-a"])
def test_names_of_containers_are_checked(name: str) -> None:
    with pytest.raises(ValidationError, match="no name of a container"):
        DockerSettings.model_validate({"type": "docker", "targets": {ENTITY: name}})
