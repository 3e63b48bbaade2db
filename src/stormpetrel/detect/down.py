"""Down: what says of itself, by 0 or 1, that it does not serve."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stormpetrel.detect.series_watch import SeriesWatch, Watched
from stormpetrel.detect.standing import Claim
from stormpetrel.model.finding import Evidence, Finding, Severity
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.model.time import from_seconds, to_iso, to_seconds

NAME = "down"
# `up` is of every scrape (Prometheus), `service_up` of every target that an actuator owns.
METRICS = frozenset({"up", "service_up"})
_FORGET = from_seconds(300)


@dataclass(slots=True)
class _Watched(Watched):
    """Where one series stands. `was_up`: it said 1 before; what never served has not fallen."""

    was_up: bool = False
    zeros: int = 0
    since: int = 0


class DownWatch(SeriesWatch[_Watched]):
    """One finding for each series `up` or `service_up` that falls to 0 and stays there.

    A rule, no statistic: these series have one meaning everywhere. It opens after `least_samples` zeros in a
    row that span `least_seconds`, so that one lost scrape is nothing, and closes with the first 1. A series
    that falls silent while it is down is closed as unknown after five minutes. Fails for what flaps faster
    than that, which the banks see.

    Cost: nothing while no such series exists; else one look-up a batch, and Python for their rows alone.
    Deterministic, in event time.

    Args:
        describe: what is known of a series id.
        least_samples: zeros in a row.
        least_seconds: that they span.
        most: series that are watched; further ones are not.
    """

    name = NAME
    forget_nanos = _FORGET

    def __init__(
        self,
        describe: Callable[[int], SeriesInfo],
        least_samples: int = 3,
        least_seconds: float = 4.0,
        most: int = 10_000,
    ) -> None:
        super().__init__(describe, most)
        self._least, self._span = least_samples, from_seconds(least_seconds)

    def wanted(self, info: SeriesInfo) -> bool:
        """Whether a series is looked at."""
        return info.metric in METRICS

    def fresh(self) -> _Watched:
        """Nothing is known of it."""
        return _Watched()

    def fallen_silent(self, one: _Watched) -> None:
        """Whatever it says next, it has not fallen."""
        one.zeros, one.was_up = 0, False

    def see(self, series: int, time: int, value: float) -> list[Finding]:
        """One sample."""
        one, key = self._watched[series], str(series)
        if time <= one.newest:
            return []
        one.newest = time
        if value > 0:
            one.was_up, one.zeros = True, 0
            down = to_seconds(time - one.since)
            return self._standing.over(
                key, time, f"It serves again since {to_iso(time)}, after {down:.0f} s."
            )
        if one.zeros == 0:
            one.since = time
        one.zeros += 1
        enough = one.was_up and one.zeros >= self._least and time - one.since >= self._span
        if not enough and key not in self._standing:
            return []
        return self._standing.hold(key, self._claim(series, one, time), time)

    def _claim(self, series: int, one: _Watched, now: int) -> Claim:
        info = self._describe(series)
        text = info.text()
        return Claim(
            entity=info.entity,
            title="scrapes failing" if info.metric == "up" else "service down",
            why=f"{text} is 0 since {to_iso(one.since)}, {one.zeros} times in a row; it was 1 before.",
            severity=Severity.ERROR,
            since_unix_nano=one.since,
            evidence=Evidence("metric", text, series, one.since, now, 0.0, 1.0, 1.0, 1.0, 1.0),
        )
