"""Diagnostics of this host, only read: for the ledger and for whoever is called.

What uses the processor and memory, what has files open, sockets by state, room on file systems, and the last
lines of a unit's journal. Works on Linux; what this account may not see is left out, and said so. Nothing is
started in or attached to a process. Lines of logs are redacted like all logs.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable

import psutil
from pydantic import Field
from typing_extensions import override

from stormpetrel.adapters.actuate.base import MAX_EVIDENCE, BaseActuator, Deadline, Effect
from stormpetrel.adapters.actuate.programs import run
from stormpetrel.adapters.actuate.settings import MAX_TARGETS, ActuatorSettings, Place, Settings
from stormpetrel.model.action import EffectClass, Target
from stormpetrel.model.facts import LiveTarget
from stormpetrel.ports.actuate import ActionSchema, Order

Rows = list[tuple[str, str]]
TOP = 6
JOURNAL_LINES = 12
MAX_PROCESSES = 5000


class CollectTarget(Settings):
    """What is looked at for an entity."""

    program: str = Field("", max_length=100, description="only processes of this name; empty: all")
    unit: str = Field(
        "", pattern=r"^[A-Za-z0-9:_.@-]{0,255}$", description="unit of systemd, for its journal"
    )


class CollectSettings(ActuatorSettings):
    """Diagnostics of this host."""

    targets: dict[str, CollectTarget] = Field(min_length=1, max_length=MAX_TARGETS, description="by entity")


class CollectActuator(BaseActuator):
    """Collects what a person would look at first.

    Costs a walk over all processes: up to a second on a large host.
    """

    Settings = CollectSettings
    schemas = (ActionSchema("diagnostics.collect", EffectClass.READ, "", (), "", False),)

    def __init__(self, place: Place, settings: CollectSettings) -> None:
        super().__init__(place, settings, settings.targets)
        self._of = settings.targets

    @override  # this host answers at once
    def _live(self, entity: str, deadline: Deadline) -> LiveTarget:
        return LiveTarget(entity, True, f"boot {psutil.boot_time():.0f}", True, None)

    @override  # nothing is changed
    def _stateful(self, entity: str, live: LiveTarget) -> bool | None:
        return self._settings.stateful.get(entity, False)

    @override  # takes no parameter
    def _perform(self, order: Order, target: Target, deadline: Deadline) -> Effect:
        of = self._of[target.entity]
        rows: Rows = []
        parts: tuple[Callable[[], Rows], ...] = (
            _load, lambda: _processes(of.program), _sockets, _room, lambda: _journal(of.unit, deadline),
        )  # fmt: skip
        for part in parts:
            deadline.check()
            rows += part()
        return Effect(f"{len(rows)} readings", tuple(rows[:MAX_EVIDENCE]))

    @override  # looking leaves no trace
    def _happened(self, order: Order, target: Target, before: str, deadline: Deadline) -> bool | None:
        return False


def _load() -> Rows:
    one, five, fifteen = psutil.getloadavg()
    memory = psutil.virtual_memory()
    return [
        ("load", f"{one:.2f} {five:.2f} {fifteen:.2f} on {psutil.cpu_count()} processors"),
        ("memory", f"{memory.available >> 20} of {memory.total >> 20} MiB available"),
    ]


def _processes(program: str) -> Rows:
    names = ["pid", "name", "memory_info", "num_threads", "num_fds", "status", "cpu_times"]
    seen = []
    for count, process in enumerate(psutil.process_iter(names)):
        if count >= MAX_PROCESSES:
            break
        if process.info["memory_info"] is not None and program in ("", process.info["name"]):
            seen.append(process.info)
    rows: Rows = [("processes", f"{len(seen)}{' of ' + program if program else ''}")]
    by_memory = sorted(seen, key=lambda one: -one["memory_info"].rss)[:TOP]
    by_processor = sorted(seen, key=lambda one: -sum(one["cpu_times"][:2]))[:TOP]
    for what, top in (("by memory", by_memory), ("by processor", by_processor)):
        for one in top:
            files = "?" if one["num_fds"] is None else one["num_fds"]  # of another account
            rows.append(
                (
                    what,
                    f"pid {one['pid']} {one['name']}: {one['memory_info'].rss >> 20} MiB,"
                    f" {sum(one['cpu_times'][:2]):.0f} s, {one['num_threads']} threads, {files} files,"
                    f" {one['status']}",
                )
            )
    return rows


def _sockets() -> Rows:
    try:
        found = psutil.net_connections("tcp")
    except psutil.AccessDenied:
        return [("sockets", "this account may not list them")]
    states = Counter(one.status for one in found)
    return [("sockets", ", ".join(f"{count} {state}" for state, count in sorted(states.items())) or "none")]


def _room() -> Rows:
    rows: Rows = []
    for part in psutil.disk_partitions()[:TOP]:
        try:
            usage = shutil.disk_usage(part.mountpoint)
        except OSError:
            continue
        rows.append(("room", f"{part.mountpoint}: {usage.free >> 20} of {usage.total >> 20} MiB free"))
    return rows


def _journal(unit: str, deadline: Deadline) -> Rows:
    program = shutil.which("journalctl") if unit else None
    if program is None:
        return []
    code, output, _ = run(
        [
            program,
            f"--unit={unit}",
            f"--lines={JOURNAL_LINES}",
            "--no-pager",
            "--quiet",
            "--output=short-iso",
        ],
        deadline,
    )
    return [("journal", line) for line in output.splitlines()[-JOURNAL_LINES:]] if code == 0 else []
