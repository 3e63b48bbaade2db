"""The pages that were sent, and how many more may be: no seven days ever hold more than was promised."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable
from dataclasses import dataclass

from stormpetrel.model.finding import Severity
from stormpetrel.model.time import from_seconds

WEEK_NANOS = from_seconds(7 * 86_400)
TIERS = (Severity.WARNING, Severity.ERROR, Severity.CRITICAL)


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many pages any seven days may hold, and how many have to be left for whom.

    A warning is only paged while fewer pages than the first limit are used, by whatever; an error while
    fewer than the second; what is critical up to the last. So the last pages of a week are a reserve that
    nothing weaker can touch.

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
        """For warnings, for errors, for what is critical."""
        critical = int(self.critical_share * self.per_week + 1e-9)
        error = int(self.error_share * self.per_week + 1e-9)
        return max(0, self.per_week - critical - error), max(0, self.per_week - critical), self.per_week

    def limit(self, tier: Severity) -> int:
        """Pages in all that may be used when one of this tier is the last of them."""
        return self.limits[TIERS.index(tier)]


class PageLedger:
    """Times of pages. A page is only written where every window of seven days around it has room.

    The promise does not rest on time going forward: whichever page of a window was *written* last, it
    was checked against all others of that window. So the clock may jump either way. What is forgotten
    (the oldest times, beyond `most`) closes the time before it: a page there is refused.

    Cost: O(pages within seven days) a question.
    """

    def __init__(self, allowance: Allowance, most: int = 20_000) -> None:
        self.allowance = allowance
        self._most = most
        self._times: list[int] = []  # sorted
        self._closed_before = -(1 << 62)

    def room(self, time_unix_nano: int, tier: Severity) -> int:
        """How many pages of this tier may be written at this time now; 0 or less: none."""
        if time_unix_nano < self._closed_before:
            return 0
        return self.allowance.limit(tier) - self.fullest_with(time_unix_nano)

    def write(self, time_unix_nano: int, tier: Severity) -> bool:
        """Write a page if there is room; whether there was."""
        if self.room(time_unix_nano, tier) <= 0:
            return False
        self._keep(time_unix_nano)
        return True

    def restore(self, times_unix_nano: Iterable[int]) -> None:
        """Take over pages that were sent, whatever the allowance is now."""
        for time in times_unix_nano:
            self._keep(time)

    def used(self, now_unix_nano: int) -> int:
        """Pages in the seven days up to and with `now`."""
        return bisect_right(self._times, now_unix_nano) - bisect_right(
            self._times, now_unix_nano - WEEK_NANOS
        )

    def fullest(self) -> int:
        """The most pages in any seven days of all that is remembered."""
        times = self._times
        return max((bisect_left(times, t + WEEK_NANOS) - k for k, t in enumerate(times)), default=0)

    def fullest_with(self, moment: int) -> int:
        """The most pages in any half-open seven days that hold this moment.

        Moved right, a window loses no page until its first one is at its edge: so only windows that begin
        at a page, or at the moment itself, need to be counted.
        """
        times = self._times
        first, last = bisect_right(times, moment - WEEK_NANOS), bisect_right(times, moment)
        starts = (*times[first:last], moment)
        return max(bisect_left(times, start + WEEK_NANOS) - bisect_left(times, start) for start in starts)

    def next_free(self, now_unix_nano: int, tier: Severity) -> int:
        """The first time from `now` on at which a page of this tier fits; 0 when none ever does."""
        ends = [time + WEEK_NANOS for time in self._times if time + WEEK_NANOS > now_unix_nano]
        return next((t for t in (now_unix_nano, *ends) if self.room(t, tier) > 0), 0)

    def _keep(self, time: int) -> None:
        insort(self._times, time)
        if len(self._times) > self._most:
            self._closed_before = max(self._closed_before, self._times.pop(0) + WEEK_NANOS)
