"""Counts by source: rows, rate, lag, and what was refused, with bounded reasons."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from stormpetrel.app.source_health import SourceHealth
from stormpetrel.model.quality import Quality, QualityCount
from stormpetrel.model.time import from_seconds, to_seconds
from stormpetrel.model.view import SourceView

log = structlog.get_logger(__name__)

# A source name comes from outside (token name, header): more than this many are counted as "other".
MAX_SOURCES = 500
# Of these silence is no fault: a log that says nothing, a network at rest, disks read once an hour.
_BEATLESS = ("file", "journald", "netflow", "smart")
# Nor of what is told only when something happens.
_OCCASIONAL = ("alertmanager", "argocd", "changes", "github", "gitlab", "grafana", "kubernetes_events")
# What is counted and passed over as it should be: no error of the sender, and nothing is lost.
_PASSED_OVER = frozenset({"not_a_change", "text_field"})
_QUIET_SECONDS = 20.0  # no source is called quiet sooner
# Batches closer than this are one message in pieces, or waited together for one insert.
_BURST_SECONDS = 0.5
_RATE_WINDOW = from_seconds(60)
_REMEMBERED = from_seconds(7 * 86_400)
# Of what is said about a refusal: so much is looked at, and so much of it is shown.
_READ_CHARACTERS = 2000
_SHOWN_CHARACTERS = 300


@dataclass(slots=True)
class _Source:
    kind: str
    rows: int = 0
    last: int = 0
    interval: float = 0.0
    lag_seconds: float = 0.0
    last_error: str = ""
    error_after_last: bool = False
    window_start: int = 0
    window_rows: int = 0
    rate: float = 0.0
    overloaded_rows: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    verdicts: Counter[int] = field(default_factory=Counter)
    verdict_last: dict[int, tuple[int, str]] = field(default_factory=dict)

    def beat(self, now: int) -> None:
        """Learn the usual interval and the rate from one more batch."""
        silence = to_seconds(now - self.last) if self.last else 0.0
        age = now - self.window_start
        if not self.window_start or age < 0 or silence > self.quiet_after():
            self.rate, self.window_start, self.window_rows = 0.0, now, 0  # the rate begins anew
        elif age >= _RATE_WINDOW:
            self.rate = self.window_rows / to_seconds(age)
            self.window_start, self.window_rows = now, 0
        if silence >= _BURST_SECONDS:
            # An outage is no interval: it teaches as if it were a little longer than usual.
            learnt = min(silence, 4 * self.interval) if self.interval else silence
            self.interval = 0.9 * self.interval + 0.1 * learnt if self.interval else learnt

    def quiet_after(self) -> float:
        """Seconds of silence that are more than usual."""
        return max(_QUIET_SECONDS, 3 * self.interval)


class SourceTally:
    """Thread-safe counts, one row a source; what quality is reckoned from goes on to `health`.

    Args:
        health: hears of verdicts and refusals; None: nobody does.
        clean: takes out of a text what must not be shown. What is said about a refusal quotes the sender,
            and what was refused was never redacted.
    """

    def __init__(self, health: SourceHealth | None = None, clean: Callable[[str], str] = str) -> None:
        self._health = health
        self._clean = clean
        self._lock = threading.Lock()
        self._sources: dict[str, _Source] = {}

    def expect(self, source: str, kind: str) -> None:
        """Announce a source that has not spoken yet."""
        with self._lock:
            self._get(source, kind)

    def _get(self, source: str, kind: str = "push") -> _Source:
        if source not in self._sources and len(self._sources) >= MAX_SOURCES:
            source = "other"
        return self._sources.setdefault(source, _Source(kind))

    def stored(self, source: str, rows: int, now: int, newest: int) -> None:
        """Rows of a source were stored; `newest` is the newest event time among them."""
        with self._lock:
            entry = self._get(source)
            entry.beat(now)
            entry.rows += rows
            entry.window_rows += rows
            entry.last = now
            entry.error_after_last = False
            entry.lag_seconds = max(0.0, to_seconds(now - newest))

    def rejected(self, source: str, reason: str, rows: int, example: str) -> None:
        """Rows (or whole requests) of a source were refused, or passed over, which is no failure."""
        said = f"{reason}: {self._shown(example)}" if example else reason
        with self._lock:
            entry = self._get(source)
            entry.rejected[reason] += rows
            if reason in _PASSED_OVER:
                return
            entry.last_error = said[:_SHOWN_CHARACTERS]
            entry.error_after_last = True
            now = entry.last
        if reason == "cannot_listen":  # nobody is told by an answer: whoever looks into the log is
            log.warning("cannot_listen", source=source, why=said[:_SHOWN_CHARACTERS])
        if self._health is not None:
            self._health.rejected(source, reason, rows, now)

    def _shown(self, example: str) -> str:
        return self._clean(example[:_READ_CHARACTERS])

    def overloaded(self, source: str, rows: int, message: str) -> None:
        """Rows of a source found no room; it keeps them and sends them again."""
        with self._lock:
            entry = self._get(source)
            entry.overloaded_rows += rows
            entry.last_error = f"overloaded: {message}"[:_SHOWN_CHARACTERS]
            entry.error_after_last = True

    def overloads(self) -> list[tuple[str, int]]:
        """Rows by source that found no room, for each source that was told so."""
        with self._lock:
            told = sorted(self._sources.items())
            return [(name, entry.overloaded_rows) for name, entry in told if entry.overloaded_rows]

    def judged(self, source: str, counts: NDArray[np.int64], now: int, example: str) -> None:
        """The quality gate gave verdicts; `counts[v]` rows got verdict v."""
        with self._lock:
            entry = self._get(source)
            for verdict in np.flatnonzero(counts):
                entry.verdicts[int(verdict)] += int(counts[verdict])
                if verdict != Quality.GOOD:
                    entry.verdict_last[int(verdict)] = (now, example)
        if self._health is not None:
            self._health.judged(source, counts, now)

    def remembered(self) -> list[dict[str, str | int | float]]:
        """Who spoke, as plain data: so that a source that died is missed after a restart too."""
        with self._lock:
            return [
                {"name": name, "kind": one.kind, "last": one.last, "interval": one.interval}
                for name, one in sorted(self._sources.items())
                if one.last
            ]

    def recall(self, plain: Sequence[Mapping[str, Any]], now: int) -> None:
        """Take over what was remembered of sources that spoke within the last week; counts begin anew."""
        with self._lock:
            for one in plain:
                last = int(one["last"])
                if last <= now - _REMEMBERED or last > now:
                    continue
                entry = self._get(str(one["name"]), str(one["kind"]))
                entry.last, entry.interval = last, float(one["interval"])

    def views(self, now: int) -> list[SourceView]:
        """All sources, by name."""
        with self._lock:
            return [_view(name, entry, now) for name, entry in sorted(self._sources.items())]

    def quality_counts(self) -> list[QualityCount]:
        """Counts by source and verdict, GOOD included."""
        with self._lock:
            return [
                QualityCount(
                    name, Quality(verdict), count, *entry.verdict_last.get(verdict, (entry.last, ""))
                )
                for name, entry in sorted(self._sources.items())
                for verdict, count in sorted(entry.verdicts.items())
            ]

    def rejections(self) -> list[tuple[str, str, int]]:
        """Counts by source and reason of what was refused before admission."""
        with self._lock:
            return [
                (name, reason, count)
                for name, entry in sorted(self._sources.items())
                for reason, count in sorted(entry.rejected.items())
            ]


def _protocol(source: str) -> str:
    """The decoder of a source that pushes: the name's end.

    >>> _protocol("ci/github"), _protocol("host")
    ('github', 'host')
    """
    return source.rpartition("/")[2]


def _view(name: str, entry: _Source, now: int) -> SourceView:
    silence = to_seconds(now - entry.last)
    quiet_after = entry.quiet_after()
    if entry.error_after_last:
        state = "failing"
    elif not entry.last:
        state = "waiting"
    else:
        # Only sources with a beat can be quiet, and nobody knows the beat of one that spoke once.
        has_beat = entry.interval > 0 and entry.kind not in _BEATLESS and _protocol(name) not in _OCCASIONAL
        state = "quiet" if silence > quiet_after and has_beat else "healthy"
    window = to_seconds(now - entry.window_start)
    rate = entry.rate or (entry.window_rows / window if window > 0 and entry.window_start else 0.0)
    return SourceView(
        name=name,
        kind=entry.kind,
        state=state,
        rows_total=entry.rows,
        rows_per_second=rate if silence < quiet_after else 0.0,
        last_unix_nano=entry.last,
        lag_seconds=entry.lag_seconds,
        rejected_total=sum(entry.rejected.values()),
        last_error=entry.last_error,
        usual_seconds=entry.interval,
    )
