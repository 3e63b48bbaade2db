"""The source that listens for NetFlow 5, NetFlow 9 and IPFIX over UDP."""

from __future__ import annotations

import ipaddress
import select
import socket
import struct
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol, TypeAlias

from stormpetrel.errors import OverloadedError
from stormpetrel.model.push import Decoded
from stormpetrel.model.records import FlowBatch
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake

FLUSH_SECONDS = 0.5  # longest that a datagram is held
# Or as soon as so much is held: while it is decoded, the kernel's buffer has to hold what comes in.
FLUSH_BYTES, FLUSH_DATAGRAMS = 256 << 10, 200
RECEIVE_BUFFER_BYTES = 8 << 20  # asked of the kernel, which gives at most net.core.rmem_max
OVERLOAD_WAITS = (0.05, 0.1, 0.2, 0.4, 0.8)  # seconds between tries; meanwhile the kernel's buffer fills
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 30.0
MAX_KNOWN_ADDRESSES = 10_000

_SO_RXQ_OVFL = 40  # Linux: with each datagram comes how many were dropped before it; socket(7)
_SO_RCVBUFFORCE = 33  # Linux, with CAP_NET_ADMIN
_LOOK_SECONDS = 0.2  # how often it looks whether to stop
_MAX_DATAGRAM = 65535

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network


class Decode(Protocol):
    """Turns datagrams (address, time of receipt, payload) into flows; `NetflowDecoder.decode` is one."""

    def __call__(self, datagrams: Sequence[tuple[str, int, bytes]], source: str, /) -> Decoded:
        """The flows; never raises for any bytes."""
        ...


class FlowSettings(Protocol):
    """Where to listen and whom to hear; `app.config_sources.FlowsConfig` is one."""

    @property
    def host(self) -> str:
        """Address to listen on."""
        ...

    @property
    def udp_port(self) -> int:
        """Port to listen on."""
        ...

    @property
    def allow(self) -> Sequence[str]:
        """Networks whose datagrams are taken."""
        ...


class AllowList:
    """Which senders are heard.

    Args:
        networks: in CIDR notation; a network with bits beyond its mask counts as the network around it.

    Raises:
        ValueError: what is no network, by its text.

    >>> AllowList(["10.0.0.0/8"]).allows("10.1.2.3"), AllowList(["10.0.0.0/8"]).allows("::ffff:11.1.2.3")
    (True, False)
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks: list[Network] = [ipaddress.ip_network(text, strict=False) for text in networks]
        self._known: dict[str, bool] = {}

    def allows(self, address: str) -> bool:
        """Whether the address, IPv4 in IPv6 or not, is in one of the networks."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= MAX_KNOWN_ADDRESSES:
                self._known.clear()
            known = self._known[address] = self._look(address)
        return known

    def _look(self, address: str) -> bool:
        one = ipaddress.ip_address(address.partition("%")[0])
        plain = one.ipv4_mapped if isinstance(one, ipaddress.IPv6Address) else None
        return any((plain or one) in network for network in self._networks)


