"""Serving: the runtime and its web server in one process, until a signal says stop."""

from __future__ import annotations

import errno
import gc
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import uvicorn

from stormpetrel.app.config import Config
from stormpetrel.app.logging import configure_logging
from stormpetrel.app.prepare import Prepare
from stormpetrel.app.runtime import Announcement, Runtime, allowed_hosts
from stormpetrel.errors import ConfigError
from stormpetrel.web.app import create_app
from stormpetrel.web.settings import WebSettings

_BACKLOG = 1024
_SIGNALS = (signal.SIGTERM, signal.SIGINT)
# New objects before garbage is looked for among them, and such looks before older ones are looked at as well.
# Python's 700 made it look through everything every four seconds of a storm, and everybody waits for that.
GARBAGE_THRESHOLDS = (10_000, 10, 10)
# How long a thread that computes keeps others waiting once they ask for the interpreter. A page asks at each
# row that it reads from the control store: with Python's 5 ms, while a storm is judged, fifty rows may take
# a quarter of a second. Switching ten times as often costs next to nothing.
SWITCH_SECONDS = 0.0005


class _Server(uvicorn.Server):
    """Says when it listens, and ends by returning: uvicorn's own would raise the signal once more, which
    ends the process before what waits is stored."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Let SIGTERM and SIGINT ask for an end, once politely, twice at once."""
        before = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, then call back."""
        await super().startup(sockets)
        if self.started:
            self._on_started()


def serve(config: Config, announce: Callable[[Announcement], None]) -> None:
    """Run until SIGTERM or SIGINT.

    Args:
        announce: called once, when requests are answered.

    Raises:
        ConfigError: the port is taken or the address is not ours.
        StoreLockedError: another process owns the data directory.
    """
    configure_logging(config.log_level, Prepare(config.redact).text)
    listening = _listen(config.server.host, config.server.port)
    host, port = listening.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    try:
        runtime = Runtime(config)
    except BaseException:
        listening.close()
        raise
    runtime.start()
    settings = WebSettings(
        public_url=config.server.public_url,
        allowed_hosts=allowed_hosts(config),
        max_body_bytes=config.server.max_body_bytes,
        metrics_open=config.server.metrics_open,
    )
    server = _Server(
        uvicorn.Config(
            create_app(runtime.service, settings),
            access_log=False,
            log_level="warning",
            lifespan="off",
            server_header=False,
            timeout_graceful_shutdown=3,
            # Longer than a usual sending interval: else senders meet a connection that is just being closed.
            timeout_keep_alive=75,
            backlog=_BACKLOG,
        ),
        lambda: announce(runtime.announcement(f"http://{shown}:{port}")),
    )
    _set_interpreter()
    try:
        server.run(sockets=[listening])
    finally:
        runtime.stop()


def _set_interpreter() -> None:
    # What is loaded by now stays until the end: looking through it for garbage, again and again, would take
    # half of the time in which a large JSON request is read.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GARBAGE_THRESHOLDS)
    sys.setswitchinterval(SWITCH_SECONDS)


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
        # At once, not when all is ready: two that start together must not both believe they have the port.
        listening.listen(_BACKLOG)
    except OSError as error:
        listening.close()
        if error.errno == errno.EADDRINUSE:
            raise ConfigError(
                f"port {port} on {host} is in use by another program; stop it or choose another with --port"
            ) from error
        raise ConfigError(f"cannot listen on {host}:{port}: {error.strerror}; check server.host") from error
    return listening
