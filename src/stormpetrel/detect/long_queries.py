"""Runaway queries: a transaction that has been open for far longer than this kind of it ever is."""

from __future__ import annotations

from dataclasses import dataclass

from stormpetrel.detect.series_watch import SeriesWatch, Watched
from stormpetrel.detect.standing import Claim
from stormpetrel.model.finding import Evidence, Finding, Severity
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.model.time import from_seconds, to_iso

NAME = "runaway_query"
METRIC = "pg_stat_activity_max_tx_duration"  # postgres_exporter, seconds, by database, state and user
# Of these nobody waits, or nobody is to end them.
_STATES = frozenset({"active", "idle in transaction", "idle in transaction (aborted)"})
_BACKUPS = ("pg_dump", "pg_basebackup", "pgbackrest", "barman", "wal-g", "replica", "autovacuum", "debezium")
# By itself it is no outage: whoever waits for it shows in latencies, and together they are strong.
_P_VALUE = 0.05
_LEAST_SECONDS = 600.0
_TIMES = 1.5  # as long as the longest before
_HALF_LIFE = from_seconds(7 * 86_400.0)
_FORGET = from_seconds(300.0)
_LABELS = ("datname", "state", "usename", "application_name", "server")


@dataclass(slots=True)
class _Watched(Watched):
    """The longest transaction that ended before, when that was, and the one that is open now."""

    longest: float = 0.0
    longest_at: int = 0
    now: float = 0.0


class LongQueryWatch(SeriesWatch[_Watched]):
    """One finding for each series of the longest open transaction that outgrows all that were usual.

    A rule: it opens when a transaction is open for ten minutes and half as long again as the longest one
    that ended before on the same database, state and user; what is usual fades with a half-life of a week. So
    a nightly report is told once. Tools of backup and replication are not looked at. It closes when the
    transaction ends, and as unknown after five silent minutes.

    The exporter does not name the session: what is to be ended has to be found with the database itself.
    Fails for many short queries that are slow together, which latencies show.

    Args:
        describe: what is known of a series id.
        most: series that are watched; further ones are not.
    """

    name = NAME
    forget_nanos = _FORGET

    def wanted(self, info: SeriesInfo) -> bool:
        """Whether a series is looked at."""
        return info.metric == METRIC and looked_at(info)

    def fresh(self) -> _Watched:
        """Nothing is known of it."""
        return _Watched()

    def see(self, series: int, time: int, value: float) -> list[Finding]:
        """One sample."""
        seconds = value
        one, key = self._watched[series], str(series)
        if time <= one.newest:
            return []
        changes: list[Finding] = []
        if seconds < one.now:  # the one that was longest has ended
            changes = self._standing.over(key, time, f"It ended after {one.now:.0f} s.")
            usual = one.longest * 0.5 ** ((time - one.longest_at) / _HALF_LIFE)
            if one.now >= usual:
                one.longest, one.longest_at = one.now, time
        one.now, one.newest = seconds, time
        usual = one.longest * 0.5 ** ((time - one.longest_at) / _HALF_LIFE)
        if seconds < max(_LEAST_SECONDS, _TIMES * usual) and key not in self._standing:
            return changes
        return [*changes, *self._standing.hold(key, self._claim(series, time, seconds, usual), time)]

    def _claim(self, series: int, time: int, seconds: float, usual: float) -> Claim:
        info = self._describe(series)
        labels = dict(info.labels)
        began = time - from_seconds(seconds)
        before = f"the longest before took {usual:.0f} s" if usual >= 1.0 else "no long one was seen before"
        most = max(_LEAST_SECONDS, _TIMES * usual)
        return Claim(
            entity=info.entity,
            title="a transaction runs away",
            why=f"{info.text()}: open for {seconds:.0f} s, since {to_iso(began)}; {before}.",
            severity=Severity.WARNING,
            since_unix_nano=began,
            evidence=Evidence(
                "metric", info.text(), series, began, time, seconds, usual, 0.0, most, _P_VALUE, "s"
            ),
            attributes=tuple((name, labels[name]) for name in _LABELS if labels.get(name)),
        )


def looked_at(info: SeriesInfo) -> bool:
    """Whether a series is about sessions that could run away."""
    labels = dict(info.labels)
    if labels.get("state", "active") not in _STATES:
        return False
    who = f"{labels.get('usename', '')} {labels.get('application_name', '')}".lower()
    return not any(name in who for name in _BACKUPS)
