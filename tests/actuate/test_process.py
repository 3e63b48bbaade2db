"""Processes of this host: real ones, ended and started."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
from tests.actuate.acts import action, place, wait_for

from stormpetrel.adapters.actuate.checks import action_digest
from stormpetrel.adapters.actuate.journal import KeyJournal
from stormpetrel.adapters.actuate.process import ProcessActuator, ProcessSettings
from stormpetrel.model.run import ActOutcome
from stormpetrel.ports.actuate import Order
from stormpetrel.testing.check_actuator import ActuatorCase, check_actuator

ENTITY = "service:checkout"
SCRIPT = """#!/bin/sh
[ -e broken ] && exit 3
trap '[ -e stubborn ] || exit 0' TERM
echo "$SECRET" > environment
echo started >> starts
while :; do sleep 0.05; done
"""


class Yard:
    """A folder with a program that writes down its starts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.script = folder / "checkout.sh"
        self.script.write_text(SCRIPT)
        self.script.chmod(0o755)
        self.pid_file = folder / "checkout.pid"

    def make(self, journal: Path) -> ProcessActuator:
        return ProcessActuator(
            place(journal),
            ProcessSettings.model_validate(
                {
                    "type": "process",
                    "targets": {
                        ENTITY: {
                            "command": [str(self.script)],
                            "pid_file": str(self.pid_file),
                            "directory": str(self.folder),
                            "environment": {"SECRET": "of the section"},
                            "stop_seconds": 1,
                        }
                    },
                }
            ),
        )

    def starts(self) -> int:
        file = self.folder / "starts"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def pid(self) -> int:
        return int(self.pid_file.read_text())

    @contextmanager
    def stubborn(self) -> Iterator[None]:
        (self.folder / "stubborn").touch()
        yield
        (self.folder / "stubborn").unlink()


@pytest.fixture
def yard(tmp_path: Path) -> Iterator[Yard]:
    (tmp_path / "yard").mkdir()
    found = Yard(tmp_path / "yard")
    yield found
    if found.pid_file.exists():
        try:
            os.kill(found.pid(), signal.SIGKILL)
        except ProcessLookupError:
            return


@pytest.fixture
def started(yard: Yard, tmp_path: Path) -> Yard:
    actuator = yard.make(tmp_path / "start")
    assert actuator.act(Order("start", action(actuator, "service.start", ENTITY), 20, 1)).outcome == "done"
    wait_for(lambda: yard.starts() == 1, "the program does not start")
    return yard


def test_contract(started: Yard, tmp_path: Path) -> None:
    actuator = started.make(tmp_path / "look")
    check_actuator(
        ActuatorCase(
            make=started.make,
            folder=tmp_path / "journal",
            action=lambda: action(actuator, "service.restart", ENTITY),
            effects=started.starts,
            hang=started.stubborn,
        )
    )


def test_a_start_has_no_effect_on_what_runs(started: Yard, tmp_path: Path) -> None:
    actuator = started.make(tmp_path / "journal")
    pid = started.pid()
    assert actuator.act(Order("k", action(actuator, "service.start", ENTITY), 20, 1)).outcome == "done"
    assert (started.pid(), started.starts()) == (pid, 1)


def test_what_does_not_end_is_killed_in_its_time(started: Yard, tmp_path: Path) -> None:
    actuator = started.make(tmp_path / "journal")
    pid = started.pid()
    with started.stubborn():
        result = actuator.act(Order("k", action(actuator, "service.restart", ENTITY), 20, 1))
    assert result.outcome is ActOutcome.DONE
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    assert started.pid() != pid


def test_a_pid_that_is_somebody_elses_is_left_alone(yard: Yard, tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        yard.pid_file.write_text(str(other.pid))
        actuator = yard.make(tmp_path / "journal")
        live = actuator.read(ENTITY).live
        assert (live.healthy, live.generation) == (False, "gone")
        assert actuator.act(Order("k", action(actuator, "service.restart", ENTITY), 20, 1)).outcome == "done"
        assert other.poll() is None
        assert yard.pid() != other.pid
        other.kill()


def test_what_does_not_come_up_again_is_in_doubt_and_is_not_tried_again(
    started: Yard, tmp_path: Path
) -> None:
    actuator = started.make(tmp_path / "journal")
    order = Order("k", action(actuator, "service.restart", ENTITY), 20, 1)
    (started.folder / "broken").touch()
    result = actuator.act(order)
    assert result.outcome is ActOutcome.IN_DOUBT
    assert "ended at once with 3" in result.text
    (started.folder / "broken").unlink()
    assert actuator.resolve(order).outcome is ActOutcome.IN_DOUBT
    assert actuator.act(order).outcome is ActOutcome.IN_DOUBT
    assert started.starts() == 1


def test_it_gets_the_environment_of_its_section_and_not_ours(
    started: Yard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PETREL_TEST_SECRET", "of ours")
    actuator = started.make(tmp_path / "journal")
    actuator.act(Order("k", action(actuator, "service.restart", ENTITY), 20, 1))
    environment = Path(f"/proc/{started.pid()}/environ").read_bytes()
    assert b"of the section" in environment
    assert b"PETREL_TEST_SECRET" not in environment


def test_killed_before_its_effect_it_is_found_not_done_and_the_next_order_does_it(
    started: Yard, tmp_path: Path
) -> None:
    actuator = started.make(tmp_path / "journal")
    order = Order("k", action(actuator, "service.restart", ENTITY), 20, 1)
    generation = order.action.targets[0].generation
    KeyJournal(tmp_path / "journal").intend(
        "k", action_digest(order.action), json.dumps({ENTITY: generation})
    )
    assert actuator.act(order).outcome is ActOutcome.NOT_DONE
    assert started.starts() == 1
    assert actuator.act(order).outcome is ActOutcome.DONE
    wait_for(lambda: started.starts() == 2, "it is not started")


def test_killed_after_its_effect_it_is_found_done(started: Yard, tmp_path: Path) -> None:
    actuator = started.make(tmp_path / "journal")
    order = Order("k", action(actuator, "service.restart", ENTITY), 20, 1)
    generation = order.action.targets[0].generation
    assert actuator.act(order).outcome is ActOutcome.DONE
    wait_for(lambda: started.starts() == 2, "it is not started")
    # As it stands on record when the answer was never written.
    KeyJournal(tmp_path / "journal").intend(
        "k", action_digest(order.action), json.dumps({ENTITY: generation})
    )
    assert actuator.act(order).outcome is ActOutcome.DONE
    assert started.starts() == 2
