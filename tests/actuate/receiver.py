"""A receiver of webhooks as the documentation asks for: signatures, nonces, keys. It counts what it does."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.actuate.answering import Answering

from stormpetrel.adapters.signing import KEY, NONCE, SIGNATURE, TIMESTAMP, signed_text, verify

SECRET = "hook-secret-0815"


class Receiver:
    """A flag service. `answer`: what it answers to orders instead of 200, after it has done them."""

    def __init__(self) -> None:
        self.value, self.version = True, 1
        self.orders: list[dict[str, Any]] = []
        self.refused: list[str] = []
        self.answer: tuple[int, bytes, dict[str, str]] | None = None
        self.acts = True
        self.later = False
        self._done: set[str] = set()
        self._nonces: set[str] = set()
        self._lock = threading.Lock()
        self._mute = threading.Event()
        self._end = threading.Event()
        self._server = Answering(self.serve)
        self.url = self._server.url

    @contextmanager
    def mute(self) -> Iterator[None]:
        self._mute.set()
        yield
        self._mute.clear()

    def count(self) -> int:
        return len(self.orders)

    def close(self) -> None:
        self._end.set()
        self._server.close()

    def serve(self, request: BaseHTTPRequestHandler) -> None:
        body = request.rfile.read(int(request.headers.get("Content-Length") or 0))
        why = self._wrong(request, body)
        if why:
            self.refused.append(why)
            _send(request, 401, why.encode())
        elif request.command == "POST":
            self._order(request, json.loads(body))
        else:
            self._tell(request)

    def _wrong(self, request: BaseHTTPRequestHandler, body: bytes) -> str:
        headers = {name: request.headers.get(name) or "" for name in (TIMESTAMP, NONCE, KEY)}
        text = signed_text(request.command, request.path, headers, body)
        if not verify(SECRET, text, request.headers.get(SIGNATURE) or ""):
            return "signature"
        if abs(time.time() - int(headers[TIMESTAMP])) > 300:
            return "too old"
        if headers[NONCE] in self._nonces:
            return "replayed"
        self._nonces.add(headers[NONCE])
        return ""

    def _order(self, request: BaseHTTPRequestHandler, content: dict[str, Any]) -> None:
        key = request.headers[KEY]
        with self._lock:
            if key not in self._done and self.acts:
                self._done.add(key)
                self.orders.append(content)
                self.value = content["parameters"].get("on") is True
                self.version += 1
        while self._mute.is_set() and not self._end.is_set():
            time.sleep(0.02)
        if self.answer is not None:
            _send(request, *self.answer)
        else:
            _send(request, 200, json.dumps({"evidence": {"version": self.version}}).encode())

    def _tell(self, request: BaseHTTPRequestHandler) -> None:
        asked = parse_qs(urlsplit(request.path).query)
        state: dict[str, Any]
        if "key" in asked:
            state = {"state": "done" if asked["key"][0] in self._done else "unknown"}
        else:
            state = {"generation": f"v{self.version}", "healthy": True, "on": self.value, "parameters": {}}
        _send(request, 200, json.dumps(state).encode())


def _send(
    request: BaseHTTPRequestHandler, status: int, body: bytes, headers: dict[str, str] | None = None
) -> None:
    try:
        request.send_response(status)
        for name, value in (headers or {}).items():
            request.send_header(name, value)
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)
    except OSError:
        return  # the client went away
