"""nftables: the real one, in a network namespace of its own, with real packets."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.actuate.acts import action, place, program

from stormpetrel.adapters.actuate.nftables import NftablesActuator, NftablesSettings
from stormpetrel.model.action import Action
from stormpetrel.model.run import ActOutcome
from stormpetrel.ports.actuate import Order
from stormpetrel.testing.check_actuator import ActuatorCase, check_actuator

NFT, IP = program("nft", "nftables"), program("ip", "iproute2")
if os.geteuid() != 0:
    pytest.skip("network namespaces need root", allow_module_level=True)
ENTITY, TABLE = "address-list:edge", "petrel_test"
WRAPPER = """#!/bin/sh
{0} "$@"; code=$?
case "$*" in *"-f -"*) [ -e {1}/slow ] && sleep 30;; esac
exit $code
"""


class Space:
    """A namespace: 10.99.0.1 is ours, packets from all of 10.99.0.0/24 arrive, 10.98.0.9 is the gateway."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host = f"petrel-{os.getpid()}"
        self.program = folder / "nft"
        self.program.write_text(WRAPPER.format(NFT, folder))
        self.program.chmod(0o755)
        subprocess.run([IP, "netns", "add", self.host], check=True)
        for words in (
            "link set lo up", "addr add 10.99.0.1/32 dev lo", "route add local 10.99.0.0/24 dev lo",
            "tuntap add dev out mode tap", "addr add 10.98.0.1/24 dev out", "link set out up",
            "route add default via 10.98.0.9",
        ):  # fmt: skip
            subprocess.run([IP, "-n", self.host, *words.split()], check=True)

    def close(self) -> None:
        subprocess.run([IP, "netns", "del", self.host], check=False)

    def make(self, journal: Path, **changed: Any) -> NftablesActuator:
        section = {
            "type": "nftables", "targets": {ENTITY: TABLE}, "program": str(self.program), "ip_program": IP,
            "namespace": self.host, "never": ["10.50.0.0/16"], "rates": [1, 10], **changed,
        }  # fmt: skip
        return NftablesActuator(place(journal), NftablesSettings.model_validate(section))

    def entries(self) -> list[dict[str, Any]]:
        listed = subprocess.run(
            [IP, "netns", "exec", self.host, NFT, "-j", "list", "table", "inet", TABLE],
            check=False, capture_output=True,
        )  # fmt: skip
        if listed.returncode:
            return []
        sets = [one["set"] for one in json.loads(listed.stdout)["nftables"] if "set" in one]
        return [
            {"set": one["name"], **e["elem"]}
            for one in sets
            if "meter" not in one["name"]
            for e in one.get("elem", ())
        ]

    def arrived(self, packets: int = 1) -> int:
        """How many packets of a client, sent at once, arrive."""
        code = (
            "import socket,sys\n"
            "a,b=(socket.socket(socket.AF_INET,socket.SOCK_DGRAM) for _ in '12')\n"
            "a.bind(('10.99.0.1',0)); b.bind(('10.99.0.2',0)); a.settimeout(0.3); n=0\n"
            "for i in range(int(sys.argv[1])): b.sendto(b'x',a.getsockname())\n"
            "try:\n while True: a.recv(9); n+=1\n"
            "except OSError: print(n)"
        )
        asked = [IP, "netns", "exec", self.host, "python3", "-c", code, str(packets)]
        return int(subprocess.run(asked, check=True, capture_output=True).stdout)

    @contextmanager
    def slow(self) -> Iterator[None]:
        (self.folder / "slow").touch()
        yield
        (self.folder / "slow").unlink()


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Space]:
    try:
        found = Space(tmp_path_factory.mktemp("nft"))
    except subprocess.CalledProcessError as error:
        pytest.skip(f"this kernel gives no network namespace with a tap device: {error}")
    yield found
    found.close()


