"""One source: its header, its groups, and the upkeep that holds both in bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import lru_cache

from stormpetrel.patterns.groups import Group, Groups, root
from stormpetrel.patterns.header import LONGEST, REMEMBERED, Layout, learn
from stormpetrel.patterns.identity import AliasLog, pattern_id
from stormpetrel.patterns.kernel import LEARNT
from stormpetrel.patterns.mask import Constant, Tokens
from stormpetrel.patterns.rows import Rows
from stormpetrel.patterns.structured import key_of
from stormpetrel.patterns.values import values_of

MAX_PATTERNS, KEPT_SHARE = 2000, 0.9  # of a source; what is left of them after a cleaning
MAX_KEYS, MAX_SIBLINGS, MAX_PLACES = 16_384, 20_000, 2048
MAX_DEAD = 4096  # rows of merged patterns that wait for the cache to be emptied
RECENT, MAX_LINE = 256, 2000  # lines kept to learn the header; characters of each
NEWEST = 64  # of them show whether the header has changed
FOREIGN_SHARE = 0.3  # of these do not begin like the header: then it is learnt anew

Skeleton = Callable[[str], str]
Reading = tuple[Tokens, tuple[Constant, ...], int]  # key, constants, words


def read(layout: Layout, skeleton: str) -> Reading:
    """What makes the pattern of a skeleton under a header: its key, its constants, and how many words its
    message has. Some 40 microseconds, one where it was read lately."""
    return _read(layout, skeleton) if len(skeleton) <= LONGEST else _read.__wrapped__(layout, skeleton)


@lru_cache(REMEMBERED)
def _read(layout: Layout, skeleton: str) -> Reading:
    message = layout.message(skeleton)
    return *key_of(message), len(message.split())


class Stream:
    """The lines of one source, one skeleton at a time.

    While the header is unknown nothing merges; once it is guessed, and once it is learnt, what came before is
    mined again from its samples, and the old ids lead to the new ones. The same happens when a source changes
    its header.
    """

    def __init__(self, name: str, index: int, rows: Rows, aliases: AliasLog) -> None:
        self.name, self._index, self._rows, self._aliases = name, index, rows, aliases
        self.layout = Layout()
        self.recent: deque[tuple[str, str]] = deque(maxlen=RECENT)
        self.evicted = 0
        self.groups = self._groups(merging=False)

    def _groups(self, merging: bool) -> Groups:
        return Groups(self.new_row, self._rows.lines, self._merge, merging)

    def new_row(self) -> int:
        """A row of the state for a pattern of this source."""
        return self._rows.new(self._index)

    def add(self, line: str, skeleton: str) -> tuple[Group, bool]:
        """The group of a line, and whether it is a new one."""
        key, constants, _ = read(self.layout, skeleton)
        return self._add(line, key, constants)

    def _add(self, line: str, key: Tokens, constants: tuple[Constant, ...]) -> tuple[Group, bool]:
        group = self.groups.add(key)
        group.learn(constants)
        new = not group.sample
        if new:
            group.sample = line[:MAX_LINE]
            self._named(group)
        return group, new

    def look(self, line: str, skeleton: str, origin: str) -> None:
        """Take from a line samples, values and how it begins; called for lines that no cache chooses."""
        group, _ = self.add(line, skeleton)
        self.recent.append((line[:MAX_LINE], skeleton[:MAX_LINE]))
        self._rows.details[group.row].look(line, origin)
        self._values(group, line, skeleton)

    def _values(self, group: Group, line: str, skeleton: str) -> None:
        _, _, words = read(self.layout, skeleton)
        self._rows.details[group.row].take(values_of(line, group.key, words))

    def _named(self, group: Group) -> None:
        own = pattern_id(self.name, " ".join(group.key))
        self._rows.set_id(group.row, own)
        self._aliases.lives(own)

    def id_of(self, group: Group) -> int:
        """The id of a group's pattern."""
        return pattern_id(self.name, " ".join(group.key))

    def _merge(self, groups: list[Group], into: Group, key: Tokens) -> None:
        new = pattern_id(self.name, " ".join(key))
        self._aliases.lives(new)
        details = self._rows.details
        for group in groups:
            old = self.id_of(group)
            if group.sample and old != new:
                self._aliases.add(old, new, "merged")
                details[group.row].merged.append(old)
            if group is not into:
                self._rows.merge(group.row, into.row)
                into.sample = into.sample or group.sample
        self._rows.set_id(into.row, new)

    # Upkeep -------------------------------------------------------------------------------------------

    def keep(self, seen: int, skeleton: Skeleton) -> None:
        """Learn the header when it is time, let go what is too much. Called after fixed numbers of lines."""
        if seen <= LEARNT:
            layout = learn(list(self.recent))
            self._relayout(layout, seen == LEARNT or layout.kinds != (), skeleton)
        else:
            changed = self._changed()
            if changed is not None:
                self._relayout(changed, True, skeleton, learnt=True)
        self._clean()

    def _changed(self) -> Layout | None:
        """The header that the newest lines have instead of the known one, if they agree on it."""
        newest = list(self.recent)[-NEWEST:]
        fitting = sum(self.layout.fits(text) for _, text in newest)
        if self.layout.kinds and fitting >= (1 - FOREIGN_SHARE) * len(newest):
            return None
        half = len(newest) // 2
        layout = learn(newest[half:])
        steady = layout.kinds and layout == learn(newest[:half])
        return layout if steady and layout != self.layout else None

    def _relayout(self, layout: Layout, merging: bool, skeleton: Skeleton, learnt: bool = False) -> None:
        """Mine the samples of all patterns again under another header, and lead their ids on.

        When a source that was learnt changes, patterns from under the old header stay as they are.
        """
        if layout == self.layout and merging == self.groups.merging:
            return
        old, was = self.groups.live(), self.layout
        self.layout, self.groups = layout, self._groups(merging)
        for group in old:
            before = self.id_of(group)
            said = skeleton(group.sample)
            key, constants, _ = read(layout, said)
            if learnt and was.kinds and was.fits(said):
                key, constants = group.key, group.said()
            became, _ = self._add(group.sample, key, constants)
            after = self.id_of(became)
            if after != before:
                self._aliases.add(before, after, "layout")
                self._rows.details[group.row].merged.append(before)
            self._rows.details[group.row].variables = {}  # the header's are among them
            self._rows.merge(group.row, became.row)
        for line, text in self.recent:
            known = self.groups.keys.get(read(layout, text)[0])
            if known is not None:
                self._values(root(known), line, text)
        self._rows.forget()

    def _clean(self) -> None:
        live = self.groups.live()
        if len(live) > MAX_PATTERNS:
            oldest = sorted(live, key=lambda group: (self._rows.last_seen(group.row), group.row))
            gone = oldest[: len(live) - int(MAX_PATTERNS * KEPT_SHARE)]
            for group in gone:
                self._rows.evict(group.row)
            self.evicted += len(gone)
            self.groups.forget(gone)
            self._rows.recycle()
        if len(self.groups.keys) > MAX_KEYS:
            self.groups.shorten()
            self._rows.forget()
        if len(self._rows.dead) > MAX_DEAD:
            self._rows.recycle()
        self.groups.bound(MAX_SIBLINGS, MAX_PLACES)
