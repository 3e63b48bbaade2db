"""Growing logs: a file system that is for logs alone and fills far faster than it ever does."""

from __future__ import annotations

import re
from collections import deque
from dataclasses import dataclass, field

from stormpetrel.detect.series_watch import SeriesWatch, Watched
from stormpetrel.detect.standing import Claim
from stormpetrel.model.finding import Evidence, Finding, Severity
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.model.time import from_seconds, to_seconds

NAME = "growing_log"
METRIC = "host_filesystem_used_ratio"
# Mounted for logs: /var/log, /srv/logs, /data/log/app. Elsewhere nobody can tell a log from what else grows.
_FOR_LOGS = re.compile(r"/logs?(/|$)")
_SPAN = from_seconds(600.0)  # growth is looked at over this
_EVERY = from_seconds(30.0)  # one sample in so long is remembered
_LEAST_GROWTH = 0.002  # of the whole, within the span: less is no haste
_TIMES = 3.0  # as fast as the fastest before
_FULL_SECONDS = 24 * 3600.0
_HALF_LIFE = from_seconds(7 * 86_400.0)
_FORGET = from_seconds(600.0)


@dataclass(slots=True)
class _Watched(Watched):
    """Samples within the span, the most that was filled within one before, and while its finding stands."""

    recent: deque[tuple[int, float]] = field(default_factory=deque)
    fastest: float = 0.0
    fastest_at: int = 0
    told: float = 0.0
    pending: deque[tuple[int, float]] = field(default_factory=deque)


class GrowingLogWatch(SeriesWatch[_Watched]):
    """One finding for each file system of logs that would be full within a day and never filled so fast.

    A rule: over ten minutes it fills three times as fast as in any ten minutes before (which fade with a
    half-life of a week), by two thousandths of the whole at least, and at that pace it is full within 24
    hours. It closes when it fills at half that pace or is emptied, and as unknown after ten silent minutes.

    Fails (says nothing) where logs share a file system with what else grows, and in a host's first ten
    minutes: which file it is, nobody tells.

    Args:
        describe: what is known of a series id.
        most: series that are watched; further ones are not.
    """

    name = NAME
    forget_nanos = _FORGET

    def wanted(self, info: SeriesInfo) -> bool:
        """Whether a series is looked at."""
        return info.metric == METRIC and for_logs(info)

    def fresh(self) -> _Watched:
        """Nothing is known of it."""
        return _Watched()

    def see(self, series: int, time: int, value: float) -> list[Finding]:
        """One sample."""
        used = value
        one = self._watched[series]
        if time < one.newest + _EVERY:
            return []
        silent = time - one.newest > _FORGET
        emptied = bool(one.recent) and used < one.recent[-1][1] - _LEAST_GROWTH
        if silent or emptied:
            one.recent.clear()  # growth is looked at anew
        one.newest = time
        one.recent.append((time, used))
        if emptied and not silent:
            return self._over(series, one, f"It was emptied to {used:.0%}.")
        while time - one.recent[0][0] > _SPAN:
            one.recent.popleft()
        if time - one.recent[0][0] < _SPAN - _EVERY:
            return []
        return self._judge(series, one, used)

    def _judge(self, series: int, one: _Watched, used: float) -> list[Finding]:
        key, time = str(series), one.newest
        known = self._learn(one, time)
        grown = max(0.0, used - one.recent[0][1])
        usual = one.fastest * 0.5 ** ((time - one.fastest_at) / _HALF_LIFE)
        bound = max(_LEAST_GROWTH, _TIMES * usual)
        pace = grown / to_seconds(time - one.recent[0][0])
        full = (1.0 - used) / pace if pace > 0 else _FULL_SECONDS * 2
        if key in self._standing and grown < bound / 2:
            return self._over(series, one, "It fills no faster than usual now.")
        if key in self._standing or (known and grown >= bound and full <= _FULL_SECONDS):
            one.told = max(one.told, grown)
            one.pending.clear()
            return self._standing.hold(key, self._claim(series, one, (grown, bound, full)), time)
        one.pending.append((time, grown))
        return []

    @staticmethod
    def _learn(one: _Watched, time: int) -> bool:
        """What was not strange is usual a span later, or a pace that grows would be its own measure; whether
        anything is known."""
        while one.pending and time - one.pending[0][0] > _SPAN:
            then, grown = one.pending.popleft()
            usual = one.fastest * 0.5 ** ((then - one.fastest_at) / _HALF_LIFE)
            if grown >= usual or not one.fastest_at:
                one.fastest, one.fastest_at = grown, then
        return one.fastest_at > 0

    def _over(self, series: int, one: _Watched, said: str) -> list[Finding]:
        """Its finding is closed, and such a pace is known from now on: what comes nightly is told once."""
        one.pending.clear()
        if one.told:
            one.fastest, one.fastest_at, one.told = max(one.told, one.fastest), one.newest, 0.0
        return self._standing.over(str(series), one.newest, said)

    def _claim(self, series: int, one: _Watched, numbers: tuple[float, float, float]) -> Claim:
        """`numbers`: what was filled, what would be strange, and seconds until it is full."""
        info, (grown, bound, full) = self._describe(series), numbers
        start, time = one.recent[0][0], one.newest
        used = one.recent[-1][1]
        minutes = to_seconds(time - start) / 60.0
        return Claim(
            entity=info.entity,
            title="its logs fill the disk",
            why=(
                f"{info.text()}: {grown:.1%} of it filled within {minutes:.0f} minutes, to {used:.0%}; it is"
                f" full in {full / 3600:.1f} hours at that pace. {bound:.1%} would be strange."
            ),
            severity=Severity.ERROR if full < 3600.0 else Severity.WARNING,
            since_unix_nano=start,
            evidence=Evidence(
                "metric", info.text(), series, start, time, used, used - grown, 0.0, used - grown, 1.0, "1"
            ),
        )


def for_logs(info: SeriesInfo) -> bool:
    """Whether a file system is for logs alone, as far as its mount point says.

    >>> for_logs(SeriesInfo(0, METRIC, (("mountpoint", "/var/log"),), "host:a", "host"))
    True
    """
    labels = dict(info.labels)
    place = labels.get("mountpoint", labels.get("path", ""))
    return _FOR_LOGS.search(place) is not None
