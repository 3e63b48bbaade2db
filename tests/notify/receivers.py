"""Receivers of messages on loopback: a mail server and an HTTP service, both real, both of a few lines."""

from __future__ import annotations

import email
import email.policy
import json
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Mailbox(socketserver.ThreadingTCPServer):
    """Speaks as much SMTP as a sender needs; keeps what it took."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Mail)
        self.how = "take"
        self.mails: list[str] = []
        self.let_go = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])


class _Mail(socketserver.StreamRequestHandler):
    server: Mailbox

    def handle(self) -> None:
        if self.server.how == "hang":
            self.server.let_go.wait(60)
            return
        self._say("220 mailbox")
        for line in self.rfile:
            word = line[:4].upper().strip()
            if word == b"DATA":
                if self.server.how == "busy":
                    self._say("451 come back later")
                    continue
                self._say("354 go on")
                self.server.mails.append(read_mail(self._content()))
                self._say("250 taken")
            elif word == b"QUIT":
                self._say("221 bye")
                return
            else:
                self._say("250 fine")

    def _content(self) -> bytes:
        lines = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line[1:] if line.startswith(b"..") else line)
        return b"".join(lines)

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


def read_mail(raw: bytes) -> str:
    """Headers and text of a mail, decoded."""
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    head = "\n".join(f"{name}: {value}" for name, value in mail.items())
    body = mail.get_body(("plain",))
    return f"{head}\n\n{body.get_content() if body is not None else ''}"


class Service(ThreadingHTTPServer):
    """Takes JSON at any path."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.how = "take"
        self.posts: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.bodies: list[bytes] = []
        self.tried = 0
        self.let_go = threading.Event()

    @property
    def port(self) -> int:
        return self.server_port


class _Answering(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.tried += 1
        if self.server.how == "hang":
            self.server.let_go.wait(60)
            return
        status = {"take": 200, "busy": 503, "refuse": 403, "elsewhere": 302}[self.server.how]
        if status == 200:
            self.server.headers.append({name.lower(): value for name, value in self.headers.items()})
            self.server.bodies.append(body)
            self.server.posts.append(json.loads(body))
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/other")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name in the base class
        pass


@contextmanager
def running(server: Mailbox | Service) -> Iterator[None]:
    """The server in a thread of its own."""
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.let_go.set()
        server.shutdown()
        thread.join()
        server.server_close()
