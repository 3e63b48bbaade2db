"""Identity of patterns: the id is a hash of what the pattern says, and a log tells what became of old ids."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

from stormpetrel.model.pattern import Alias

MAX_ALIASES = 50_000


def pattern_id(source: str, text: str) -> int:
    """The id of a pattern: 63 bits of BLAKE2b over source and text. The same after a restart, in any order.

    >>> f"{pattern_id('web', 'took <*> ms'):016x}"
    '7bf975afc66010e6'
    """
    digest = blake2b(f"{source}\0{text}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class AliasLog:
    """What became of ids: appended to, never changed. The newest entry of an id holds.

    A pattern that comes back to life under an id that had been merged gets an entry from the id to itself.
    Holds at most MAX_ALIASES entries; the oldest go, and are counted in `dropped`.
    """

    def __init__(self, entries: Iterable[Alias] = (), dropped: int = 0) -> None:
        self.entries = list(entries)
        self.dropped = dropped
        self._now = {entry.old: entry.new for entry in self.entries}

    def add(self, old: int, new: int, reason: str) -> None:
        """Say that what was `old` is `new` from now on; `reason` is one of `merged`, `layout`, `returned`."""
        if self._now.get(old, old) == new:
            return
        self.entries.append(Alias(self.dropped + len(self.entries), old, new, reason))
        self._now[old] = new
        if len(self.entries) > MAX_ALIASES:
            half = MAX_ALIASES // 2
            self.dropped += half
            del self.entries[:half]
            self._now = {entry.old: entry.new for entry in self.entries}

    def lives(self, pattern: int) -> None:
        """A pattern has this id now, whatever became of it before."""
        if pattern in self._now:
            self.add(pattern, pattern, "returned")

    def resolve(self, pattern: int) -> int:
        """What an id of any age is called today; O(merges it went through)."""
        seen = set()
        while pattern not in seen:
            seen.add(pattern)
            pattern = self._now.get(pattern, pattern)
        return pattern

    def since(self, position: int) -> list[Alias]:
        """The entries from a position on; what was dropped cannot be had any more."""
        return self.entries[max(0, position - self.dropped) :]
