"""A server for tests that stands in for a system: it listens, hands every request on, and ends."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Serve = Callable[[BaseHTTPRequestHandler], None]


class Answering:
    """One server in a thread, on loopback or on a unix socket.

    Args:
        serve: answers a request, whatever its method; called in a thread of its own.
        socket: where it listens; None: on a free port of loopback.
        protocol: of HTTP.
    """

    def __init__(self, serve: Serve, socket: Path | None = None, protocol: str = "HTTP/1.0") -> None:
        class Answers(BaseHTTPRequestHandler):
            protocol_version = protocol

            def do_GET(self) -> None:
                serve(self)

            def do_POST(self) -> None:
                serve(self)

            def do_PATCH(self) -> None:
                serve(self)

            def log_message(self, *rest: object) -> None:
                return

        self._server: socketserver.BaseServer
        self.url = ""
        if socket is None:
            listening = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
            self.url = f"http://127.0.0.1:{listening.server_port}"
            self._server = listening
        else:
            self._server = _OnSocket(str(socket), Answers)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        """Serve no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _OnSocket(socketserver.ThreadingUnixStreamServer):
    def get_request(self) -> tuple[Any, Any]:
        return super().get_request()[0], ("local", 0)
