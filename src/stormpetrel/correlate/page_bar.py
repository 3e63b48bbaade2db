"""The learned bar: how strong an incident has to be, so that the budget goes to the strongest ones."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from dataclasses import dataclass

from stormpetrel.correlate.page_ledger import WEEK_NANOS

LEAST, MOST = 4.0, 10.0
# Before anything is known: as many candidates a week as there are pages reach `_PRIOR_AT`, and ten times
# fewer for every `_PRIOR_DECADE` of strength above it. It weighs as much as half an observed week.
_PRIOR_AT, _PRIOR_DECADE, _PRIOR_WEEKS = 6.0, 3.0, 0.5
_MEMORY_WEEKS = 4
# Part of the allowance that the bar plans for; the rest waits for what nobody could plan for.
_AIM = 0.5
_STEP = 0.1


@dataclass(frozen=True, slots=True)
class Candidate:
    """A past candidate: when it was first seen and the most it came to."""

    time_unix_nano: int
    strength: float


class PageBar:
    """Remembers how strong the candidates of the last weeks were, and puts the bar where in a week half as
    many pass as may be spent.

    The bar lies between `LEAST` (below it nothing is ever paged) and `MOST` (what is stronger is always
    worth a page while there is room). It rises as the week's allowance is used up, by whatever used it.
    Time that goes backwards is a shorter memory, nothing else.

    Cost: O(log candidates) a question, O(candidates) for each new one; at most `most` are remembered.
    """

    def __init__(self, most: int = 5000) -> None:
        self._most = most
        self._seen: OrderedDict[str, Candidate] = OrderedDict()
        self._strengths: list[float] = []
        self._since: int | None = None

    def note(self, incident_id: str, time_unix_nano: int, strength: float) -> None:
        """A candidate is at least this strong; of one incident the greatest counts."""
        if self._since is None or time_unix_nano < self._since:
            self._since = time_unix_nano
        known = self._seen.get(incident_id)
        if known is not None and known.strength >= strength:
            return
        if known is not None:
            self._drop_strength(known.strength)
        self._seen[incident_id] = Candidate(known.time_unix_nano if known else time_unix_nano, strength)
        insort(self._strengths, strength)
        self.forget(time_unix_nano)

    def bar(self, now_unix_nano: int, limit: int, room: int) -> float:
        """The strength to ask for now. Changes nothing: another thread may ask, for showing it.

        Args:
            limit: pages that may be sent in seven days.
            room: how many of them are left.
        """
        if limit <= 0 or room <= 0:
            return MOST
        aim = _AIM * min(room, limit)
        low, high = 0, round((MOST - LEAST) / _STEP)
        while low < high:  # the smallest step that no more than `aim` a week reach
            middle = (low + high) // 2
            if self._rate(LEAST + middle * _STEP, now_unix_nano, limit) <= aim:
                high = middle
            else:
                low = middle + 1
        return round(LEAST + low * _STEP, 1)

    def rank(self, strength: float, now_unix_nano: int) -> int:
        """The place of a strength among the candidates of the last seven days; 1 is the strongest."""
        return 1 + sum(
            1
            for one in self._seen.values()
            if one.strength > strength and now_unix_nano - one.time_unix_nano < WEEK_NANOS
        )

    def _rate(self, strength: float, now: int, limit: int) -> float:
        """Candidates a week that reach this strength."""
        seen = len(self._strengths) - bisect_left(self._strengths, strength)
        since = now if self._since is None else max(self._since, now - _MEMORY_WEEKS * WEEK_NANOS)
        weeks = max(0.0, (now - since) / WEEK_NANOS)
        prior: float = limit * 10.0 ** ((_PRIOR_AT - strength) / _PRIOR_DECADE)
        return (seen + prior * _PRIOR_WEEKS) / (weeks + _PRIOR_WEEKS)

    def forget(self, now_unix_nano: int) -> None:
        """Leave out what is older than the memory."""
        while self._seen:
            oldest = next(iter(self._seen.values()))
            if (
                len(self._seen) <= self._most
                and now_unix_nano - oldest.time_unix_nano <= _MEMORY_WEEKS * WEEK_NANOS
            ):
                return
            self._seen.popitem(last=False)
            self._drop_strength(oldest.strength)

    def _drop_strength(self, strength: float) -> None:
        del self._strengths[bisect_left(self._strengths, strength)]
