"""What the topology keeps of an edge, and of an entity."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field

from stormpetrel.model.topology import EdgeKind

WITNESSES = 16  # series by which an edge is known to be there still; the newest ones


@dataclass(slots=True)
class Seen:
    """When an edge was seen, and the series by which it is known to be there still."""

    first: int
    last: int
    witnesses: deque[int] = field(default_factory=lambda: deque(maxlen=WITNESSES))


@dataclass(slots=True)
class Ends:
    """The other ends of an entity's edges, with how many kinds of edge lead there; and of those the ones by
    calls, by what runs on what, and by connections."""

    needs: dict[str, int] = field(default_factory=dict)
    needed_by: dict[str, int] = field(default_factory=dict)
    called: dict[str, int] = field(default_factory=dict)
    placed: dict[str, int] = field(default_factory=dict)
    connected: dict[str, int] = field(default_factory=dict)
    kin: dict[str, int] = field(default_factory=dict)

    def kinds(self) -> tuple[dict[str, int], dict[str, int], dict[str, int]]:
        """The other ends whichever way the edge goes, by calls, by places and by connections."""
        return self.called, self.placed, self.connected

    def of(self, kind: EdgeKind) -> dict[str, int]:
        """Those of one kind of edge."""
        if kind is EdgeKind.RUNS_ON:
            return self.placed
        if kind is EdgeKind.CONNECTS:
            return self.connected
        return self.kin if kind is EdgeKind.OWNS else self.called
