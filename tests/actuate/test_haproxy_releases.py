"""Two releases behind one backend of a real HAProxy: rolled back, and back again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.actuate.acts import action, place, wait_for
from tests.actuate.haproxy_process import HaproxyProcess

from stormpetrel.adapters.actuate.base import Deadline
from stormpetrel.adapters.actuate.haproxy import HaproxyActuator, HaproxySettings
from stormpetrel.adapters.actuate.sockets import ask_line
from stormpetrel.model.run import ActOutcome, ActResult
from stormpetrel.ports.actuate import Order

SHOP, CART = "service:shop", "service:cart"
CONFIGURATION = """
global
  stats socket {0}/stats.sock mode 600 level admin
  maxconn 100
{1}frontend front
  bind unix@{0}/front.sock
  default_backend shop
backend shop
  server a1 unix@{0}/none
  server a2 unix@{0}/none
  server b1 unix@{0}/none disabled
  server b2 unix@{0}/none disabled
backend cart
  server new unix@{0}/none
  server old unix@{0}/none disabled check inter 50ms
"""


class Proxy(HaproxyProcess):
    def __init__(self, folder: Path) -> None:
        super().__init__(folder, CONFIGURATION, b"set server ")

    def make(self, journal: Path) -> HaproxyActuator:
        releases = {
            SHOP: {"backend": "shop", "versions": {"A": ["a1", "a2"], "B": ["b1", "b2"]}},
            CART: {"backend": "cart", "versions": {"old": ["old"], "new": ["new"]}},
        }
        settings = {"type": "haproxy", "socket": str(self.folder / "tap.sock"), "releases": releases}
        return HaproxyActuator(place(journal), HaproxySettings.model_validate(settings))

    def say(self, line: str) -> None:
        assert ask_line(self.folder / "stats.sock", line, Deadline(20)).strip() == ""

    def set(self, **states: str) -> None:
        for server, state in states.items():
            self.say(f"set server shop/{server} state {state}")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    found = Proxy(tmp_path_factory.mktemp("haproxy"))
    yield found
    found.close()


@pytest.fixture
def proxy(running: Proxy) -> Proxy:
    """B serves, A is drained: as a deployment leaves it."""
    running.set(b1="ready", b2="ready", a1="drain", a2="drain")
    return running


def roll_back(actuator: HaproxyActuator, key: str, entity: str = SHOP) -> ActResult:
    what = action(actuator, "deployment.rollback", entity, change="rollout-7")
    return actuator.act(Order(key, what, 20, 1))


def test_the_other_release_serves_again(proxy: Proxy, tmp_path: Path) -> None:
    actuator = proxy.make(tmp_path)
    before = actuator.read(SHOP)
    assert before.group is None
    assert (before.live.healthy, (before.live.generation or "").partition(" ")[0]) == (True, "B")
    result = roll_back(actuator, "k")
    assert (result.outcome, dict(result.evidence)) == (ActOutcome.DONE, {"from": "B", "to": "A"})
    after = actuator.read(SHOP).live
    assert (after.healthy, (after.generation or "").partition(" ")[0]) == (True, "A")
    orders = proxy.tap.count()
    assert roll_back(actuator, "k").outcome is not ActOutcome.DONE, "the key belongs to what was planned then"
    assert proxy.tap.count() == orders


def test_the_same_order_again_does_nothing(proxy: Proxy, tmp_path: Path) -> None:
    actuator = proxy.make(tmp_path)
    order = Order("k", action(actuator, "deployment.rollback", SHOP), 20, 1)
    assert actuator.act(order).outcome is ActOutcome.DONE
    orders = proxy.tap.count()
    assert actuator.act(order).outcome is ActOutcome.DONE
    assert proxy.tap.count() == orders


def test_it_is_undone_by_its_inverse(proxy: Proxy, tmp_path: Path) -> None:
    actuator = proxy.make(tmp_path)
    what = action(actuator, "deployment.rollback", SHOP)
    back = actuator.inverse(what)
    assert back is not None
    assert actuator.act(Order("there", what, 20, 1)).outcome is ActOutcome.DONE
    assert actuator.act(Order("back", back, 20, 1)).outcome is ActOutcome.DONE
    assert (actuator.read(SHOP).live.generation or "").startswith("B serves")


@pytest.mark.parametrize("states", [{"a1": "ready", "a2": "ready"}, {"b1": "drain", "b2": "maint"}])
def test_where_both_serve_or_none_it_is_refused(proxy: Proxy, tmp_path: Path, states: dict[str, str]) -> None:
    proxy.set(**states)
    actuator = proxy.make(tmp_path)
    assert actuator.inverse(action(actuator, "deployment.rollback", SHOP)) is None
    orders = proxy.tap.count()
    result = roll_back(actuator, "k")
    assert (result.outcome, "cannot be told" in result.text) == (ActOutcome.NOT_DONE, True)
    assert proxy.tap.count() == orders


def test_a_release_that_does_not_run_gets_no_traffic(proxy: Proxy, tmp_path: Path) -> None:
    proxy.say("set server cart/old state drain")
    actuator = proxy.make(tmp_path)
    wait_for(
        lambda: "start them first" in roll_back(actuator, f"k{proxy.tap.count()}", CART).text,
        "its check does not fail",
    )
    assert (actuator.read(CART).live.generation or "").startswith("new serves")


def test_an_answer_that_was_lost_is_found_out(proxy: Proxy, tmp_path: Path) -> None:
    actuator = proxy.make(tmp_path)
    order = Order("lost", action(actuator, "deployment.rollback", SHOP), 0.5, 1)
    with proxy.tap.mute():
        assert actuator.act(order).outcome is ActOutcome.IN_DOUBT
    assert actuator.resolve(order).outcome is ActOutcome.IN_DOUBT, "half of it is done"
    proxy.set(a1="ready", a2="ready", b1="drain", b2="drain")
    assert actuator.resolve(order).outcome is ActOutcome.DONE


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({"A": ["a1"]}, "at least 2"),
        ({"A": ["a1"], "B": []}, "of its own"),
        ({"A": ["a1"], "B": ["a1"]}, "of its own"),
        ({"A": ["a1"], "B": ["b1;shutdown"]}, "letters"),
    ],
)
def test_what_is_no_pair_of_releases_is_refused(versions: dict[str, list[str]], said: str) -> None:
    releases = {SHOP: {"backend": "shop", "versions": versions}}
    with pytest.raises(ValidationError, match=said):
        HaproxySettings.model_validate({"type": "haproxy", "socket": "/s", "releases": releases})


def test_one_entity_is_one_kind_of_target() -> None:
    releases = {SHOP: {"backend": "shop", "versions": {"A": ["a1"], "B": ["b1"]}}}
    section = {"type": "haproxy", "socket": "/s", "releases": releases, "targets": {SHOP: "shop/a1"}}
    with pytest.raises(ValidationError, match="more than one of"):
        HaproxySettings.model_validate(section)
