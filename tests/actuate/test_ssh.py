"""SSH: a real OpenSSH server on loopback."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncssh
import pytest
from pydantic import ValidationError
from tests.actuate.acts import action, place, program, wait_for

from stormpetrel.adapters.actuate.ssh import SshActuator, SshSettings
from stormpetrel.errors import ActuatorError
from stormpetrel.model.run import ActOutcome, ActResult
from stormpetrel.ports.actuate import Order
from stormpetrel.testing.check_actuator import HOSTILE_TEXTS, ActuatorCase, check_actuator

SSHD = program("sshd", "openssh-server")
ENTITY = "host:shop-1"
CONFIGURATION = """
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
PidFile none
AuthorizedKeysFile {folder}/authorized
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
"""
# Writes down each of its arguments on a line of its own.
SCRIPT = """#!/bin/sh
cd {folder}
[ "$1" = status ] && {{ grep -q "$2" done && exit 0; exit 1; }}
echo run >> runs
printf '%s\\0' "$@" > arguments
echo "$1" >> done
while [ -e slow ]; do sleep 0.05; done
echo "said something"
"""


class Host:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = int(free.getsockname()[1])
        for name in ("host", "client", "stranger"):
            key = asyncssh.generate_private_key("ssh-ed25519")
            key.write_private_key(str(folder / name))
            (folder / name).chmod(0o600)
            (folder / f"{name}.pub").write_bytes(key.export_public_key())
        (folder / "authorized").write_bytes((folder / "client.pub").read_bytes())
        (folder / "known").write_text(f"[127.0.0.1]:{self.port} {(folder / 'host.pub').read_text()}")
        (folder / "wrong").write_text(f"[127.0.0.1]:{self.port} {(folder / 'stranger.pub').read_text()}")
        (folder / "sshd").write_text(CONFIGURATION.format(port=self.port, folder=folder))
        self.script = folder / "note.sh"
        self.script.write_text(SCRIPT.format(folder=folder))
        self.script.chmod(0o755)
        if os.geteuid() == 0:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # the server insists on it
        self.process = subprocess.Popen(
            [SSHD, "-D", "-e", "-f", str(folder / "sshd")], stderr=subprocess.DEVNULL
        )
        wait_for(self._listens, "sshd does not start")

    def _listens(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def close(self) -> None:
        self.process.kill()
        self.process.wait()

    def make(self, journal: Path, **changed: Any) -> SshActuator:
        text = {"kind": "text", "pattern": r"(?s).*"}
        script = str(self.script)
        commands = {
            "note": {
                "words": [script, "{key}", "{text}"], "effect": "disruptive", "parameters": {"text": text},
                "status": [script, "status", "{key}"],
            },
            "plain": {"words": [script, "plain"], "effect": "disruptive"},
            "wipe": {"words": [script, "wipe"], "effect": "destructive"},
            "missing": {"words": ["/no/such/program"], "effect": "disruptive"},
            "failing": {"words": ["sh", "-c", "echo went wrong; exit 3"], "effect": "disruptive"},
            "endless": {"words": ["head", "-c", "3000000", "/dev/zero"], "effect": "disruptive"},
        }  # fmt: skip
        section = {
            "type": "ssh", "key_file": str(self.folder / "client"), "known_hosts": str(self.folder / "known"),
            "targets": {ENTITY: {"host": "127.0.0.1", "port": self.port, "user": getpass.getuser()}},
            "commands": commands, **changed,
        }  # fmt: skip
        return SshActuator(place(journal), SshSettings.model_validate(section))

    def runs(self) -> int:
        file = self.folder / "runs"
        return len(file.read_text().splitlines()) if file.exists() else 0

    @contextmanager
    def slow(self) -> Iterator[None]:
        (self.folder / "slow").touch()
        yield
        (self.folder / "slow").unlink()


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    found = Host(tmp_path_factory.mktemp("ssh"))
    yield found
    found.close()


def run(host: Host, journal: Path, command: str, key: str = "k", **given: str) -> ActResult:
    actuator = host.make(journal)
    return actuator.act(Order(key, action(actuator, "command.run", ENTITY, command=command, **given), 20, 1))


def as_one_argument(text: str) -> bool:
    """What a test below shows to arrive unchanged; the others must be refused."""
    return bool(text) and text.isprintable() and not text.startswith("-") and len(text) <= 1000


def test_contract(host: Host, tmp_path: Path) -> None:
    actuator = host.make(tmp_path / "look")
    check_actuator(
        ActuatorCase(
            make=host.make, folder=tmp_path / "journal", effects=host.runs, hang=host.slow, hang_seconds=4,
            action=lambda: action(actuator, "command.run", ENTITY, command="note", text="a text"),
            safe_texts=frozenset(text for text in HOSTILE_TEXTS if as_one_argument(text)),
        )
    )  # fmt: skip


@pytest.mark.parametrize("text", [text for text in HOSTILE_TEXTS if as_one_argument(text)])
def test_hostile_texts_arrive_as_one_argument(host: Host, tmp_path: Path, text: str) -> None:
    assert run(host, tmp_path, "note", text=text).outcome is ActOutcome.DONE
    arguments = (host.folder / "arguments").read_bytes().split(b"\0")
    assert [one.decode() for one in arguments[1:]] == [text, ""]


def test_its_own_program_tells_what_became_of_it(host: Host, tmp_path: Path) -> None:
    actuator = host.make(tmp_path)
    order = Order("lost", action(actuator, "command.run", ENTITY, command="note", text="x"), 4, 1)
    with host.slow():
        assert actuator.act(order).outcome is ActOutcome.IN_DOUBT
    assert actuator.resolve(order).outcome is ActOutcome.DONE
    plain = Order("plain", action(actuator, "command.run", ENTITY, command="plain"), 1.5, 1)
    with host.slow():
        assert actuator.act(plain).outcome is ActOutcome.IN_DOUBT
    assert actuator.resolve(plain).outcome is ActOutcome.IN_DOUBT


def test_what_exit_codes_mean(host: Host, tmp_path: Path) -> None:
    assert run(host, tmp_path, "missing", "a").outcome is ActOutcome.NOT_DONE
    failed = run(host, tmp_path, "failing", "b")
    assert (failed.outcome, "ended with 3: went wrong" in failed.text) == (ActOutcome.IN_DOUBT, True)
    assert run(host, tmp_path, "endless", "c").outcome is ActOutcome.DONE


def test_a_command_is_never_milder_than_declared(host: Host, tmp_path: Path) -> None:
    runs = host.runs()
    result = run(host, tmp_path, "wipe")  # the schema's least is disruptive
    assert (result.outcome, "destructive" in result.text, host.runs()) == (ActOutcome.NOT_DONE, True, runs)
    assert run(host, tmp_path, "plain", "l", text="of another").outcome is ActOutcome.NOT_DONE


@pytest.mark.parametrize(
    "changed", [{"known_hosts": "wrong"}, {"key_file": "stranger"}], ids=["another host", "another account"]
)
def test_strangers_are_refused(host: Host, tmp_path: Path, changed: dict[str, str]) -> None:
    paths = {name: str(host.folder / file) for name, file in changed.items()}
    actuator, right = host.make(tmp_path / "a", **paths), host.make(tmp_path / "b")
    with pytest.raises(ActuatorError, match="not run"):
        actuator.read(ENTITY)
    runs = host.runs()
    what = action(right, "command.run", ENTITY, command="plain")
    assert actuator.act(Order("k", what, 20, 1)).outcome is ActOutcome.NOT_DONE
    assert host.runs() == runs


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ({"words": ["{program}"]}, "no parameter"),
        ({"words": ["a", "{x}"]}, "none of the parameters"),
        ({"words": ["a\nb"]}, "printable"),
        ({"words": []}, "at least 1"),
    ],
)
def test_commands_are_checked(host: Host, tmp_path: Path, command: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        host.make(tmp_path, commands={"a": command})
