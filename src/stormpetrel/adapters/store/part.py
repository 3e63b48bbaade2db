"""What the parts of the store share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from stormpetrel.adapters.store.connections import Connections
from stormpetrel.model.time import Window, from_seconds

IN_WINDOW = ("time_unix_nano >= {start:Int64}", "time_unix_nano < {end:Int64}")

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


class StorePart:
    """Holds the connections that reading and writing go through."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def _scan(
        self, columns: str, table: str, then: str, window: Window, seconds: float
    ) -> Iterator[pa.Table]:
        """The rows of a window, at most `seconds` of time at once; silent times are skipped, not walked."""
        chunk = max(1, from_seconds(seconds))
        rows_there = select(columns, table, IN_WINDOW, then)
        first_there = select("min(time_unix_nano), count()", table, IN_WINDOW)
        start, silent = window.start_unix_nano, True
        while start < window.end_unix_nano:
            if silent:
                first = self._connections.query(first_there, bounds(Window(start, window.end_unix_nano)))
                if not first.column(1)[0].as_py():
                    return
                start = int(first.column(0)[0].as_py())
            end = min(start + chunk, window.end_unix_nano)
            found = self._connections.query(rows_there, bounds(Window(start, end)))
            silent = found.num_rows == 0
            if not silent:
                yield found
            start = end


def bounds(window: Window) -> dict[str, int]:
    """The window as the parameters {start:Int64} and {end:Int64}, cut to what a stored time can be."""
    return {
        "start": min(max(window.start_unix_nano, _LOWEST), _HIGHEST),
        "end": min(max(window.end_unix_nano, _LOWEST), _HIGHEST),
    }


def step_of(window: Window, steps: int) -> int:
    """The shortest step in nanoseconds, at least 1, of which `steps` cover the window."""
    length = window.end_unix_nano - window.start_unix_nano
    return min(max(1, -(-length // max(1, steps))), _HIGHEST)


def select(columns: str, table: str, where: Sequence[str] = (), then: str = "") -> str:
    """A SELECT from fixed pieces; whatever comes from outside goes in as a parameter `{name:Type}`.

    >>> select("count()", "logs", ["a = 1", "b = 2"], "LIMIT 3")
    'SELECT count() FROM logs WHERE a = 1 AND b = 2 LIMIT 3'
    """
    pieces = ["SELECT", columns, "FROM", table]
    if where:
        pieces += ["WHERE", " AND ".join(where)]
    return " ".join([*pieces, then]).rstrip()
