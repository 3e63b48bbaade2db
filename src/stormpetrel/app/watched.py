"""Variables of log patterns that somebody chose to watch as series; kept in the control store."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import orjson
import structlog

from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.pattern import WatchedVariable
from stormpetrel.ports.control import ControlStore

log = structlog.get_logger(__name__)

MOST = 200
_KEY = "watched_variables"


class WatchedVariables:
    """What is watched; safe from several threads."""

    def __init__(self, control: ControlStore) -> None:
        self._control = control
        self._lock = threading.Lock()
        self._held = self._read()

    def _read(self) -> tuple[WatchedVariable, ...]:
        try:
            plain = orjson.loads(self._control.get(_KEY) or "[]")
            return tuple(
                WatchedVariable(int(one["pattern"], 16), str(one["variable"]), str(one["by"]))
                for one in plain
            )
        except (ValueError, KeyError, TypeError) as error:
            log.warning("watched_variables_unreadable", error=str(error)[:300])
            return ()

    def __call__(self) -> Sequence[WatchedVariable]:
        """All that are watched, oldest first."""
        return self._held

    def add(self, one: WatchedVariable) -> None:
        """Watch a variable; once more is no fault.

        Raises:
            StateError: as many are watched as may be.
            StoreError: it could not be kept, and is not watched.
        """
        with self._lock:
            if any(_same(one, held) for held in self._held):
                return
            if len(self._held) >= MOST:
                raise StateError(f"{MOST} variables are watched already; stop watching one first")
            self._keep((*self._held, one))

    def remove(self, pattern: int, variable: str) -> None:
        """Watch it no more.

        Raises:
            NotFoundError: it is not watched.
            StoreError: that could not be kept, and it is watched still.
        """
        with self._lock:
            left = tuple(held for held in self._held if (held.pattern, held.variable) != (pattern, variable))
            if len(left) == len(self._held):
                raise NotFoundError(
                    f"the variable {variable[:80]!r} of pattern {pattern:016x} is not watched"
                )
            self._keep(left)

    def _keep(self, held: tuple[WatchedVariable, ...]) -> None:
        plain = [{"pattern": f"{one.pattern:016x}", "variable": one.variable, "by": one.by} for one in held]
        self._control.put(_KEY, orjson.dumps(plain).decode())
        self._held = held


def _same(one: WatchedVariable, other: WatchedVariable) -> bool:
    return (one.pattern, one.variable) == (other.pattern, other.variable)
