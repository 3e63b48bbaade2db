"""The watch over expected jobs: whether they began in time, ended in time, and ran at all."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from stormpetrel.context.recur import occurrences
from stormpetrel.context.telling import NAME, Told, told
from stormpetrel.model.calendar import CalendarEntry, JobView, Run
from stormpetrel.model.finding import Finding, FindingState
from stormpetrel.model.time import Window, from_seconds

__all__ = ["NAME", "Duty", "JobWatch"]

LEARNED = "learned"
_MINUTE = from_seconds(60)
# How far is looked for the occurrences before and after a moment, one after the other.
_REACHES = tuple(from_seconds(seconds) for seconds in (2 * 3600, 2 * 86_400, 16 * 86_400, 400 * 86_400))


@dataclass(frozen=True, slots=True)
class Duty:
    """One job to watch.

    Attributes:
        entry: when it runs, how long, how it is seen, and what is tolerated.
        entity: whom its findings are about.
        basis: why it is expected, in words.
        series: the series that show it, when they are known already (learned jobs).
    """

    entry: CalendarEntry
    entity: str
    basis: str
    series: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """The entry's id."""
        return self.entry.entry_id

    @property
    def late(self) -> int:
        """Nanoseconds after which it is late."""
        watch = self.entry.watch
        return from_seconds(watch.late_seconds) if watch else 0

    @property
    def early(self) -> int:
        """Nanoseconds that it may begin before its time: a learned time is a middle, a given one a start."""
        return early_nanos(self.entry)

    @property
    def usual(self) -> int:
        """Nanoseconds that it usually takes."""
        return from_seconds(self.entry.duration_seconds)

    @property
    def allowed(self) -> int:
        """Nanoseconds after which it is overlong."""
        watch = self.entry.watch
        return self.usual + (from_seconds(watch.overlong_seconds) if watch else 0)


@dataclass(slots=True)
class _Job:
    """Where one job stands. `due`: start of the occurrence looked at, 0 before the first; `coming`: the next
    one's. `since`: when the watch began; what was due before is not judged. `run`: its run, if any."""

    duty: Duty
    since: int
    due: int = 0
    coming: int = 0
    run: Run | None = None
    last_run: Run | None = None
    state: str = "waiting"
    finding: Finding | None = None
    quiet_after: int = 0  # an overlong run ended: what follows from it until then is its

    @property
    def running(self) -> bool:
        return self.run is not None and not self.run.end_unix_nano


