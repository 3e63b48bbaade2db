"""Processes of this host by pid file and command: for what no supervisor watches.

Works for one process a target, on Linux (pidfd). A process is known by pid and start time, so that a pid that
was given to somebody else is never signalled; its command line must hold the program's name. What is
started gets a session of its own, closed files, and the environment of its section, not ours.

A process that daemonises must write its pid file itself (`writes_pid_file`).
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
from pydantic import Field, field_validator
from typing_extensions import override

from stormpetrel.adapters.actuate.base import BaseActuator, Deadline, Effect, NotDoneError
from stormpetrel.adapters.actuate.settings import MAX_TARGETS, ActuatorSettings, Place, Settings
from stormpetrel.errors import ActuatorError
from stormpetrel.model.action import EffectClass, Target
from stormpetrel.model.facts import LiveTarget
from stormpetrel.ports.actuate import ActionSchema, Order

# What was started outlives the actuator object; as long as we are its parent, its end must be collected.
_CHILDREN: list[subprocess.Popen[bytes]] = []
_CHILDREN_LOCK = threading.Lock()
_GONE = "gone"  # the generation of what does not run
_POLL_SECONDS = 0.02
_STEADY_SECONDS = 0.2


class ProcessTarget(Settings):
    """One process."""

    command: list[str] = Field(min_length=1, max_length=200, description="program and arguments; no shell")
    pid_file: Path = Field(description="where its pid stands")
    writes_pid_file: bool = Field(False, description="the program writes it by itself")
    directory: Path = Field(Path("/"), description="where it is started")
    environment: dict[str, str] = Field(default_factory=dict, description="its environment, all of it")
    stop_signal: Literal["TERM", "INT", "QUIT", "HUP", "USR1", "USR2"] = Field(
        "TERM", description="asks to end"
    )
    stop_seconds: float = Field(10.0, ge=0, le=600, description="after which it is killed")

    @field_validator("command")
    @classmethod
    def _is_absolute(cls, command: list[str]) -> list[str]:
        if not command[0].startswith("/"):
            raise ValueError("give the program by its whole path")
        return command


class ProcessSettings(ActuatorSettings):
    """Processes of this host."""

    targets: dict[str, ProcessTarget] = Field(max_length=MAX_TARGETS, description="processes by entity")


@dataclass(frozen=True, slots=True)
class _Known:
    pid: int
    started: str


class ProcessActuator(BaseActuator):
    """Restarts and starts processes.

    Fails (in doubt) when a process ends and its new one does not come up or has no pid file in time. Needs
    the right to signal the process: its user, or root. Costs a few file reads.
    """

    Settings = ProcessSettings
    schemas = (
        ActionSchema("service.restart", EffectClass.DISRUPTIVE, "", (), "", False),
        ActionSchema("service.start", EffectClass.DISRUPTIVE, "", (), "", False),
    )

    def __init__(self, place: Place, settings: ProcessSettings) -> None:
        super().__init__(place, settings, settings.targets)
        self._of = settings.targets

    @override  # files answer at once
    def _live(self, entity: str, deadline: Deadline) -> LiveTarget:
        known = self._known(self._of[entity])
        generation = _GONE if known is None else f"{known.pid}@{known.started}"
        return LiveTarget(entity, True, generation, known is not None, None)

    def _perform(self, order: Order, target: Target, deadline: Deadline) -> Effect:
        of = self._of[target.entity]
        known = self._known(of)
        if order.action.kind == "service.start" and known is not None:
            return Effect("it runs already", (("pid", str(known.pid)),))
        if known is not None:
            self._end(known, of, deadline)
        pid = self._start(of, deadline)
        old = "nothing" if known is None else str(known.pid)
        return Effect(f"started anew as pid {pid}", (("pid before", old), ("pid", str(pid))))

    def _happened(self, order: Order, target: Target, before: str, deadline: Deadline) -> bool | None:
        now = self._live(target.entity, deadline).generation
        if now == _GONE and before != _GONE:
            return None  # ended, and not started: half of a restart, or a crash of its own
        if order.action.kind == "service.start":
            return now != _GONE
        return None if not before else now != before

    def _known(self, of: ProcessTarget) -> _Known | None:
        """The process of the pid file, if it runs and is the program that it should be."""
        _reap()
        try:
            content = of.pid_file.read_text(encoding="ascii")[:20].strip()
            pid = int(content)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise NotDoneError(f"{of.pid_file} cannot be read as a pid: {type(error).__name__}") from None
        return _running(pid, Path(of.command[0]).name)

    def _end(self, known: _Known, of: ProcessTarget, deadline: Deadline) -> None:
        try:
            descriptor = os.pidfd_open(known.pid)
        except ProcessLookupError:
            return
        try:
            # The descriptor holds on to one process: only now is it certain whose the number is.
            if _started(known.pid) != known.started:
                return
            try:
                signal.pidfd_send_signal(descriptor, signal.Signals[f"SIG{of.stop_signal}"])
            except ProcessLookupError:
                return
            except PermissionError:
                raise NotDoneError(f"no right to signal pid {known.pid}; run as its user") from None
            if not _ended(descriptor, min(of.stop_seconds, deadline.left())):
                deadline.check()
                signal.pidfd_send_signal(descriptor, signal.SIGKILL)
                if not _ended(descriptor, deadline.left()):
                    raise ActuatorError(f"pid {known.pid} was killed and does not end")
        finally:
            os.close(descriptor)

    def _start(self, of: ProcessTarget, deadline: Deadline) -> int:
        child = subprocess.Popen(
            of.command, cwd=of.directory, env=of.environment, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        with _CHILDREN_LOCK:
            _CHILDREN.append(child)
        if not of.writes_pid_file:
            _write_pid(of.pid_file, child.pid)
        steady_since: float | None = None
        while True:
            known = self._known(of)
            if known is None or (not of.writes_pid_file and known.pid != child.pid):
                steady_since = None
            elif steady_since is None:
                steady_since = time.monotonic()
            elif time.monotonic() - steady_since > _STEADY_SECONDS:
                return known.pid
            if not of.writes_pid_file and child.poll() is not None:
                raise ActuatorError(f"the new process ended at once with {child.returncode}; look at its log")
            deadline.check()
            time.sleep(_POLL_SECONDS)


def signal_program(pid_file: Path, program: str, name: str) -> None:
    """Send a signal (without SIG) to the process of a pid file, if it is that program.

    Raises:
        NotDoneError: there is none, it is another, or there is no right to.
    """
    try:
        pid = int(pid_file.read_text(encoding="ascii")[:20].strip())
    except (OSError, ValueError) as error:
        raise NotDoneError(f"{pid_file} cannot be read as a pid: {type(error).__name__}") from None
    known = _running(pid, program)
    if known is None:
        raise NotDoneError(f"{pid_file} names no running {program}")
    descriptor = -1
    try:
        descriptor = os.pidfd_open(pid)
        if _started(pid) != known.started:
            raise NotDoneError(f"{pid_file} names no running {program}")
        signal.pidfd_send_signal(descriptor, signal.Signals[f"SIG{name}"])
    except OSError as error:
        raise NotDoneError(f"pid {pid} cannot be signalled: {error.strerror}") from None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _reap() -> None:
    with _CHILDREN_LOCK:
        _CHILDREN[:] = [child for child in _CHILDREN if child.poll() is None]


def _running(pid: int, program: str) -> _Known | None:
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        words = process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess, ValueError):
        return None
    except psutil.AccessDenied:
        raise NotDoneError(f"no right to look at pid {pid}; run as its user") from None
    # A script has its interpreter first and itself second.
    if not any(Path(word).name == program for word in words[:3]):
        return None
    return _Known(pid, _started(pid))


def _started(pid: int) -> str:
    """Start time in clock ticks since boot: exact, where `create_time` is rounded; "" when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _ended(descriptor: int, seconds: float) -> bool:
    """Whether the process of a pidfd ends within the time; a zombie has ended."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(int(seconds * 1000)))


def _write_pid(path: Path, pid: int) -> None:
    beside = path.with_name(path.name + ".new")
    beside.write_text(f"{pid}\n", encoding="ascii")
    beside.replace(path)
