"""The pages that were sent, and how many more may be: no seven days ever hold more than was promised."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass

from stormpetrel.model.finding import Severity
from stormpetrel.model.time import from_seconds

WEEK_NANOS = from_seconds(7 * 86_400)
TIERS = (Severity.WARNING, Severity.ERROR, Severity.CRITICAL)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many pages any seven days may hold.

    Limits are nested: warnings share the first, errors and warnings the second, all of them the third.
    What lies between two limits is a reserve that nothing weaker can touch.

    Args:
        per_week: pages in any seven days, at most.
        error_share, critical_share: parts of it that are kept for errors, and for what is critical.

    >>> Allowance(5, 0.2, 0.2).limits
    (3, 4, 5)
    >>> Allowance(1, 0.2, 0.2).limits
    (1, 1, 1)
    """

    per_week: int
    error_share: float = 0.2
    critical_share: float = 0.2

    @property
    def limits(self) -> tuple[int, int, int]:
        """Of warnings; of errors and warnings; of all."""
        critical = int(self.critical_share * self.per_week + 1e-9)
        error = int(self.error_share * self.per_week + 1e-9)
        return max(0, self.per_week - critical - error), max(0, self.per_week - critical), self.per_week


class PageLedger:
    """Times of pages by tier. A page is only written where every window of seven days around it has room.

    The promise does not rest on time going forward: whichever page of a window was *written* last, it
    was checked against all others of that window. So the clock may jump either way. What is forgotten
    (the oldest times, beyond `most`) closes the time before it: a page there is refused.

    Cost: O(pages within seven days) a question.
    """

    def __init__(self, allowance: Allowance, most: int = 20_000) -> None:
        self.allowance = allowance
        self._most = most
        self._pages: list[tuple[int, int]] = []  # time, tier; sorted
        self._closed_before = -(1 << 62)

    def room(self, time_unix_nano: int, tier: Severity) -> int:
        """How many pages of this tier may be written at this time now; 0 or less: none."""
        if time_unix_nano < self._closed_before:
            return 0
        near = self._near(time_unix_nano)
        room = 1 << 30
        for limit, least in zip(self.allowance.limits, TIERS, strict=True):
            if least < tier:
                continue
            times = [time for time, paid in near if paid <= least]
            room = min(room, limit - _fullest_with(times, time_unix_nano))
        return room

    def write(self, time_unix_nano: int, tier: Severity) -> bool:
        """Write a page if there is room; whether there was."""
        if self.room(time_unix_nano, tier) <= 0:
            return False
        self._keep(time_unix_nano, tier)
        return True

    def restore(self, pages: Sequence[tuple[int, Severity]]) -> None:
        """Take over pages that were sent, whatever the allowance is now."""
        for time, tier in pages:
            self._keep(time, tier)

    def used(self, now_unix_nano: int, tier: Severity = Severity.CRITICAL) -> int:
        """Pages of this tier and below in the seven days up to and with `now`."""
        return sum(
            1
            for time, paid in self._near(now_unix_nano)
            if time > now_unix_nano - WEEK_NANOS and time <= now_unix_nano and paid <= tier
        )

    def fullest(self) -> int:
        """The most pages in any seven days of all that is remembered."""
        times = [time for time, _ in self._pages]
        return max((bisect_left(times, t + WEEK_NANOS) - k for k, t in enumerate(times)), default=0)

    def next_free(self, now_unix_nano: int, tier: Severity) -> int:
        """The first time from `now` on at which a page of this tier fits; 0 when none ever does."""
        ends = [time + WEEK_NANOS for time, _ in self._pages if time + WEEK_NANOS > now_unix_nano]
        return next((t for t in (now_unix_nano, *ends) if self.room(t, tier) > 0), 0)

    def _keep(self, time: int, tier: Severity) -> None:
        insort(self._pages, (time, int(tier)))
        if len(self._pages) > self._most:
            gone, _ = self._pages.pop(0)
            self._closed_before = max(self._closed_before, gone + WEEK_NANOS)

    def _near(self, time: int) -> list[tuple[int, int]]:
        first = bisect_right(self._pages, (time - WEEK_NANOS, 9))
        return self._pages[first : bisect_left(self._pages, (time + WEEK_NANOS, 0))]


def _fullest_with(times: Sequence[int], moment: int) -> int:
    """The most of `times`, sorted, in any half-open seven days that hold `moment`."""
    starts = [time for time in times if time <= moment]
    return max(
        (bisect_left(times, start + WEEK_NANOS) - bisect_left(times, start) for start in (*starts, moment)),
        default=0,
    )