class JobWatch:
    """One finding for a job that is late, then missing; overlong; or failed. Deterministic, in event time.

    What shows a job is told by `began` and `ended` (heartbeats, excursions). A job whose series were silent
    in its time is *unknown*: no finding. A finding of a missing job stays open until the job is seen again,
    or is missing again. A job that still runs at its next time is not missing then.

    Args:
        observed: whether a job could have been seen all through a span; else it is unknown.
    """

    def __init__(self, observed: Callable[[Duty, int, int], bool]) -> None:
        self._observed = observed
        self._jobs: dict[str, _Job] = {}

    def watch(self, duties: Iterable[Duty], now_unix_nano: int) -> list[Finding]:
        """The jobs from now on; those watched before go on. Closes the findings of the others."""
        wanted = {duty.key: duty for duty in duties}
        gone = [self._jobs.pop(key) for key in sorted(self._jobs.keys() - wanted.keys())]
        for key, duty in wanted.items():
            job = self._jobs.get(key)
            if job is None:
                self._jobs[key] = _Job(duty, now_unix_nano)
            elif job.duty != duty:
                job.duty = duty
                job.coming = 0  # the rule may have moved
        return [closed(job.finding, "It is not expected any more.") for job in gone if job.finding]

    def resume(self, findings: Iterable[Finding]) -> set[str]:
        """Take over what was told before a restart and is still open; the ids of what is taken over."""
        taken = set()
        for finding in findings:
            job = self._jobs.get((finding.attributes or {}).get("job", ""))
            absent = finding.head in ("late", "missing", "failed")
            if finding.detector != NAME or job is None or job.finding is not None or not absent:
                continue
            job.finding, job.due, job.state = finding, finding.start_unix_nano, finding.head
            taken.add(finding.finding_id)
        return taken

    def began(self, key: str, start_unix_nano: int) -> list[Finding]:
        """A run of a job began."""
        job = self._jobs.get(key)
        if job is None or job.running:
            return []
        self._reach(job, start_unix_nano)
        job.run = Run(start_unix_nano, 0)
        changes = []
        if job.finding is not None:  # late, missing, or failed the time before
            changes = [closed(job.finding, told(job.duty.entry, "again", job.finding, start_unix_nano))]
            job.finding = None
        job.state = "running"
        return changes

    def ended(self, key: str, end_unix_nano: int, failed: bool = False) -> list[Finding]:
        """The run of a job that is under way ended."""
        job = self._jobs.get(key)
        if job is None or job.run is None or not job.running:
            return []
        job.run = replace(job.run, end_unix_nano=max(end_unix_nano, job.run.start_unix_nano))
        job.last_run, job.state = job.run, "ran"
        changes = []
        if job.finding is not None:
            job.quiet_after = end_unix_nano + job.duty.late
            why = told(job.duty.entry, "ended", job.finding, end_unix_nano)
            changes, job.finding = [closed(replace(job.finding, end_unix_nano=end_unix_nano), why)], None
        if failed:
            job.state = "failed"
            changes.append(self._open(job, "failed", end_unix_nano))
        return changes

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """Time has reached `now`; O(jobs), and more only for those whose time has come."""
        changes: list[Finding] = []
        for key in sorted(self._jobs):
            job = self._jobs[key]
            if not job.running and now_unix_nano >= job.coming - job.duty.early:
                self._reach(job, now_unix_nano)
            if job.due:
                changes += (
                    self._overlong(job, now_unix_nano) if job.running else self._absent(job, now_unix_nano)
                )
        return changes

    def _reach(self, job: _Job, now: int) -> None:
        """Look at the occurrence that is due at `now`: the newest that begins, early runs allowed for."""
        due, job.coming = around(job.duty.entry, now + job.duty.early)
        if due - job.due > job.duty.early:  # less is the same occurrence, of a slot that moved a little
            job.due = due
            if not job.running:
                job.run = None
                job.state = "waiting"

    def _absent(self, job: _Job, now: int) -> list[Finding]:
        """A job that does not run: late, missing, or simply done."""
        late = job.due + job.duty.late
        seen = job.run is not None or job.due + job.duty.early < job.since
        if seen or now < late or job.state in ("missing", "unknown"):
            return []
        gone = now >= late + (job.duty.usual if job.duty.usual > job.duty.late else 0)
        if job.state == "late":
            if not gone:
                return []
            job.state = "missing"
            return [self._open(job, "missing", now)]
        if not self._observed(job.duty, job.due, late):
            if gone:
                job.state = "unknown"
            return []
        before = [closed(job.finding, "It is missing again.")] if job.finding else []
        job.state = "missing" if gone else "late"
        return [*before, self._open(job, job.state, now)]

    def _overlong(self, job: _Job, now: int) -> list[Finding]:
        run = job.run
        if run is None or job.state == "overlong" or now - run.start_unix_nano <= job.duty.allowed:
            return []
        if not self._observed(job.duty, run.start_unix_nano, now):
            return []
        job.state = "overlong"
        return [self._open(job, "overlong", now)]

    def _open(self, job: _Job, kind: str, now: int) -> Finding:
        start = job.run.start_unix_nano if job.run is not None else job.due
        duty = job.duty
        seen = Told(kind, job.due or start, start, now, duty.entity, duty.basis, duty.series[:1])
        job.finding = seen.finding(duty.entry)
        return job.finding

    # --------------------------------------------------------------------------------- questions

    def accounts_for(self, key: str, time_unix_nano: int) -> bool:
        """Whether a run that is under way, or was overlong just before, accounts for a moment."""
        job = self._jobs.get(key)
        return job is not None and (job.running or time_unix_nano <= job.quiet_after)

    def awaited(self, key: str) -> bool:
        """Whether a job is late or missing, so that a run at any time is its."""
        job = self._jobs.get(key)
        return job is not None and job.state in ("late", "missing")

    def views(self, now_unix_nano: int) -> list[JobView]:
        """How every job stands, by title."""
        found = [
            JobView(
                job.duty.key,
                job.duty.entry.title,
                job.duty.entity,
                job.state,
                job.due,
                around(job.duty.entry, now_unix_nano)[1],
                job.duty.entry.duration_seconds,
                job.run or job.last_run,
            )
            for job in self._jobs.values()
        ]
        return sorted(found, key=lambda view: (view.title, view.key))


def early_nanos(entry: CalendarEntry) -> int:
    """How much before its time a run of an entry may begin, in nanoseconds."""
    late = from_seconds(entry.watch.late_seconds) if entry.watch else _MINUTE
    return late if entry.source == LEARNED else min(late, _MINUTE)


def around(entry: CalendarEntry, time_unix_nano: int) -> tuple[int, int]:
    """The newest start at or before a moment (0: none), and the first after it (or when to look again).

    Cost: a few microseconds for what recurs within hours, a millisecond for what does so in weeks.
    """
    before = after = 0
    for reach in _REACHES:
        if not before:
            found = occurrences(entry, Window(time_unix_nano - reach, time_unix_nano + 1))
            before = found[-1].start_unix_nano if found else 0
        if not after:
            found = occurrences(entry, Window(time_unix_nano + 1, time_unix_nano + reach))
            after = next((o.start_unix_nano for o in found if o.start_unix_nano > time_unix_nano), 0)
        if before and after:
            break
    return before, after or time_unix_nano + _REACHES[1] // 2


def closed(finding: Finding, why: str) -> Finding:
    """A finding that is over, and why."""
    return replace(finding, state=FindingState.CLOSED, why=f"{finding.why} {why}")
