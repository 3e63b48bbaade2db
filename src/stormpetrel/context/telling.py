"""How the watch speaks: the finding of a job that is late, missing, overlong or failed."""

from __future__ import annotations

from dataclasses import dataclass

import xxhash

from stormpetrel.model.calendar import CalendarEntry, Cron, Every
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.time import to_iso, to_seconds

NAME, VERSION = "jobs", 1


@dataclass(frozen=True, slots=True)
class Told:
    """What happened: `kind` is late, missing, overlong or failed; `due` when it should have begun; `start`
    when it did, or should have; `now` when it was noticed."""

    kind: str
    due: int
    start: int
    now: int
    entity: str
    basis: str
    series: tuple[int, ...]

    def finding(self, entry: CalendarEntry) -> Finding:
        """The finding; late and missing of one occurrence are one, under one id."""
        absent = self.kind in ("late", "missing")
        watch = entry.watch
        allowed = entry.duration_seconds + (watch.overlong_seconds if watch else 0.0)
        evidence = Evidence(
            signal="metric" if watch and watch.series else "job",
            query=watch.series[0] if watch and watch.series else (watch.heartbeat if watch else ""),
            series=self.series[0] if self.series else -1,
            start_unix_nano=self.start,
            end_unix_nano=self.now,
            observed=0.0 if absent else to_seconds(self.now - self.start),
            expected=entry.duration_seconds,
            low=0.0,
            high=allowed,
            p_value=1.0,  # a rule, not a statistic
            unit="seconds",
        )
        group = "absent" if absent else self.kind
        return Finding(
            finding_id=xxhash.xxh128_hexdigest(f"{NAME}\0{entry.entry_id}\0{group}\0{self.start}".encode()),
            detector=NAME,
            model_version=VERSION,
            head=self.kind,
            entity=self.entity,
            title=f"job {self.kind}: {entry.title}",
            why=self._why(entry, allowed),
            severity=Severity.WARNING,
            state=FindingState.OPEN,
            start_unix_nano=self.start,
            end_unix_nano=self.now,
            evidence=evidence,
            attributes={
                "job": entry.entry_id,
                "due": to_iso(self.due),
                "usual_seconds": f"{entry.duration_seconds:.0f}",
                "source": entry.source,
            },
        )

    def _why(self, entry: CalendarEntry, allowed: float) -> str:
        usual = f"it usually takes {span(entry.duration_seconds)}"
        looked = seen_by(entry)
        if self.kind in ("late", "missing"):
            what = "has not begun" if self.kind == "late" else "did not run"
            return (
                f"{entry.title} was due at {clock(entry, self.due)} and {what} by {clock(entry, self.now)};"
                f" {usual}. {looked} {self.basis}"
            )
        if self.kind == "failed":
            return (
                f"{entry.title} began at {clock(entry, self.start)} and reported that it failed. {self.basis}"
            )
        ran = span(to_seconds(self.now - self.start))
        return (
            f"{entry.title} began at {clock(entry, self.start)} and still runs after {ran}; {usual},"
            f" and up to {span(allowed)} is tolerated. {self.basis}"
        )


def seen_by(entry: CalendarEntry) -> str:
    """What was looked at, and showed nothing."""
    watch = entry.watch
    if watch is None:
        return ""
    parts = [f"no heartbeat {watch.heartbeat} came"] if watch.heartbeat else []
    if watch.series:
        more = f" and {len(watch.series) - 1} more series" if len(watch.series) > 1 else ""
        parts.append(f"{watch.series[0]}{more} stayed at the usual level")
    return f"Looked at: {'; '.join(parts)}." if parts else ""


def told(entry: CalendarEntry, what: str, finding: Finding, end: int) -> str:
    """How it went on: it ran `again`, or an overlong run `ended`."""
    start = finding.start_unix_nano
    if what == "again" and finding.head == "failed":
        return f"It began again at {clock(entry, end)}."
    if what == "again":
        return f"It began at {clock(entry, end)}, {span(to_seconds(end - start))} after that time."
    return f"It ended at {clock(entry, end)} after {span(to_seconds(end - start))}."


def clock(entry: CalendarEntry, time_unix_nano: int) -> str:
    """A time of day, in UTC as everywhere; seconds only where the job's period needs them."""
    rule = entry.recurrence
    short = (isinstance(rule, Every) and rule.period_seconds < 3600) or (
        isinstance(rule, Cron) and rule.duration_seconds < 300
    )
    return f"{to_iso(time_unix_nano)[11 : 19 if short else 16]} UTC"


def span(seconds: float) -> str:
    """A length of time, in two parts at most.

    >>> span(20), span(1800), span(5400), span(90_000)
    ('20 seconds', '30 minutes', '1 hour 30 minutes', '1 day 1 hour')
    """
    whole = round(seconds)
    for name, size, small, unit in (("day", 86400, "hour", 3600), ("hour", 3600, "minute", 60)):
        if whole >= size:
            rest = whole % size // unit
            return _count(whole // size, name) + (f" {_count(rest, small)}" if rest else "")
    return _count(whole, "second") if whole < 120 else _count(round(whole / 60), "minute")


def _count(number: int, name: str) -> str:
    return f"{number} {name}" if number == 1 else f"{number} {name}s"
