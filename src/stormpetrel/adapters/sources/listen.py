"""What listeners of their own ports share: whom they hear, their sockets, and what the kernel dropped."""

from __future__ import annotations

import ipaddress
import os
import socket
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from stormpetrel.ports.intake import Intake

RECEIVE_BUFFER_BYTES = 8 << 20  # asked for; the kernel grants up to net.core.rmem_max
_BACKLOG = 128
_MAX_KNOWN = 4096
_UDP_TABLES = ("/proc/net/udp", "/proc/net/udp6")


class Allowed:
    """The networks whose senders are heard.

    Args:
        networks: in CIDR notation, as `10.0.0.0/8`; a bare address is that address alone.

    Raises:
        ValueError: a text is no network; the message names it.

    >>> Allowed(["127.0.0.0/8"]).allows("127.0.0.1"), Allowed([]).allows("127.0.0.1")
    (True, False)
    """

    def __init__(self, networks: Sequence[str]) -> None:
        self._networks = [ipaddress.ip_network(text, strict=False) for text in networks]
        self._known: dict[str, bool] = {}

    def allows(self, address: str) -> bool:
        """Whether messages from this address are taken; an IPv4 address in IPv6 clothes counts as IPv4."""
        known = self._known.get(address)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known.clear()
            known = self._known[address] = self._look_up(address)
        return known

    def _look_up(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False
        if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped is not None:
            found = found.ipv4_mapped
        return any(found in network for network in self._networks if network.version == found.version)


class Refusals:
    """Counts what is refused and tells the intake of it once in a while, not once a message."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._rows: Counter[str] = Counter()
        self._examples: dict[str, str] = {}

    def add(self, reason: str, rows: int, example: str = "") -> None:
        """Count; 0 rows tell of trouble without a loss."""
        self._rows[reason] += rows
        self._examples[reason] = example

    def tell(self, intake: Intake) -> None:
        """Hand the counts over and begin anew."""
        for reason, rows in self._rows.items():
            intake.rejected(self._source, reason, rows, self._examples[reason][:200])
        self._rows.clear()
        self._examples.clear()


class Frames(Protocol):
    """Cuts one stream into messages; bounded."""

    def feed(self, received: bytes, /) -> list[bytes]:
        """Messages that end in what was received; ValueError when the stream cannot be read on."""
        ...

    def finish(self) -> list[bytes]:
        """What is left at the end of the stream."""
        ...


@dataclass(frozen=True, slots=True)
class Rules:
    """What a listener allows.

    Attributes:
        frames: makes a new cutter for every stream.
        tls: makes the context of TLS ports, when they are opened; OSError when it cannot.
        idle_seconds: connections silent for longer are closed.
        longest_bytes: of one datagram that are read.
    """

    allowed: Allowed
    frames: Callable[[], Frames]
    max_connections: int = 200
    idle_seconds: float = 3600.0
    longest_bytes: int = 1 << 16
    tls: Callable[[], ssl.SSLContext] | None = None


def open_udp(host: str, port: int) -> socket.socket:
    """A bound, non-blocking UDP socket with a large receive buffer.

    Raises:
        OSError: the address is in use, not ours, or its port needs more rights.
    """
    opened = _bound(host, port, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
    return opened


def open_tcp(host: str, port: int) -> socket.socket:
    """A listening, non-blocking TCP socket.

    Raises:
        OSError: the address is in use, not ours, or its port needs more rights.
    """
    opened = _bound(host, port, socket.SOCK_STREAM)
    opened.listen(_BACKLOG)
    return opened


def _bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    family, _, _, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
    opened = socket.socket(family, kind)
    try:
        if kind is socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family is socket.AF_INET6 and host == "::":
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        opened.setblocking(False)
        opened.bind(address)
    except OSError:
        opened.close()
        raise
    return opened


class KernelDrops:
    """What the kernel dropped of a UDP socket for want of room in its buffer: Linux, by its inode.

    Elsewhere, and where the table cannot be read, it counts nothing.
    """

    def __init__(self, opened: socket.socket, tables: Sequence[str] = _UDP_TABLES) -> None:
        self._inode = str(os.fstat(opened.fileno()).st_ino)
        self._tables = tables
        self._seen = 0

    def more(self) -> int:
        """Datagrams dropped since the last call."""
        dropped = max((self._read(table) for table in self._tables), default=0)
        more = max(0, dropped - self._seen)
        self._seen += more
        return more

    def _read(self, table: str) -> int:
        try:
            lines = Path(table).read_text(encoding="ascii").splitlines()[1:]
        except (OSError, UnicodeDecodeError):
            return 0
        for line in lines:
            fields = line.split()
            if len(fields) >= 13 and fields[9] == self._inode:  # proc(5): inode tenth, drops last
                return int(fields[12])
        return 0
