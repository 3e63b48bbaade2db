"""HAProxy: a real one, on unix sockets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.actuate.acts import action, place
from tests.actuate.haproxy_process import HaproxyProcess

from stormpetrel.adapters.actuate.base import Deadline, Effect, NotDoneError
from stormpetrel.adapters.actuate.haproxy import HaproxyActuator, HaproxySettings
from stormpetrel.errors import ActuatorError
from stormpetrel.model.action import Target
from stormpetrel.model.run import ActOutcome
from stormpetrel.ports.actuate import Order
from stormpetrel.testing.check_actuator import ActuatorCase, check_actuator

FIRST, SECOND, SWITCH = "service:checkout-1", "service:checkout-2", "service:checkout"
CONFIGURATION = """
global
  stats socket {0}/stats.sock mode 600 level admin
  stats socket {0}/weak.sock mode 600 level user
  maxconn 100
{1}frontend front
  bind unix@{0}/front.sock
  use_backend %[str(checkout),map({0}/live.map)]
backend blue
  server s1 unix@{0}/none weight 10
  server s2 unix@{0}/none weight 10
  server s3 unix@{0}/none weight 10
backend green
  server s1 unix@{0}/none
"""


class Proxy(HaproxyProcess):
    def __init__(self, folder: Path) -> None:
        (folder / "live.map").write_text("checkout blue\n")
        super().__init__(folder, CONFIGURATION, b"set server ", b"set map ")

    def make(self, journal: Path, socket: str = "tap.sock") -> HaproxyActuator:
        return HaproxyActuator(
            place(journal),
            HaproxySettings.model_validate(
                {
                    "type": "haproxy",
                    "socket": str(self.folder / socket),
                    "targets": {FIRST: "blue/s1", SECOND: "blue/s2"},
                    "switches": {
                        SWITCH: {
                            "map": f"{self.folder}/live.map",
                            "key": "checkout",
                            "backends": ["blue", "green"],
                        }
                    },
                }
            ),
        )


@pytest.fixture(scope="module")
def proxy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    found = Proxy(tmp_path_factory.mktemp("haproxy"))
    yield found
    found.close()


@pytest.mark.parametrize(
    ("kind", "entity", "parameters"),
    [
        ("backend.drain", FIRST, {}),
        ("backend.weight", SECOND, {"weight": 3}),
        ("traffic.switch", SWITCH, {"backend": "green"}),
    ],
)
def test_contract(
    proxy: Proxy, tmp_path: Path, kind: str, entity: str, parameters: dict[str, str | int]
) -> None:
    actuator = proxy.make(tmp_path / "look", "stats.sock")
    backwards = {"backend.drain": ("backend.ready", {}), "backend.weight": (kind, {"weight": 10})}
    back, given = backwards.get(kind, (kind, {"backend": "blue"}))

    def fresh() -> object:
        # Put back behind the tap's back, so that each act has something to change.
        order = Order(
            f"back/{id(object())}/{proxy.tap.count()}", action(actuator, back, entity, **given), 20, 1
        )
        actuator.act(order)
        return action(actuator, kind, entity, **parameters)

    check_actuator(
        ActuatorCase(
            make=proxy.make,
            folder=tmp_path / "journal",
            action=fresh,  # type: ignore[arg-type]  # an action
            effects=proxy.tap.count,
            hang=proxy.tap.mute,
            undoes=True,
        )
    )


def test_a_drained_server_does_not_serve_and_its_group_knows(proxy: Proxy, tmp_path: Path) -> None:
    actuator = proxy.make(tmp_path)
    actuator.act(Order("ready", action(actuator, "backend.ready", FIRST, SECOND), 20, 1))
    reading = actuator.read(FIRST)
    assert reading.group is not None
    assert reading.live.healthy
    assert reading.group.members == ("server:blue/s3", FIRST, SECOND)
    actuator.act(Order("drain", action(actuator, "backend.drain", FIRST), 20, 1))
    reading = actuator.read(FIRST)
    assert reading.group is not None
    assert reading.live.healthy is False
    assert reading.group.healthy == ("server:blue/s3", SECOND)
    actuator.act(Order("ready again", action(actuator, "backend.ready", FIRST), 20, 1))
    assert actuator.read(FIRST).live.healthy


def test_an_answer_that_was_lost_is_found_out(proxy: Proxy, tmp_path: Path) -> None:
    actuator = proxy.make(tmp_path)
    order = Order("lost", action(actuator, "backend.weight", FIRST, weight=77), 0.5, 1)
    with proxy.tap.mute():
        assert actuator.act(order).outcome is ActOutcome.IN_DOUBT
    assert actuator.resolve(order).outcome is ActOutcome.DONE
    orders = proxy.tap.count()
    assert actuator.act(order).outcome is ActOutcome.DONE
    assert proxy.tap.count() == orders


def test_a_backend_that_is_not_on_the_list_is_refused(proxy: Proxy, tmp_path: Path) -> None:
    actuator = proxy.make(tmp_path)
    orders = proxy.tap.count()
    result = actuator.act(Order("k", action(actuator, "traffic.switch", SWITCH, backend="red"), 20, 1))
    assert result.outcome is ActOutcome.NOT_DONE
    assert "may be set to" in result.text
    wrong = action(actuator, "backend.drain", SWITCH)
    assert actuator.act(Order("l", wrong, 20, 1)).outcome is ActOutcome.NOT_DONE
    assert proxy.tap.count() == orders


def test_a_socket_without_the_right_says_so(proxy: Proxy, tmp_path: Path) -> None:
    actuator = proxy.make(tmp_path, "weak.sock")
    result = actuator.act(Order("k", action(actuator, "backend.drain", FIRST), 20, 1))
    assert result.outcome is ActOutcome.NOT_DONE
    assert "ermission" in result.text


def test_no_answer_is_an_error_of_its_kind(tmp_path: Path) -> None:
    settings = HaproxySettings.model_validate(
        {"type": "haproxy", "socket": str(tmp_path / "none"), "targets": {FIRST: "a/b"}}
    )
    with pytest.raises(ActuatorError, match="cannot be reached"):
        HaproxyActuator(place(tmp_path / "journal"), settings).read(FIRST)


@pytest.mark.parametrize("name", ["blue", "blue/s1;shutdown", "blue/s 1", "blue/s1\nquit", "/", "a/b/c"])
def test_names_that_part_commands_are_refused(name: str) -> None:
    with pytest.raises(ValidationError, match="BACKEND/SERVER"):
        HaproxySettings.model_validate({"type": "haproxy", "socket": "/s", "targets": {FIRST: name}})


def test_a_plans_second_step_knows_what_its_first_one_changed(proxy: Proxy, tmp_path: Path) -> None:
    actuator, other = proxy.make(tmp_path / "a"), proxy.make(tmp_path / "b")
    actuator.act(Order("0", action(actuator, "backend.weight", FIRST, weight=5), 20, 1))
    first = action(actuator, "backend.weight", FIRST, weight=6)
    second = action(actuator, "backend.weight", FIRST, weight=7)
    assert actuator.act(Order("1", first, 20, 1)).outcome is ActOutcome.DONE
    assert actuator.act(Order("2", second, 20, 1)).outcome is ActOutcome.DONE
    other.act(Order("3", action(other, "backend.weight", FIRST, weight=8), 20, 1))
    result = actuator.act(Order("4", second, 20, 1))
    assert (result.outcome, "plan anew" in result.text) == (ActOutcome.NOT_DONE, True)


def test_several_targets_of_one_order(proxy: Proxy, tmp_path: Path) -> None:
    actuator = proxy.make(tmp_path)
    actuator.act(Order("ready", action(actuator, "backend.ready", FIRST, SECOND), 20, 1))
    both = action(actuator, "backend.drain", FIRST, SECOND)
    back = actuator.inverse(both)
    assert back is not None
    assert [one.entity for one in back.targets] == [FIRST, SECOND]
    assert actuator.act(Order("both", both, 20, 1)).outcome is ActOutcome.DONE
    assert not any(actuator.read(one).live.healthy for one in (FIRST, SECOND))
    assert actuator.act(Order("back", back, 20, 1)).outcome is ActOutcome.DONE
    assert all(actuator.read(one).live.healthy for one in (FIRST, SECOND))
    actuator.act(Order("one", action(actuator, "backend.drain", FIRST), 20, 1))
    assert actuator.inverse(action(actuator, "backend.ready", FIRST, SECOND)) is None  # they stand apart


def test_an_order_that_broke_off_between_targets_is_in_doubt(
    proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    actuator = proxy.make(tmp_path)
    actuator.act(Order("ready", action(actuator, "backend.ready", FIRST, SECOND), 20, 1))
    both = action(actuator, "backend.drain", FIRST, SECOND)
    perform = actuator._perform

    def breaking_off(order: Order, target: Target, deadline: Deadline) -> Effect:
        if target.entity == SECOND:
            raise NotDoneError("no more")
        return perform(order, target, deadline)

    monkeypatch.setattr(actuator, "_perform", breaking_off)

    order = Order("both", both, 20, 1)
    result = actuator.act(order)
    assert (result.outcome, "1 of 2 targets" in result.text) == (ActOutcome.IN_DOUBT, True)
    assert actuator.resolve(order).outcome is ActOutcome.IN_DOUBT


def test_an_unlisted_target_is_refused_by_name_of_the_list(proxy: Proxy, tmp_path: Path) -> None:
    actuator = proxy.make(tmp_path)
    what = action(actuator, "backend.drain", FIRST)
    stranger = replace(what, targets=(replace(what.targets[0], entity="service:cart"),))
    assert "not on the list" in actuator.act(Order("k", stranger, 20, 1)).text
