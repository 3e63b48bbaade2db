"""The ports of a listener: datagrams, and connections, plain or with TLS."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import ssl
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol, cast

from stormpetrel.adapters.sources.listen import KernelDrops, Refusals, Rules, open_tcp, open_udp

HANDSHAKE_SECONDS = 10.0
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 1.0, 30.0
_AT_ONCE = 500  # datagrams or connections taken before others get their turn
_NO_MORE_FILES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}
_REMEDY = {
    errno.EADDRINUSE: "another program listens there: stop it, or choose another port",
    errno.EACCES: "ports below 1024 need the right CAP_NET_BIND_SERVICE: grant it, or choose another port",
    errno.EADDRNOTAVAIL: "this host has no such address: set host to one that it has",
}


def address_text(address: Sequence[object]) -> str:
    """The address of a socket's peer; IPv4 in IPv6 clothes is IPv4."""
    return str(address[0]).removeprefix("::ffff:")


class Hub(Protocol):
    """What ports and connections belong to; `listen_loop.ListenLoop` is one."""

    rules: Rules
    refusals: Refusals
    connections: set[Connection]
    hushed: bool

    def take(self, messages: Sequence[bytes], peer: str) -> None:
        """Messages of one sender."""
        ...


class Door(ABC):
    """One listening socket, opened again with back-off when that fails."""

    kind = ""

    def __init__(self, hub: Hub, host: str, port: int) -> None:
        self._hub = hub
        self._host = host
        self._port = port
        self._socket: socket.socket | None = None
        self._wait = FIRST_WAIT_SECONDS
        self._not_before = 0.0

    def tend(self, now: float) -> None:
        """Open the socket if it is not and the time has come."""
        if self._socket is not None or now < self._not_before:
            return
        try:
            self._socket = self._open()
        except (OSError, ValueError) as error:
            number = error.errno if isinstance(error, OSError) else None
            remedy = _REMEDY.get(number or 0, "set the address, or the files, to what this host has")
            place = f"{self.kind} {self._host}:{self._port}"
            said = os.strerror(number) if number in _REMEDY else str(error)
            self._hub.refusals.add("cannot_listen", 0, f"{place}: {said}: {remedy}")
            self._not_before = now + self._wait
            self._wait = min(2 * self._wait, LONGEST_WAIT_SECONDS)
            return
        self._wait = FIRST_WAIT_SECONDS
        self.hush(self._hub.hushed)

    def hush(self, quiet: bool) -> None:
        """Stop reading, or go on."""
        if self._socket is None:
            return
        loop = asyncio.get_running_loop()
        if quiet:
            loop.remove_reader(self._socket)
        else:
            loop.add_reader(self._socket, self._readable)

    def close(self) -> None:
        """Close the socket; it stays closed."""
        self._not_before = float("inf")
        if self._socket is not None:
            asyncio.get_running_loop().remove_reader(self._socket)
            self._socket.close()
            self._socket = None

    @abstractmethod
    def _open(self) -> socket.socket:
        """The socket, bound."""

    @abstractmethod
    def _readable(self) -> None:
        """Something can be read, or a sender accepted."""


class UdpDoor(Door):
    """Datagrams: one message each, as they come."""

    kind = "UDP"

    def __init__(self, hub: Hub, host: str, port: int) -> None:
        super().__init__(hub, host, port)
        self._drops: KernelDrops | None = None

    def _open(self) -> socket.socket:
        opened = open_udp(self._host, self._port)
        self._drops = KernelDrops(opened)
        return opened

    def tend(self, now: float) -> None:
        """Open the socket if need be; count what the kernel dropped since the last call."""
        super().tend(now)
        dropped = self._drops.more() if self._drops is not None and self._socket is not None else 0
        if dropped:
            self._hub.refusals.add(
                "kernel_dropped",
                dropped,
                "the receive buffer was full; raise net.core.rmem_max, or send by TCP",
            )

    def close(self) -> None:
        """Read what has arrived, as far as it is taken, and close."""
        if not self._hub.hushed:
            self._readable()
        super().close()

    def _readable(self) -> None:
        for _ in range(_AT_ONCE):
            if self._socket is None:
                return
            try:
                message, address = self._socket.recvfrom(self._hub.rules.longest_bytes + 1)
            except BlockingIOError:
                return
            except OSError as error:
                self._hub.refusals.add("receive_failed", 0, str(error))
                return
            peer = address_text(address)
            if self._hub.rules.allowed.allows(peer):
                self._hub.take((message,), peer)
            else:
                self._hub.refusals.add("not_allowed", 1, peer)
            if self._hub.hushed:
                return


