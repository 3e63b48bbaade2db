"""supervisord: a real one, on a unix socket."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.actuate.acts import action, place, program, wait_for
from tests.actuate.tap import Tap

from stormpetrel.adapters.actuate.supervisord import SupervisordActuator, SupervisordSettings
from stormpetrel.errors import ActuatorError
from stormpetrel.model.action import Action
from stormpetrel.model.run import ActOutcome
from stormpetrel.ports.actuate import Order
from stormpetrel.testing.check_actuator import ActuatorCase, check_actuator

SUPERVISORD = program("supervisord", "supervisor")
ONE, MANY, BROKEN = "service:checkout", "service:worker", "service:broken"
PASSWORD = "correct-horse-battery"
CONFIGURATION = """
[supervisord]
nodaemon=true
logfile={0}/log
pidfile={0}/pid
[unix_http_server]
file={0}/rpc.sock
username=petrel
password={1}
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[program:checkout]
command=/bin/sh -c "echo started >> {0}/checkout; exec sleep 1000"
startsecs=0
[program:worker]
command=/bin/sh -c "echo started >> {0}/worker; exec sleep 1000"
process_name=worker_%(process_num)02d
numprocs=4
startsecs=0
autostart=false
[program:broken]
command=/bin/sh -c "[ ! -e {0}/break ] && exec sleep 1000; exit 1"
startsecs=1
startretries=0
"""


class Supervisor:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "conf").write_text(CONFIGURATION.format(folder, PASSWORD))
        (folder / "password").write_text(PASSWORD + "\n")
        (folder / "password").chmod(0o600)
        self.process = subprocess.Popen(
            [SUPERVISORD, "-n", "-c", str(folder / "conf")],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_for((folder / "rpc.sock").exists, "supervisord does not start")
        wait_for((folder / "checkout").exists, "its program does not start")
        self.tap = Tap(folder / "rpc.sock", folder / "tap.sock", b"startProcess", b"stopProcess")

    def make(self, journal: Path) -> SupervisordActuator:
        settings = {
            "type": "supervisord",
            "socket": str(self.folder / "tap.sock"),
            "user": "petrel",
            "password": {"file": str(self.folder / "password")},
            "targets": {
                ONE: "checkout",
                MANY: "worker",
                BROKEN: "broken",
                "service:worker-2": "worker:worker_02",
            },
        }
        return SupervisordActuator(place(journal), SupervisordSettings.model_validate(settings))

    def starts(self, name: str = "checkout") -> int:
        file = self.folder / name
        return len(file.read_text().splitlines()) if file.exists() else 0

    def close(self) -> None:
        self.tap.close()
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="module")
def supervisor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisor]:
    found = Supervisor(tmp_path_factory.mktemp("supervisord"))
    yield found
    found.close()


def test_contract_of_restarts(supervisor: Supervisor, tmp_path: Path) -> None:
    actuator = supervisor.make(tmp_path / "look")

    def again() -> Action:
        # Whatever a hang left stopped is started, so that the next act finds it as ever.
        actuator.act(Order(f"again/{supervisor.tap.count()}", action(actuator, "service.start", ONE), 20, 1))
        return action(actuator, "service.restart", ONE)

    def effects() -> int:
        return sum(b"stopProcess" in order for order in supervisor.tap.orders)

    check_actuator(
        ActuatorCase(
            make=supervisor.make, folder=tmp_path / "journal", action=again, effects=effects,
            hang=supervisor.tap.mute, secrets=(PASSWORD,),
        )
    )  # fmt: skip


def test_contract_of_scaling(supervisor: Supervisor, tmp_path: Path) -> None:
    actuator = supervisor.make(tmp_path / "look")
    number = iter(range(1000))

    def one_more() -> Action:
        back = action(actuator, "service.scale", MANY, replicas=1)
        assert actuator.act(Order(f"back/{next(number)}", back, 20, 1)).outcome == "done"
        supervisor.tap.orders.clear()
        return action(actuator, "service.scale", MANY, replicas=2)

    check_actuator(
        ActuatorCase(
            make=supervisor.make, folder=tmp_path / "journal", action=one_more, effects=supervisor.tap.count,
            hang=supervisor.tap.mute, secrets=(PASSWORD,), undoes=True,
        )
    )  # fmt: skip


def test_a_restart_gives_another_process(supervisor: Supervisor, tmp_path: Path) -> None:
    actuator = supervisor.make(tmp_path)
    before, starts = actuator.read(ONE).live.generation, supervisor.starts()
    result = actuator.act(Order("k", action(actuator, "service.restart", ONE), 20, 1))
    assert result.outcome is ActOutcome.DONE
    wait_for(lambda: supervisor.starts() == starts + 1, "it is not started")
    live = actuator.read(ONE).live
    assert (live.healthy, live.generation == before) == (True, False)
    assert dict(result.evidence)["pids"] == str(live.generation).split("@")[0]


def test_a_group_is_scaled_within_its_bounds(supervisor: Supervisor, tmp_path: Path) -> None:
    actuator = supervisor.make(tmp_path)
    for key, count, outcome, running in (
        ("three", 3, ActOutcome.DONE, 3),
        ("five", 5, ActOutcome.NOT_DONE, 3),
        ("none", 0, ActOutcome.NOT_DONE, 3),
        ("one", 1, ActOutcome.DONE, 1),
    ):
        result = actuator.act(Order(key, action(actuator, "service.scale", MANY, replicas=count), 20, 1))
        live = actuator.read(MANY).live
        assert (result.outcome, live.count, live.least, live.most) == (outcome, running, 1, 4)
    single = action(actuator, "service.scale", "service:worker-2", replicas=1)
    assert actuator.act(Order("single", single, 20, 1)).outcome is ActOutcome.NOT_DONE


def test_what_does_not_come_up_is_in_doubt(supervisor: Supervisor, tmp_path: Path) -> None:
    actuator = supervisor.make(tmp_path)
    wait_for(lambda: actuator.read(BROKEN).live.healthy, "it does not run at first")
    order = Order("k", action(actuator, "service.restart", BROKEN), 20, 1)
    (supervisor.folder / "break").touch()
    result = actuator.act(order)
    assert result.outcome is ActOutcome.IN_DOUBT
    assert "startProcess" in result.text
    assert actuator.resolve(order).outcome is ActOutcome.IN_DOUBT
    assert actuator.read(BROKEN).live.healthy is False


def test_a_wrong_password_is_told_without_it(supervisor: Supervisor, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("wrong-horse")
    wrong.chmod(0o600)
    settings = SupervisordSettings.model_validate(
        {
            "type": "supervisord", "socket": str(supervisor.folder / "rpc.sock"), "user": "petrel",
            "password": {"file": str(wrong)}, "targets": {ONE: "checkout"},
        }
    )  # fmt: skip
    with pytest.raises(ActuatorError, match="answered 401") as caught:
        SupervisordActuator(place(tmp_path / "journal"), settings).read(ONE)
    assert "wrong-horse" not in str(caught.value)
