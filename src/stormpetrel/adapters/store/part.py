"""What the parts of the store share."""

from __future__ import annotations

from collections.abc import Sequence

from stormpetrel.adapters.store.connections import Connections
from stormpetrel.model.time import Window

_LOWEST, _HIGHEST = -(2**63), 2**63 - 1


class StorePart:
    """Holds the connections that reading and writing go through."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections


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
