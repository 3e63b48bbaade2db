"""A relay in front of a server's unix socket that counts orders, and can keep answers to itself."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Tap:
    """Counts the connections in which the client said one of `marks`.

    While `mute` is entered, such a connection's order reaches the server and its answer does not come back.
    """

    def __init__(self, server: Path, here: Path, *marks: bytes) -> None:
        self.orders: list[bytes] = []
        self._server, self._marks = server, marks
        self._mute = False
        self._end = threading.Event()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(here))
        here.chmod(0o777)
        self._listener.listen(50)
        self._listener.settimeout(0.1)
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    @contextmanager
    def mute(self) -> Iterator[None]:
        self._mute = True
        yield
        self._mute = False

    def count(self) -> int:
        return len(self.orders)

    def close(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while not self._end.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            thread = threading.Thread(target=self._relay, args=(client,))
            self._threads.append(thread)
            thread.start()

    def _relay(self, client: socket.socket) -> None:
        said, silent = b"", False
        with client, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
            server.connect(str(self._server))
            while not self._end.is_set():
                ready, _, _ = select.select([client, server], [], [], 0.1)
                for one in ready:
                    try:
                        part = one.recv(1 << 16)
                    except OSError:
                        part = b""
                    if not part and (one is client or not silent):
                        return
                    if not part:
                        self._end.wait(0.05)
                        continue
                    if one is client:
                        said += part
                        if any(mark in said for mark in self._marks):
                            self.orders.append(said)
                            said, silent = b"", self._mute
                    if one is client or not silent:
                        try:
                            (server if one is client else client).sendall(part)
                        except OSError:
                            return
