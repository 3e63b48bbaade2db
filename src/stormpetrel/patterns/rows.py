"""The rows of the miner's state: one a pattern, given out, merged and taken back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stormpetrel.patterns.details import Details
from stormpetrel.patterns.kernel import (
    COLUMNS,
    FIRST,
    ID,
    IN_MINUTE,
    LAST,
    LINES,
    MINUTE,
    NEVER,
    ROOT,
    SEVERITIES,
    SEVERITY,
    SOURCE,
)
from stormpetrel.patterns.skeleton import put

TABLE = 1 << 18  # places of the skeleton cache; it is emptied when half of them are taken
SPILL = 4096  # finished minutes that wait for Python


class Rows:
    """Counts and details of all patterns, and the cache from skeletons to rows.

    Attributes:
        state: int64[capacity, COLUMNS], see `kernel`; doubles when full.
        table: the skeleton cache, keys and values; empty arrays of one place when there is none.
        details: by row, of rows in use.
        dead: rows that were merged or evicted and may still stand in the cache.
    """

    def __init__(self, cached: bool = True) -> None:
        self.state: NDArray[np.int64] = np.zeros((1024, COLUMNS), np.int64)
        places = TABLE if cached else 1
        self.table = (np.zeros(places, np.int64), np.zeros(places, np.int32))
        self.cached, self.skeletons, self.cleared = cached, 0, 0
        self.spill: NDArray[np.int64] = np.zeros((SPILL, 3), np.int64)
        self.details: dict[int, Details] = {}
        self._by_id: dict[int, int] = {}
        self.dead: list[int] = []
        self._members: dict[int, list[int]] = {}
        self._free: list[int] = []
        self._used = 0

    def new(self, source: int) -> int:
        """A free row for a pattern of a source."""
        if self._free:
            row = self._free.pop()
        else:
            row = self._used
            self._used += 1
            if row >= len(self.state):
                self.state = np.concatenate([self.state, np.zeros_like(self.state)])
        self.state[row] = 0
        self.state[row, ROOT], self.state[row, SOURCE] = row, source
        self.state[row, FIRST] = self.state[row, LAST] = NEVER
        self.details[row] = Details()
        self._members[row] = [row]
        return row

    def remember(self, skeleton: int, row: int) -> None:
        """Put a skeleton's hash into the cache."""
        if not self.cached:
            return
        self.skeletons += put(*self.table, skeleton, row)
        if self.skeletons * 2 > TABLE:
            self.forget()

    def forget(self) -> None:
        """Empty the cache; from here on dead rows can be used again."""
        self.table[0][:] = 0
        self.skeletons, self.cleared = 0, self.cleared + 1

    def merge(self, row: int, into: int) -> None:
        """Let a row become part of another: counts are added, details absorbed, the cache led on."""
        self.drain()
        one, two = self.state[row], self.state[into]
        if one[FIRST] != NEVER:
            two[FIRST] = one[FIRST] if two[FIRST] == NEVER else min(one[FIRST], two[FIRST])
        two[LAST] = max(one[LAST], two[LAST])
        two[LINES] += one[LINES]
        two[SEVERITY : SEVERITY + SEVERITIES] += one[SEVERITY : SEVERITY + SEVERITIES]
        details = self.details[into]
        details.absorb(self.details.pop(row))
        if one[MINUTE] == two[MINUTE]:
            two[IN_MINUTE] += one[IN_MINUTE]
        elif one[IN_MINUTE]:
            details.minute(int(one[MINUTE]), int(one[IN_MINUTE]))
        members = self._members.pop(row)
        self.state[members, ROOT] = into
        self._members[into] += members
        self.dead.append(row)

    def evict(self, row: int) -> None:
        """Let a pattern go. The cache must be emptied before the row is used again."""
        self.drain()
        del self.details[row]
        self.dead += self._members.pop(row)

    def recycle(self) -> None:
        """Empty the cache and take back the rows that died."""
        self.drain()
        self.forget()
        for members in self._members.values():
            del members[1:]
        self._free += sorted(set(self.dead), reverse=True)
        self.dead = []
        self._by_id = {int(self.state[row, ID]): row for row in self.details}

    def drain(self) -> None:
        """Take over the finished minutes."""
        finished = int(self.spill[0, 0])
        if not finished:
            return
        for row, minute, lines in self.spill[1 : finished + 1].tolist():
            details = self.details.get(int(self.state[row, ROOT]))
            if details is not None:
                details.minute(minute, lines)
        self.spill[0, 0] = 0

    def lines(self, row: int) -> int:
        """How many lines a row has had."""
        return int(self.state[row, LINES])

    def set_id(self, row: int, pattern: int) -> None:
        """Give a row its pattern id."""
        self.state[row, ID] = pattern
        self._by_id[pattern] = row

    def row_of(self, pattern: int) -> int | None:
        """The row of a pattern that lives under this id."""
        row = self._by_id.get(pattern)
        return row if row in self.details and int(self.state[row, ID]) == pattern else None

    def last_seen(self, row: int) -> int:
        """Unix nanoseconds of the newest line."""
        return int(self.state[row, LAST])
