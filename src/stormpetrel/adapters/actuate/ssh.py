"""Named commands on other hosts by SSH.

Works with any SSH server, with the extra `ssh`. Only what stands in `commands` can be run; the line that SSH
hands to the remote shell is made of quoted words, so that a value reaches its program as one argument. The
host's key must be in the section's own `known_hosts`; nothing of `~/.ssh`, no agent and no password is used.

SSH keeps no keys: give a command a `status` program, or an order whose answer was lost stays in doubt. The
remote account needs the right to these commands and no other: `sudoers` lines, or `command=` and `restrict`
before its key in `authorized_keys`.
"""

from __future__ import annotations

import asyncio
import importlib
import shlex
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator
from typing_extensions import override

from stormpetrel.adapters.actuate.base import BaseActuator, Deadline, Effect, NotDoneError
from stormpetrel.adapters.actuate.commands import CommandSettings, least_effect, misfit, parameters_of
from stormpetrel.adapters.actuate.journal import NOT_DONE
from stormpetrel.adapters.actuate.settings import MAX_TARGETS, ActuatorSettings, Place, Settings
from stormpetrel.errors import ActuatorError, ConfigError
from stormpetrel.model.action import Action, Target
from stormpetrel.model.facts import LiveTarget
from stormpetrel.ports.actuate import ActionSchema, Order

MAX_OUTPUT = 16 << 10
_COULD_NOT_RUN = (126, 127)  # of POSIX shells: not executable, not found


class SshTarget(Settings):
    """One host."""

    host: str = Field(pattern=r"^[A-Za-z0-9_.:-]{1,253}$", description="name or address")
    port: int = Field(22, ge=1, le=65535, description="port")
    user: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$", description="account")


class SshSettings(ActuatorSettings):
    """Hosts, and commands that may be run on them."""

    key_file: Path = Field(description="private key without passphrase, readable by this account alone")
    known_hosts: Path = Field(description="keys of the hosts, as ssh-keyscan writes them")
    targets: dict[str, SshTarget] = Field(min_length=1, max_length=MAX_TARGETS, description="hosts by entity")
    commands: dict[str, CommandSettings] = Field(min_length=1, max_length=200, description="by name")

    @field_validator("commands")
    @classmethod
    def _agree(cls, commands: dict[str, CommandSettings]) -> dict[str, CommandSettings]:
        parameters_of(commands)
        return commands


class SshActuator(BaseActuator):
    """Runs named commands on other hosts.

    An exit code of 126 or 127 means that nothing was run; another than 0 leaves it in doubt. Costs a
    connection a call, a tenth of a second or more.
    """

    Settings = SshSettings

    def __init__(self, place: Place, settings: SshSettings) -> None:
        super().__init__(place, settings, settings.targets)
        try:
            self._ssh: Any = importlib.import_module("asyncssh")
        except ImportError:
            raise ConfigError(
                f"[actuators.{place.name}] needs the extra ssh: pip install 'stormpetrel[ssh]'"
            ) from None
        for path in (settings.key_file, settings.known_hosts):
            if not path.is_file():
                raise ConfigError(f"[actuators.{place.name}] {path}: no such file")
        if settings.key_file.stat().st_mode & 0o077:
            raise ConfigError(
                f"[actuators.{place.name}] {settings.key_file}: others may read it; chmod 600 it"
            )
        self._own = settings
        effect, parameters = least_effect(settings.commands), parameters_of(settings.commands)
        self._schemas = (ActionSchema("command.run", effect, "", parameters, "", False),)

    def actions(self) -> tuple[ActionSchema, ...]:
        """One kind, with the parameters of all commands of the section."""
        return self._schemas

    def _live(self, entity: str, deadline: Deadline) -> LiveTarget:
        """Whether it lets us in, and by which key it is known."""
        generation = asyncio.run(self._bounded(entity, None, deadline))[1]
        return LiveTarget(entity, True, generation, True, None)

    def _unfit(self, action: Action) -> str:
        return misfit(action, self._own.commands)

    def _perform(self, order: Order, target: Target, deadline: Deadline) -> Effect:
        name = str(order.action.parameter("command"))
        command = self._own.commands[name]
        code, said = self._run(command.words, command, order, target, deadline)
        if code in _COULD_NOT_RUN:
            raise NotDoneError(f"{name} cannot be run there: {said[:200]}")
        if code != 0:
            raise ActuatorError(f"{name} ended with {code}: {said[:200]}")
        lines = tuple(("output", line) for line in said.splitlines()[:20])
        return Effect(f"{name} ended with 0", lines)

    @override  # only its own program tells
    def _happened(self, order: Order, target: Target, before: str, deadline: Deadline) -> bool | None:
        command = self._own.commands[str(order.action.parameter("command"))]
        if not command.status:
            # Also without a record of ours: another node may have run it.
            record = self._journal.look(order.key)
            return False if record is not None and record.state == NOT_DONE else None
        code, _ = self._run(command.status, command, order, target, deadline)
        return {0: True, 1: False}.get(code)

    def _run(self, words: list[str], command: CommandSettings, order: Order, *rest: Any) -> tuple[int, str]:
        target, deadline = rest
        line = shlex.join(command.filled(words, order.action, order.key))
        return asyncio.run(self._bounded(target.entity, line, deadline))

    async def _bounded(self, entity: str, line: str | None, deadline: Deadline) -> tuple[int, str]:
        sent: list[str] = []
        try:
            return await asyncio.wait_for(self._talk(entity, line, sent), deadline.left())
        except TimeoutError:
            said = "no answer within the time that was given"
        except (OSError, self._ssh.Error, ValueError) as error:
            said = f"{type(error).__name__}: {error}"
        raise ActuatorError(said) if sent else NotDoneError(f"not run: {said}")

    async def _talk(self, entity: str, line: str | None, sent: list[str]) -> tuple[int, str]:
        """Exit code and output of a line; without one, 0 and the fingerprint of the host's key."""
        of = self._own.targets[entity]
        async with self._ssh.connect(
            of.host, of.port, username=of.user, client_keys=[str(self._own.key_file)], agent_path=None,
            known_hosts=str(self._own.known_hosts), config=None, preferred_auth="publickey",
            agent_forwarding=False,
        ) as connection:  # fmt: skip
            if line is None:
                key = connection.get_server_host_key()
                return 0, "unknown" if key is None else str(key.get_fingerprint())
            sent.append(line)
            process = await connection.create_process(
                line, stdin=self._ssh.DEVNULL, stderr=self._ssh.STDOUT, encoding="utf-8", errors="replace"
            )
            said = ""
            while part := await process.stdout.read(8192):
                said = (said + part)[:MAX_OUTPUT]
            await process.wait_closed()
            return (-1 if process.exit_status is None else int(process.exit_status)), said

    def _secrets(self) -> tuple[str, ...]:
        return ()  # the key never leaves its file but for the library