class NetflowSource:
    """Listens on one UDP port and hands over the flows of the listed exporters.

    Datagrams are held for at most half a second. Senders over UDP cannot be asked to repeat: what the
    intake refuses for more than a second and a half, what the kernel drops because it comes faster than it
    is read (`kernel_dropped`), and what comes from elsewhere than the listed networks (`not_allowed`) is
    counted and lost. A port that cannot be opened is tried again with back-off. Nothing vouches for the
    sender's address of a datagram: list only networks whose addresses cannot be forged from outside.

    Args:
        config: where to listen and whom to hear.
        decode: see `Decode`.
        clock: dates the receipt.

    Raises:
        ValueError: `allow` holds what is no network.
    """

    name = "netflow"

    def __init__(self, config: FlowSettings, decode: Decode, clock: Clock) -> None:
        self._config = config
        self._decode = decode
        self._clock = clock
        self._allowed = AllowList(config.allow)
        self._held: list[tuple[str, int, bytes]] = []
        self._held_bytes = 0
        self._since = 0.0
        self._strangers: dict[str, int] = {}
        self._dropped_before = 0
        self._dropped = 0

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Listen until `stop` is set."""
        wait = FIRST_WAIT_SECONDS
        while not stop.is_set():
            try:
                with self._socket() as opened:
                    wait = FIRST_WAIT_SECONDS
                    self._listen(opened, intake, stop)
            except OSError as error:
                where = f"{self._config.host} port {self._config.udp_port}"
                intake.rejected(self.name, "cannot_listen", 0, f"UDP {where}: {error.strerror or error}")
                stop.wait(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)

    def _socket(self) -> socket.socket:
        found = socket.getaddrinfo(
            self._config.host, self._config.udp_port, type=socket.SOCK_DGRAM, flags=socket.AI_PASSIVE
        )
        family, kind, protocol, _, address = found[0]
        opened = socket.socket(family, kind, protocol)
        try:
            _ask_for_room(opened)
            opened.setsockopt(socket.SOL_SOCKET, _SO_RXQ_OVFL, 1)
            opened.setblocking(False)
            opened.bind(address)
        except OSError:
            opened.close()
            raise
        self._dropped_before = 0
        return opened

    def _listen(self, opened: socket.socket, intake: Intake, stop: threading.Event) -> None:
        ready = select.poll()
        ready.register(opened, select.POLLIN)
        while not stop.is_set():
            if ready.poll(_LOOK_SECONDS * 1000):
                self._drain(opened)
            self._tell(intake)
            full = self._held_bytes >= FLUSH_BYTES or len(self._held) >= FLUSH_DATAGRAMS
            if self._held and (full or time.monotonic() - self._since >= FLUSH_SECONDS):
                self._flush(intake, stop)
        if self._held:
            self._flush(intake, stop)

    def _drain(self, opened: socket.socket) -> None:
        """Take what the kernel holds, as far as there is room."""
        space = socket.CMSG_SPACE(4)
        if not self._held:
            self._since = time.monotonic()
        for _ in range(FLUSH_DATAGRAMS - len(self._held)):
            if self._held_bytes >= FLUSH_BYTES:
                return
            try:
                payload, ancillary, _, sender = opened.recvmsg(_MAX_DATAGRAM, space)
            except BlockingIOError:
                return
            for level, kind, content in ancillary:
                if (level, kind, len(content)) == (socket.SOL_SOCKET, _SO_RXQ_OVFL, 4):
                    self._count_dropped(struct.unpack("=I", content)[0])
            address = plain_address(sender[0])
            if not self._allowed.allows(address):
                self._strangers[address] = self._strangers.get(address, 0) + 1
                continue
            self._held.append((address, self._clock.now_unix_nano(), payload))
            self._held_bytes += len(payload)

    def _count_dropped(self, total: int) -> None:
        """The kernel counts from the opening of the socket, in 32 bits."""
        self._dropped += (total - self._dropped_before) & 0xFFFF_FFFF
        self._dropped_before = total

    def _tell(self, intake: Intake) -> None:
        if self._strangers:
            address = next(iter(self._strangers))
            rows, self._strangers = sum(self._strangers.values()), {}
            hint = f"{address} is in none of the networks of sources.flows.allow"
            intake.rejected(self.name, "not_allowed", rows, hint)
        if self._dropped:
            rows, self._dropped = self._dropped, 0
            hint = "datagrams came faster than they were read; raise net.core.rmem_max"
            intake.rejected(self.name, "kernel_dropped", rows, hint)

    def _flush(self, intake: Intake, stop: threading.Event) -> None:
        held, self._held, self._held_bytes = self._held, [], 0
        decoded = self._decode(held, self.name)
        for refused in decoded.rejected:
            intake.rejected(self.name, refused.reason, refused.rows, refused.example)
        if decoded.flows is not None:
            self._hand_over(decoded.flows, intake, stop)

    def _hand_over(self, flows: FlowBatch, intake: Intake, stop: threading.Event) -> None:
        rows = len(flows)

        def count_failure(future: Future[None]) -> None:
            error = future.exception()
            if error is not None:
                intake.rejected(self.name, getattr(error, "reason", "error"), rows, str(error)[:200])

        for wait in (*OVERLOAD_WAITS, 0.0):
            try:
                intake.records(flows, self.name).add_done_callback(count_failure)
                return
            except OverloadedError as error:
                lost = not wait or stop.wait(wait)
                intake.rejected(self.name, error.reason, rows if lost else 0, str(error)[:200])
                if lost:
                    return


def _ask_for_room(opened: socket.socket) -> None:
    """A large receive buffer: beyond net.core.rmem_max where this process may, else up to it."""
    try:
        opened.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, RECEIVE_BUFFER_BYTES)
    except PermissionError:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)


def plain_address(address: str) -> str:
    """An address without a zone, IPv4 written as IPv4.

    >>> plain_address("::ffff:10.0.0.1"), plain_address("fe80::1%eth0")
    ('10.0.0.1', 'fe80::1')
    """
    bare = address.partition("%")[0]
    return bare[7:] if bare.startswith("::ffff:") and "." in bare else bare
