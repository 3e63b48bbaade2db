"""systemd: the real bus daemon, and a small service that speaks its interface."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.actuate.acts import action, place, program, wait_for
from tests.actuate.fake_systemd import Systemd

from stormpetrel.adapters.actuate.systemd import SystemdActuator, SystemdSettings
from stormpetrel.errors import ActuatorError
from stormpetrel.model.action import Action
from stormpetrel.model.run import ActOutcome
from stormpetrel.ports.actuate import Order
from stormpetrel.testing.check_actuator import ActuatorCase, check_actuator

DAEMON = program("dbus-daemon", "dbus")
ENTITY, OTHER, MISSING = "service:checkout", "service:cart", "service:gone"


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[Systemd]:
    (tmp_path / "bus").mkdir()
    found = Systemd(tmp_path / "bus", DAEMON, "checkout.service", "cart@1.service")
    yield found
    found.close()


def make(systemd: Systemd, journal: Path) -> SystemdActuator:
    section = {
        "type": "systemd", "bus": systemd.address,
        "targets": {ENTITY: "checkout.service", OTHER: "cart@1.service", MISSING: "gone.service"},
        "groups": {"shop": {"members": [ENTITY, OTHER, MISSING], "minimum": 1}},
    }  # fmt: skip
    return SystemdActuator(place(journal), SystemdSettings.model_validate(section))


@pytest.mark.parametrize("kind", ["service.restart", "service.stop"])
def test_contract(systemd: Systemd, tmp_path: Path, kind: str) -> None:
    actuator = make(systemd, tmp_path / "look")

    def next_one() -> Action:
        wait_for(lambda: not systemd.units["checkout.service"].job, "the job does not end")
        systemd.units["checkout.service"].active = "active"
        return action(actuator, kind, ENTITY)

    check_actuator(
        ActuatorCase(
            make=lambda folder: make(systemd, folder), folder=tmp_path / "journal", action=next_one,
            effects=lambda: len(systemd.jobs), hang=systemd.mute, undoes=kind == "service.stop",
        )
    )  # fmt: skip
    assert {mode for _, _, mode in systemd.jobs} == {"fail"}


def test_an_invocation_tells_whether_a_restart_happened(systemd: Systemd, tmp_path: Path) -> None:
    actuator = make(systemd, tmp_path)
    order = Order("k", action(actuator, "service.restart", ENTITY), 0.5, 1)
    with systemd.mute():
        assert actuator.act(order).outcome is ActOutcome.IN_DOUBT
        assert actuator.resolve(order).outcome is ActOutcome.IN_DOUBT  # its job is still queued
        assert [one.owner for one in actuator.read(ENTITY).owners] == ["systemd:job:1"]
    wait_for(lambda: not systemd.units["checkout.service"].job, "the job does not end")
    assert actuator.resolve(order).outcome is ActOutcome.DONE
    assert len(systemd.jobs) == 1


def test_a_unit_that_fails_is_in_doubt(systemd: Systemd, tmp_path: Path) -> None:
    actuator = make(systemd, tmp_path)
    systemd.units["checkout.service"].breaks = True
    order = Order("k", action(actuator, "service.restart", ENTITY), 20, 1)
    result = actuator.act(order)
    assert (result.outcome, "failed (exit-code)" in result.text) == (ActOutcome.IN_DOUBT, True)
    assert actuator.resolve(order).outcome is ActOutcome.IN_DOUBT


def test_a_job_of_somebody_else_is_not_replaced(systemd: Systemd, tmp_path: Path) -> None:
    actuator = make(systemd, tmp_path)
    what = action(actuator, "service.restart", ENTITY)
    systemd.units["checkout.service"].job = 4711
    result = actuator.act(Order("k", what, 20, 1))
    assert (result.outcome, systemd.jobs) == (ActOutcome.NOT_DONE, [])


def test_no_right_says_which(systemd: Systemd, tmp_path: Path) -> None:
    actuator = make(systemd, tmp_path)
    systemd.denied = True
    result = actuator.act(Order("k", action(actuator, "service.restart", ENTITY), 20, 1))
    assert (result.outcome, "polkit" in result.text) == (ActOutcome.NOT_DONE, True)


def test_members_and_health(systemd: Systemd, tmp_path: Path) -> None:
    actuator = make(systemd, tmp_path)
    systemd.units["cart@1.service"].active = "failed"
    reading = actuator.read(ENTITY)
    assert reading.group is not None
    assert (reading.group.members, reading.group.healthy) == ((OTHER, ENTITY, MISSING), (ENTITY,))
    assert actuator.read(MISSING).live.exists is False
    result = actuator.act(Order("k", action(actuator, "service.restart", MISSING), 20, 1))
    assert result.outcome is ActOutcome.NOT_DONE


def test_no_bus_is_an_error_of_its_kind(tmp_path: Path) -> None:
    section = {"type": "systemd", "bus": f"unix:path={tmp_path}/none", "targets": {ENTITY: "a.service"}}
    actuator = SystemdActuator(place(tmp_path), SystemdSettings.model_validate(section))
    with pytest.raises(ActuatorError, match="cannot be reached"):
        actuator.read(ENTITY)


@pytest.mark.parametrize("unit", ["checkout", "a b.service", "a/b.service", "$(x).service", "a.timer"])
def test_names_of_units_are_checked(unit: str) -> None:
    with pytest.raises(ValidationError, match="whole name"):
        SystemdSettings.model_validate({"type": "systemd", "targets": {ENTITY: unit}})
