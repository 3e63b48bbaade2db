"""The source that listens for syslog: UDP (RFC 5426), TCP (RFC 6587) and TLS (RFC 5425)."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Sequence
from functools import partial
from typing import Protocol

import xxhash

from stormpetrel.adapters.sources.listen import Allowed, Refusals, Rules
from stormpetrel.adapters.sources.listen_handover import Handover
from stormpetrel.adapters.sources.listen_loop import ListenLoop, Port
from stormpetrel.adapters.sources.syslog_frames import SyslogFrames
from stormpetrel.model.signal import LogBatch
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake

BATCH_MESSAGES = 8192
BATCH_SECONDS = 0.05  # how long a message waits for others
_IDLE_SECONDS = 0.2


class ParseSyslog(Protocol):
    """Turns messages into log records; `ingest.syslog.SyslogParser.parse` is one."""

    def __call__(
        self, messages: Sequence[bytes], peers: Sequence[str], received_unix_nano: int, token: int, /
    ) -> LogBatch:
        """Log records of messages, with the sender's address of each; takes any bytes."""
        ...


class SyslogSettings(Protocol):
    """What the source wants to know; `app.config_sources.SyslogConfig` is one."""

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

    @property
    def tls_port(self) -> int:
        """0: not listening."""
        ...

    @property
    def certificate_file(self) -> str:
        """PEM, for TLS."""
        ...

    @property
    def key_file(self) -> str:
        """PEM, for TLS."""
        ...

    @property
    def client_ca_file(self) -> str:
        """PEM; where given, senders need a certificate signed by it."""
        ...

    @property
    def max_connections(self) -> int:
        """TCP and TLS senders at once."""
        ...

    @property
    def idle_seconds(self) -> float:
        """Connections silent for longer are closed."""
        ...

    @property
    def max_message_bytes(self) -> int:
        """Longer messages are cut, and marked."""
        ...


class SyslogSource:
    """Listens for syslog on up to three ports, and hands over what it hears.

    Works for every sender that speaks RFC 5424 or RFC 3164, in either framing. While the intake takes
    nothing, nothing is read: TCP senders wait, of UDP the kernel drops what its buffer cannot hold, which
    is counted. What was read is handed over again until it is stored; a stop gives it up after a second,
    counted as `stopped`. Syslog knows no acknowledgement: what lies in the buffers of the network when
    this process dies is lost, and nobody can tell.

    Args:
        config: see `SyslogSettings`.
        parse: see `ParseSyslog`.
        clock: the time of reception.

    Raises:
        ValueError: a network of `allow` is none.
    """

    name = "syslog"

    def __init__(self, config: SyslogSettings, parse: ParseSyslog, clock: Clock) -> None:
        self._config = config
        self._parse = parse
        self._clock = clock
        self._rules = Rules(
            Allowed(config.allow),
            lambda: SyslogFrames(config.max_message_bytes),
            config.max_connections,
            config.idle_seconds,
            config.max_message_bytes,
            self._tls_context,
        )
        numbers = {"udp": config.udp_port, "tcp": config.tcp_port, "tls": config.tls_port}
        self._ports = [Port(kind, config.host, number) for kind, number in numbers.items() if number]

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Listen until `stop` is set."""
        refusals = Refusals(self.name)
        handover: Handover[LogBatch] = Handover(partial(intake.logs, source=self.name), refusals)
        waiting = _Waiting(self._parse, self._clock, handover, refusals)
        ListenLoop(self._ports, self._rules, waiting, refusals).run(intake, stop)

    def _tls_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self._config.certificate_file, self._config.key_file)
        if self._config.client_ca_file:
            context.load_verify_locations(self._config.client_ca_file)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class _Waiting:
    """Messages that wait to become a batch; see `listen_loop.Consumer`."""

    def __init__(
        self, parse: ParseSyslog, clock: Clock, handover: Handover[LogBatch], refusals: Refusals
    ) -> None:
        self._parse = parse
        self._clock = clock
        self._handover = handover
        self._refusals = refusals
        self._messages: list[bytes] = []
        self._peers: list[str] = []
        self._due = 0.0
        self._batches = 0
        self._began = clock.now_unix_nano()

    @property
    def full(self) -> bool:
        return self._handover.full

    def take(self, messages: Sequence[bytes], peer: str) -> None:
        if not self._messages:
            self._due = time.monotonic() + BATCH_SECONDS
        self._messages.extend(messages)
        self._peers.extend([peer] * len(messages))
        if len(self._messages) >= BATCH_MESSAGES:
            self._flush()

    def step(self) -> float:
        now = time.monotonic()
        if self._messages and now >= self._due:
            self._flush()
        self._handover.step(now)
        if self._messages:
            return max(0.001, self._due - now)
        return _IDLE_SECONDS if self._handover.empty else 0.02

    def finish(self, seconds: float) -> None:
        self._flush()
        deadline = time.monotonic() + seconds
        while self._handover.untaken_rows and time.monotonic() < deadline:
            time.sleep(0.02)
            self._handover.step(time.monotonic())
        lost = self._handover.untaken_rows
        if lost:
            self._refusals.add("stopped", lost, "the intake took no more, and this process is to end")

    def _flush(self) -> None:
        """Parse what waits. The token is the batch's alone: equal messages are not one."""
        if not self._messages:
            return
        self._batches += 1
        token = xxhash.xxh64_intdigest(f"syslog {self._began} {self._batches}".encode()) or 1
        messages, self._messages = self._messages, []
        peers, self._peers = self._peers, []
        batch = self._parse(messages, peers, self._clock.now_unix_nano(), token)
        if len(batch):
            self._handover.put(batch, batch.records.nbytes, time.monotonic())