def test_contract(space: Space, tmp_path: Path) -> None:
    actuator = space.make(tmp_path / "look")
    number = iter(range(1, 250))

    def another_address() -> Action:
        return action(actuator, "address.block", ENTITY, address=f"10.77.0.{next(number)}", ttl_seconds=3600)

    check_actuator(
        ActuatorCase(
            make=space.make, folder=tmp_path / "journal", action=another_address,
            effects=lambda: len(space.entries()), hang=space.slow, undoes=True,
        )
    )  # fmt: skip


def test_nothing_arrives_of_who_is_blocked_until_unblocked(space: Space, tmp_path: Path) -> None:
    actuator = space.make(tmp_path)
    assert space.arrived() == 1
    block = action(actuator, "address.block", ENTITY, address="10.99.0.2", ttl_seconds=600)
    back = actuator.inverse(block)
    assert back is not None
    assert actuator.act(Order("block", block, 20, 1)).outcome is ActOutcome.DONE
    assert space.arrived() == 0
    (entry,) = [one for one in space.entries() if one["val"] == "10.99.0.2"]
    assert (entry["set"], entry["timeout"]) == ("block_4", 600)
    assert actuator.inverse(block) is None  # it was blocked before: undoing must not open it
    assert actuator.act(Order("back", back, 20, 1)).outcome is ActOutcome.DONE
    assert space.arrived() == 1


def test_who_is_slowed_down_gets_its_rate(space: Space, tmp_path: Path) -> None:
    actuator = space.make(tmp_path)
    slow = action(actuator, "client.throttle", ENTITY, address="10.99.0.2", rate=1, ttl_seconds=600)
    back = actuator.inverse(slow)
    assert back is not None
    assert actuator.act(Order("slow", slow, 20, 1)).outcome is ActOutcome.DONE
    assert 1 <= space.arrived(10) < 10  # a burst of five passes, then one a second
    assert actuator.act(Order("back", back, 20, 1)).outcome is ActOutcome.DONE
    assert space.arrived(10) == 10


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "::1", "10.99.0.1", "::ffff:10.99.0.1", "10.98.0.9", "10.98.0.1", "10.50.1.2",
        "224.0.0.1", "0.0.0.0",         "fe80::1", "10.0.0.0/8", "010.1.1.1", "1.2.3", "any",
    ],
)  # fmt: skip
def test_what_is_never_blocked(space: Space, tmp_path: Path, address: str) -> None:
    actuator = space.make(tmp_path)
    before = {one["val"] for one in space.entries()}
    what = action(actuator, "address.block", ENTITY, address=address, ttl_seconds=60)
    assert actuator.act(Order("k", what, 20, 1)).outcome is ActOutcome.NOT_DONE
    assert {one["val"] for one in space.entries()} == before


def test_an_order_that_was_killed_is_found_in_the_kernel(space: Space, tmp_path: Path) -> None:
    actuator = space.make(tmp_path / "a")
    what = action(actuator, "address.block", ENTITY, address="2001:db8::7", ttl_seconds=600)
    order = Order("killed", what, 4, 1)
    with space.slow():
        assert actuator.act(order).outcome is ActOutcome.IN_DOUBT
    assert space.make(tmp_path / "b").resolve(order).outcome is ActOutcome.DONE
    assert [one["set"] for one in space.entries() if one["val"] == "2001:db8::7"] == ["block_6"]


def test_a_full_list_refuses(space: Space, tmp_path: Path) -> None:
    actuator = space.make(tmp_path, targets={ENTITY: "petrel_small"}, most_addresses=2)
    outcomes = [
        actuator.act(
            Order(
                f"k{n}",
                action(actuator, "address.block", ENTITY, address=f"10.1.1.{n}", ttl_seconds=60),
                20,
                1,
            )
        ).outcome
        for n in (1, 2, 3)
    ]
    assert outcomes == [ActOutcome.DONE, ActOutcome.DONE, ActOutcome.NOT_DONE]
