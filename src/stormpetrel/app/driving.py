"""Driving: whoever holds the lease drives all runs that have not ended, and hands them on with it."""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Protocol

import structlog

from stormpetrel.app.leader import Leader, Watch
from stormpetrel.app.runs import Runs

log = structlog.get_logger(__name__)


class Driver(Protocol):
    """What calls runs until they have ended; see `stormpetrel.adapters.durable.DurableDriver`."""

    def start(self) -> None:
        """Begin; StoreError."""
        ...

    def stop(self) -> None:
        """End, leaving runs where they are."""
        ...

    def wake(self, run_id: str) -> None:
        """Call a run now."""
        ...

    def adopt(self, run_ids: Iterable[str]) -> None:
        """Drive these from now on."""
        ...


def process_name() -> str:
    """This process, in a name that none has nor had: two of one host and number are told apart, also the one
    before a restart in a container."""
    return f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}"


def durable_url(control_url: str, data_dir: Path) -> str:
    """Where workflows are kept: in the PostgreSQL database of the control store, which all processes share,
    or in a SQLite file of their own, whose writers do not wait for those of the control store."""
    if control_url.startswith("postgresql"):
        return control_url
    return f"sqlite:///{(data_dir / 'runs.sqlite').resolve()}"


def durable(url: str, executor: str, runs: Runs, poll_seconds: float = 0.5) -> Driver:
    """The driver whose waits survive a restart. Imports it: about a second, once.

    Args:
        url: SQLAlchemy URL of a database of its own (a SQLite file), or of one that all processes share.
        executor: this process, in a name that none had before.
    """
    from stormpetrel.adapters.durable import DurableDriver, DurableSettings  # noqa: PLC0415 - only when needed

    return DurableDriver(DurableSettings(url, executor, poll_seconds), runs.advance)


class Driving:
    """Runs of one process: drives them while it holds the lease. Safe from any thread.

    A process without the lease drives nothing, and takes over within a third of the lease's time after it
    ran out: it then adopts every run that has not ended, also those that wait for people.

    Args:
        opened: makes the driver; called each time the lease is gained.
    """

    def __init__(self, runs: Runs, leader: Leader, opened: Callable[[], Driver]) -> None:
        self._runs = runs
        self._opened = opened
        self._driver: Driver | None = None
        self._lock = threading.Lock()
        self._watch = Watch(leader, self._gained, self._held, self._lost)

    def start(self) -> None:
        """Begin to try for the lease."""
        self._watch.start()

    def stop(self) -> None:
        """Let go of all runs and end; another process goes on with them."""
        self._watch.close()

    def wake(self, run_id: str) -> None:
        """Something happened to a run: it was let go, people answered or decided. Look at it now.

        Without the lease this does nothing: whoever holds it looks at every run again and again.
        """
        with self._lock:
            driver = self._driver
        if driver is not None:
            driver.wake(run_id)

    def _gained(self) -> None:
        driver = self._opened()
        driver.start()
        with self._lock:
            self._driver = driver
        self._held()

    def _held(self) -> None:
        if self._driver is not None:
            self._driver.adopt(self._runs.unended())

    def _lost(self) -> None:
        with self._lock:
            driver, self._driver = self._driver, None
        if driver is not None:
            driver.stop()