class TcpDoor(Door):
    """Connections, plain or with TLS; those beyond the limits are closed at once."""

    def __init__(self, hub: Hub, host: str, port: int, secure: bool) -> None:
        super().__init__(hub, host, port)
        self.kind = "TLS" if secure else "TCP"
        self._secure = secure
        self._context: ssl.SSLContext | None = None
        self._coming: set[asyncio.Task[None]] = set()

    def _open(self) -> socket.socket:
        if self._secure and self._hub.rules.tls is not None:
            self._context = self._hub.rules.tls()
        return open_tcp(self._host, self._port)

    def close(self) -> None:
        """Accept no more; connections that are not made yet are dropped."""
        super().close()
        for task in self._coming:
            task.cancel()

    def _readable(self) -> None:
        for _ in range(_AT_ONCE):
            if self._socket is None:
                return
            try:
                accepted, address = self._socket.accept()
            except (BlockingIOError, ConnectionAbortedError):
                return
            except OSError as error:
                self._hub.refusals.add("accept_failed", 0, str(error))
                if error.errno in _NO_MORE_FILES:  # what waits would be readable again at once
                    self.hush(True)
                    asyncio.get_running_loop().call_later(1.0, self._again)
                return
            self._admit(accepted, address_text(address))

    def _again(self) -> None:
        self.hush(self._hub.hushed)

    def _admit(self, accepted: socket.socket, peer: str) -> None:
        refusal = ""
        if not self._hub.rules.allowed.allows(peer):
            refusal = "not_allowed"
        elif len(self._hub.connections) + len(self._coming) >= self._hub.rules.max_connections:
            refusal = "too_many_connections"
        if refusal:
            self._hub.refusals.add(refusal, 1, peer)
            accepted.close()
            return
        accepted.setblocking(False)
        task = asyncio.get_running_loop().create_task(self._connect(accepted, peer))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _connect(self, accepted: socket.socket, peer: str) -> None:
        patience = {"ssl_handshake_timeout": HANDSHAKE_SECONDS} if self._context is not None else {}
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Connection(self._hub, peer), accepted, ssl=self._context, **patience
            )
        except (OSError, asyncio.CancelledError) as error:
            accepted.close()
            if isinstance(error, asyncio.CancelledError):
                raise
            self._hub.refusals.add("tls_handshake", 1, f"{peer}: {error}")


class Connection(asyncio.Protocol):
    """One stream of messages; `heard` is when the last bytes came, by the loop's clock."""

    def __init__(self, hub: Hub, peer: str) -> None:
        self._hub = hub
        self._peer = peer
        self._frames = hub.rules.frames()
        self._transport: asyncio.Transport | None = None
        self.heard = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The sender is there (and, with TLS, has shown what it must)."""
        self._transport = cast(asyncio.Transport, transport)
        self.heard = asyncio.get_running_loop().time()
        self._hub.connections.add(self)
        self.hush(self._hub.hushed)

    def data_received(self, received: bytes) -> None:
        """Cut, and hand on what is whole."""
        self.heard = asyncio.get_running_loop().time()
        try:
            messages = self._frames.feed(received)
        except ValueError as error:
            self._hub.refusals.add("bad_frame", 1, f"{self._peer}: {error}")
            self.abort()
            return
        if messages:
            self._hub.take(messages, self._peer)

    def connection_lost(self, _error: Exception | None) -> None:
        """The stream is at its end; a last message without its end counts."""
        rest = self._frames.finish()
        if rest:
            self._hub.take(rest, self._peer)
        self._hub.connections.discard(self)

    def hush(self, quiet: bool) -> None:
        """Stop reading, or go on."""
        if self._transport is None or self._transport.is_closing():
            return
        if quiet:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def close_if_idle(self, now: float) -> None:
        """Close when nothing was heard for too long."""
        if now - self.heard > self._hub.rules.idle_seconds and self._transport is not None:
            self._transport.close()

    def say_goodbye(self) -> None:
        """Tell the sender that no more will be read; what it has sent comes yet."""
        if self._transport is None or self._transport.is_closing():
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        else:
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
