"""The source that listens for StatsD, over UDP and TCP."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from stormpetrel.adapters.sources.listen import Allowed, Refusals, Rules
from stormpetrel.adapters.sources.listen_handover import Handover
from stormpetrel.adapters.sources.listen_loop import ListenLoop, Port
from stormpetrel.model.push import Rejected
from stormpetrel.model.signal import MetricBatch
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake

MAX_LINE_BYTES = 64 << 10
MAX_CONNECTIONS = 200
IDLE_SECONDS = 3600.0
_STEP_SECONDS = 0.2
_SAMPLE_BYTES = 20  # of a batch, for each sample


class Windows(Protocol):
    """Sums messages up by windows of time; `ingest.statsd.StatsdWindows` is one."""

    def add(self, packet: bytes, now_unix_nano: int, /) -> None:
        """Take the lines of a packet."""
        ...

    def flush(self, now_unix_nano: int, /) -> MetricBatch:
        """Samples of the windows that ended by now."""
        ...

    def finish(self, now_unix_nano: int, /) -> MetricBatch:
        """The same with the window under way."""
        ...

    def rejected(self) -> tuple[Rejected, ...]:
        """What was refused since the last call."""
        ...


class StatsdSettings(Protocol):
    """What the source wants to know; `app.config_sources.StatsdConfig` is one."""

    @property
    def host(self) -> str:
        """The address to listen on."""
        ...

    @property
    def allow(self) -> Sequence[str]:
        """Networks whose messages are taken."""
        ...

    @property
    def udp_port(self) -> int:
        """0: not listening."""
        ...

    @property
    def tcp_port(self) -> int:
        """0: not listening."""
        ...


class LineFrames:
    """Cuts a stream into lines of at most 64 KiB.

    >>> frames = LineFrames()
    >>> frames.feed(b"a:1|c" + bytes([10]) + b"b:2"), frames.finish()
    ([b'a:1|c'], [b'b:2'])
    """

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, received: bytes) -> list[bytes]:
        """The lines that end in what was received; ValueError when one is too long."""
        lines = (self._rest + received).split(b"\n")
        self._rest = lines.pop()
        if len(self._rest) > MAX_LINE_BYTES:
            raise ValueError(f"a line has more than {MAX_LINE_BYTES} bytes")
        return lines

    def finish(self) -> list[bytes]:
        """The last line, if it has no end."""
        rest, self._rest = self._rest, b""
        return [rest] if rest else []


class StatsdSource:
    """Listens for StatsD and hands over one batch of samples a window.

    A window that the intake does not take is handed over again; meanwhile nothing is read, so that UDP
    packets are dropped by the kernel, and counted. At a stop the window under way is handed over.

    Args:
        config: see `StatsdSettings`.
        windows: see `Windows`; its own, and kept when it is run again.
        clock: the time of reception.

    Raises:
        ValueError: a network of `allow` is none.
    """

    name = "statsd"

    def __init__(self, config: StatsdSettings, windows: Windows, clock: Clock) -> None:
        self._windows = windows
        self._clock = clock
        self._rules = Rules(Allowed(config.allow), LineFrames, MAX_CONNECTIONS, IDLE_SECONDS)
        numbers = {"udp": config.udp_port, "tcp": config.tcp_port}
        self._ports = [Port(kind, config.host, number) for kind, number in numbers.items() if number]

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Listen until `stop` is set."""
        refusals = Refusals(self.name)
        handover: Handover[MetricBatch] = Handover(partial(intake.metrics, source=self.name), refusals)
        summing = _Summing(self._windows, self._clock, handover, refusals)
        ListenLoop(self._ports, self._rules, summing, refusals).run(intake, stop)


class _Summing:
    """Packets on their way into windows; see `listen_loop.Consumer`."""

    def __init__(
        self, windows: Windows, clock: Clock, handover: Handover[MetricBatch], refusals: Refusals
    ) -> None:
        self._windows = windows
        self._clock = clock
        self._handover = handover
        self._refusals = refusals

    @property
    def full(self) -> bool:
        return self._handover.full

    def take(self, messages: Sequence[bytes], _peer: str) -> None:
        now = self._clock.now_unix_nano()
        for message in messages:
            self._windows.add(message, now)

    def step(self) -> float:
        self._put(self._windows.flush(self._clock.now_unix_nano()))
        self._handover.step(time.monotonic())
        return _STEP_SECONDS

    def finish(self, seconds: float) -> None:
        self._put(self._windows.finish(self._clock.now_unix_nano()))
        deadline = time.monotonic() + seconds
        while self._handover.untaken_rows and time.monotonic() < deadline:
            time.sleep(0.02)
            self._handover.step(time.monotonic())
        if self._handover.untaken_rows:
            self._refusals.add("stopped", self._handover.untaken_rows, "the intake took no more")

    def _put(self, batch: MetricBatch) -> None:
        for refused in self._windows.rejected():
            self._refusals.add(refused.reason, refused.rows, refused.example)
        if len(batch):
            self._handover.put(batch, _SAMPLE_BYTES * len(batch), time.monotonic())
