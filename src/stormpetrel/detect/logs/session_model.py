"""What sessions usually look like: the patterns a request goes through, how often, and in which order."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Iterable, Sequence

START, END = -1, -2


class SessionModel:
    """Counts of sessions by their vector of pattern counts, and of steps from one pattern to the next.

    `surprise` is how rare a session is, in bits: minus the binary logarithm of the share of sessions whose
    vector was at most as frequent as this one's when they came, by counts of now. A vector or step never
    seen counts as rare as new ones were of late (Good-Turing). Where all sessions differ, none is rare; the
    first ones say little, for everything is new then.

    Works where sessions are repeated work: requests, transactions, blocks. Fails on sessions of free length
    (a shell): their vectors are always new, which is learnt, and then only their steps speak. Two sessions
    with one vector are the same to it, whatever the values in their lines. Bounds: `max_vectors` and
    `max_steps`, least recently seen go first. Cost: O(patterns) and O(distinct counts), a few hundred.

    Reference: the count vector is that of Xu et al., *Detecting Large-Scale System Problems by Mining
    Console Logs* (SOSP 2009); steps as in Landauer et al., *A Critical Review of Common Log Data Sets*
    (2023), where unseen vectors and 2-grams match deep models.
    """

    def __init__(self, max_vectors: int = 50_000, max_steps: int = 50_000) -> None:
        self._max_vectors, self._max_steps = max_vectors, max_steps
        self._vectors: OrderedDict[int, int] = OrderedDict()
        self._vectors_of: Counter[int] = Counter()  # how many vectors were seen so often
        self._steps: OrderedDict[tuple[int, int], None] = OrderedDict()
        self.sessions = 0
        self.new_vectors = 0.0  # of late: each counts less by a part in `memory` with every session
        self.new_steps = 0.0
        self.memory = 2000.0

    def is_new(self, patterns: Sequence[int]) -> bool:
        """Whether its vector or one of its steps was never seen."""
        return vector_of(patterns) not in self._vectors or self._has_new_step(patterns)

    def _has_new_step(self, patterns: Sequence[int]) -> bool:
        return any(step not in self._steps for step in steps_of(patterns))

    def surprise(self, patterns: Sequence[int]) -> float:
        """Bits, at least 0; 0 while nothing is known."""
        if not self.sessions:
            return 0.0
        told = min(float(self.sessions), self.memory) + 1.0
        new = (self.new_vectors + 0.5) / told
        share = new
        seen = self._vectors.get(vector_of(patterns), 0)
        if seen:
            rarer = sum(count * many for count, many in self._vectors_of.items() if count <= seen)
            share = new + rarer / self.sessions
        if self._has_new_step(patterns):
            share = min(share, (self.new_steps + 0.5) / told)
        return max(0.0, -math.log2(share))

    def learn(self, patterns: Sequence[int]) -> None:
        """Take a session that is over."""
        keep = 1.0 - 1.0 / self.memory
        self.new_vectors *= keep
        self.new_steps *= keep
        vector = vector_of(patterns)
        before = self._vectors.get(vector, 0)
        self.new_vectors += not before
        self._vectors[vector] = before + 1
        self._vectors.move_to_end(vector)
        self._vectors_of[before + 1] += 1
        self._forget_count(before)
        if len(self._vectors) > self._max_vectors:
            self._forget_count(self._vectors.popitem(last=False)[1])
        self.new_steps += self._has_new_step(patterns)
        for step in steps_of(patterns):
            self._steps[step] = None
            self._steps.move_to_end(step)
        while len(self._steps) > self._max_steps:
            self._steps.popitem(last=False)
        self.sessions += 1

    def _forget_count(self, count: int) -> None:
        self._vectors_of[count] -= 1
        if self._vectors_of[count] <= 0:
            del self._vectors_of[count]


def vector_of(patterns: Iterable[int]) -> int:
    """A hash of how often each pattern occurs, whatever the order."""
    return hash(tuple(sorted(Counter(patterns).items())))


def steps_of(patterns: Sequence[int]) -> Iterable[tuple[int, int]]:
    """Each pattern with the one after it, the ends of the session included."""
    return zip((START, *patterns), (*patterns, END), strict=True)
