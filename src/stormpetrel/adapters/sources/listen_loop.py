"""The loop of a listener: its ports, its connections, and when to stop reading."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from stormpetrel.adapters.sources.listen import Refusals, Rules
from stormpetrel.adapters.sources.listen_ports import Connection, Door, TcpDoor, UdpDoor
from stormpetrel.ports.intake import Intake

LONGEST_PAUSE_SECONDS = 0.2
TEND_SECONDS = 1.0
# After a stop: what senders have on the way is read until none of them says more, and handed over. Together
# with a pause of the loop this is less than the two seconds that a source has.
DRAIN_SECONDS = 1.0
QUIET_SECONDS = 0.25
FINISH_SECONDS = 0.6
_TURNS = 10


class Consumer(Protocol):
    """Takes messages and sees that they are stored."""

    @property
    def full(self) -> bool:
        """Whether to read no more for now."""
        ...

    def take(self, messages: Sequence[bytes], peer: str, /) -> None:
        """Messages of one sender, in order."""
        ...

    def step(self) -> float:
        """Do what is due; the seconds after which to call again."""
        ...

    def finish(self, seconds: float, /) -> None:
        """Hand over what is left, for at most this long."""
        ...


@dataclass(frozen=True, slots=True)
class Port:
    """Where to listen: `kind` is `udp`, `tcp` or `tls`."""

    kind: str
    host: str
    number: int


class ListenLoop:
    """Reads several ports in one thread, and nothing while its consumer is full.

    While nothing is read, TCP senders wait: their window closes. UDP has no such thing; what the kernel's
    buffer does not hold is lost, and counted as `kernel_dropped`. A port that cannot be opened is told of and
    tried again; the others work. After a stop, senders are told that no more is read (FIN), and what they
    have sent by then is read, for at most a second.
    """

    def __init__(self, ports: Sequence[Port], rules: Rules, consumer: Consumer, refusals: Refusals) -> None:
        self.rules = rules
        self.refusals = refusals
        self.consumer = consumer
        self.connections: set[Connection] = set()
        self.hushed = False
        self._doors: list[Door] = [
            UdpDoor(self, port.host, port.number)
            if port.kind == "udp"
            else TcpDoor(self, port.host, port.number, secure=port.kind == "tls")
            for port in ports
        ]

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Listen until `stop` is set; ends within two seconds after."""
        asyncio.run(self._run(intake, stop))

    async def _run(self, intake: Intake, stop: threading.Event) -> None:
        loop = asyncio.get_running_loop()
        next_tending = 0.0
        try:
            while not stop.is_set():
                if loop.time() >= next_tending:
                    next_tending = loop.time() + TEND_SECONDS
                    self._tend(loop.time(), intake)
                pause = self.consumer.step()
                self.hush()
                await asyncio.sleep(min(pause, LONGEST_PAUSE_SECONDS))
            await self._drain()
        finally:
            for door in self._doors:
                door.close()
            for connection in list(self.connections):
                connection.abort()
            for _ in range(_TURNS):  # of the loop, until all of them have heard of it
                await asyncio.sleep(0)
            self.consumer.finish(FINISH_SECONDS)
            self.refusals.tell(intake)

    def _tend(self, now: float, intake: Intake) -> None:
        for door in self._doors:
            door.tend(now)
        for connection in list(self.connections):
            connection.close_if_idle(now)
        self.refusals.tell(intake)

    async def _drain(self) -> None:
        """Read what was sent before senders could know of the stop, unless the consumer is full."""
        for door in self._doors:
            if isinstance(door, TcpDoor):
                door.close()
        for connection in list(self.connections):
            connection.say_goodbye()
        loop = asyncio.get_running_loop()
        began = loop.time()
        while self.connections and loop.time() < began + DRAIN_SECONDS:
            heard = max(connection.heard for connection in self.connections)
            if loop.time() > max(began, heard) + QUIET_SECONDS:
                return
            self.consumer.step()
            self.hush()
            await asyncio.sleep(0.02)

    def take(self, messages: Sequence[bytes], peer: str) -> None:
        """Messages from a door or a connection."""
        self.consumer.take(messages, peer)
        self.hush()

    def hush(self) -> None:
        """Read no more while the consumer is full, and again when it is not."""
        if self.consumer.full == self.hushed:
            return
        self.hushed = not self.hushed
        for door in self._doors:
            door.hush(self.hushed)
        for connection in self.connections:
            with suppress(RuntimeError):  # closing
                connection.hush(self.hushed)
