"""What is acted on in the tests of killed drivers: a server of its own, which outlives them.

    python kill_target.py SOCKET FOLDER

It takes orders as lines of JSON, does them after a moment, and writes each effect into its own journal with
O_APPEND and fsync before it answers. It keeps keys, as a system does that can be told twice; what reached it
beyond that is in `arrivals`. Some orders it declines, and some connections it breaks before or after acting,
by the key alone.
"""

from __future__ import annotations

import json
import os
import socketserver
import sys
import threading
import time
import zlib
from pathlib import Path
from typing import Any

DECLINES, BREAKS_BEFORE, BREAKS_AFTER = 0, 1, 2
MOST_SECONDS = 0.03


def behaviour(key: str) -> int:
    """What becomes of an order; the undoing is always done."""
    return 9 if key.endswith(":undo") else zlib.crc32(key.encode()) % 20


class Target:
    """The thing itself: a journal of effects."""

    def __init__(self, folder: Path) -> None:
        flags = os.O_APPEND | os.O_CREAT | os.O_WRONLY
        self._journal = os.open(folder / "journal", flags, 0o600)
        self._arrivals = os.open(folder / "arrivals", flags, 0o600)
        self._done: set[str] = set()
        self._lock = threading.Lock()

    def answer(self, asked: dict[str, Any]) -> str:
        """What it says to an order or a question; "" for a broken connection."""
        key, told = asked["key"], "not_done"
        if asked["op"] == "act":
            self._note(self._arrivals, "act", key, "")
            time.sleep(zlib.crc32(key.encode()[::-1]) % 1000 / 1000 * MOST_SECONDS)
            with self._lock:
                if behaviour(key) in (DECLINES, BREAKS_BEFORE):
                    return "not_done" if behaviour(key) == DECLINES else ""
                if key not in self._done:
                    self._note(self._journal, asked["kind"], key, " ".join(asked["targets"]))
                    os.fsync(self._journal)
                    self._done.add(key)
            return "" if behaviour(key) == BREAKS_AFTER else "done"
        with self._lock:
            told = "done" if key in self._done else told
        self._note(self._arrivals, f"resolved {told}", key, "")
        return told

    @staticmethod
    def _note(file: int, what: str, key: str, targets: str) -> None:
        os.write(file, (json.dumps([time.time_ns(), what, key, targets]) + "\n").encode())


class _Connection(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        line = self.rfile.readline()
        if line:
            told = self.server.target.answer(json.loads(line))  # type: ignore[attr-defined] # set below
            if told:
                self.wfile.write((told + "\n").encode())


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """A driver that was killed does not read its answer."""


def main() -> None:
    path, folder = sys.argv[1], Path(sys.argv[2])
    with _Server(path, _Connection) as server:
        server.target = Target(folder)  # type: ignore[attr-defined] # for the connections
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    main()
