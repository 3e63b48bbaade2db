"""A small `org.freedesktop.systemd1` on a private bus: units with jobs, invocation ids and properties."""

from __future__ import annotations

import asyncio
import subprocess
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dbus_fast import Message, MessageType, RequestNameReply, Variant
from dbus_fast.aio import MessageBus

SYSTEMD = "org.freedesktop.systemd1"
CONFIGURATION = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type><listen>unix:path={0}/bus</listen><auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*"/><allow own="*"/><allow eavesdrop="true"/></policy>
</busconfig>
"""


class Unit:
    def __init__(self, name: str) -> None:
        escaped = "".join(one if one.isalnum() else f"_{ord(one):02x}" for one in name)
        self.name, self.path = name, f"/org/freedesktop/systemd1/unit/{escaped}"
        self.active, self.result, self.job = "active", "success", 0
        self.invocation = uuid.uuid4().bytes
        self.load = "loaded"
        self.breaks = False

    def properties(self, interface: str) -> dict[str, Variant]:
        if interface.endswith(".Service"):
            return {"Result": Variant("s", self.result)}
        return {
            "LoadState": Variant("s", self.load),
            "ActiveState": Variant("s", self.active),
            "InvocationID": Variant("ay", self.invocation),
            "Job": Variant(
                "(uo)", [self.job, f"/org/freedesktop/systemd1/job/{self.job}" if self.job else "/"]
            ),
        }


class Systemd:
    """`denied`: polkit says no. A queued job takes a tenth of a second, or as long as `mute` is entered."""

    def __init__(self, folder: Path, daemon: str, *names: str) -> None:
        self.units = {name: Unit(name) for name in names}
        self.jobs: list[tuple[str, str, str]] = []
        self.denied = False
        self._muted = False
        (folder / "bus.conf").write_text(CONFIGURATION.format(folder))
        self.address = f"unix:path={folder}/bus"
        self.daemon = subprocess.Popen(
            [daemon, f"--config-file={folder}/bus.conf", "--nofork", "--nosyslog", "--print-address"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        assert self.daemon.stdout is not None
        assert self.daemon.stdout.readline()
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))
        self._thread.start()
        assert self._ready.wait(20)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._loop.close()
        self.daemon.terminate()
        self.daemon.wait()
        assert self.daemon.stdout is not None
        self.daemon.stdout.close()

    @contextmanager
    def mute(self) -> Iterator[None]:
        self._muted = True
        yield
        self._muted = False

    async def _serve(self) -> None:
        bus = await MessageBus(bus_address=self.address).connect()
        assert await bus.request_name(SYSTEMD) is RequestNameReply.PRIMARY_OWNER
        self._tasks: set[asyncio.Task[None]] = set()
        bus.add_message_handler(self._answer)
        self._ready.set()
        await self._end.wait()
        for task in self._tasks:
            task.cancel()
        bus.disconnect()
        await asyncio.sleep(0)

    def _answer(self, message: Message) -> Message | None:
        if message.message_type is not MessageType.METHOD_CALL or message.destination is None:
            return None
        body: list[Any] = message.body
        if message.member == "GetAll":
            unit = next(one for one in self.units.values() if one.path == message.path)
            return Message.new_method_return(message, "a{sv}", [unit.properties(body[0])])
        if message.member == "LoadUnit":
            unit = self.units.setdefault(body[0], self._missing(body[0]))
            return Message.new_method_return(message, "o", [unit.path])
        if message.member in ("RestartUnit", "StartUnit", "StopUnit"):
            return self._queue(message, body)
        return None

    def _missing(self, name: str) -> Unit:
        unit = Unit(name)
        unit.load, unit.active = "not-found", "inactive"
        return unit

    def _queue(self, message: Message, body: list[Any]) -> Message:
        name, mode = body
        unit = self.units[name]
        if self.denied:
            return Message.new_error(message, "org.freedesktop.DBus.Error.AccessDenied", "Access denied")
        if unit.load != "loaded":
            return Message.new_error(message, f"{SYSTEMD}.NoSuchUnit", f"Unit {name} not found.")
        if unit.job and mode == "fail":
            return Message.new_error(
                message, f"{SYSTEMD}.TransactionJobsConflicting", "Transaction is destructive."
            )
        self.jobs.append((str(message.member), name, mode))
        unit.job = len(self.jobs)
        task = self._loop.create_task(self._work(unit, str(message.member)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return Message.new_method_return(message, "o", [f"/org/freedesktop/systemd1/job/{unit.job}"])

    async def _work(self, unit: Unit, member: str) -> None:
        await asyncio.sleep(0.1)
        while self._muted:
            await asyncio.sleep(0.02)
        if member == "StopUnit":
            unit.active = "inactive"
        elif unit.breaks:
            unit.active, unit.result = "failed", "exit-code"
        elif member == "RestartUnit" or unit.active != "active":
            unit.active, unit.invocation = "active", uuid.uuid4().bytes
        unit.job = 0
