"""Who is on duty: which jobs are watched, what shows them, and which findings they account for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from stormpetrel.context.excursions import Edge, Excursions
from stormpetrel.context.jobs import LEARNED, Duty, early_nanos
from stormpetrel.context.learned import LearnedJob, LearnedJobs, entry_of, selectors_of
from stormpetrel.context.marks import Expectation
from stormpetrel.context.scope import read_scope
from stormpetrel.context.slots import Slot, SlotLearner
from stormpetrel.context.timetable import Timetable
from stormpetrel.model.calendar import CalendarEntry, Decided, Decision, EntryKind, Proposal
from stormpetrel.model.finding import Finding
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.model.time import from_seconds, to_seconds

# Learned jobs may become, or cease to be, expected by the passing of time alone: a look this often.
_RECHECK = from_seconds(300)


class Roster:
    """The jobs of the calendar that are watched, and the learned ones that count as expected.

    Args:
        timetable, excursions, learner: the stage's own.
        series: what is known of a series id, and how many there are.
        zone: name of the time zone of learned days and weeks.
    """

    def __init__(
        self,
        timetable: Timetable,
        excursions: Excursions,
        learner: SlotLearner,
        series: tuple[Callable[[int], SeriesInfo], Callable[[], int]],
        zone: str,
    ) -> None:
        self._timetable = timetable
        self._excursions = excursions
        self._learner = learner
        self._describe, self._known = series
        self.learned = LearnedJobs(learner, self._describe, zone)
        self._declared: dict[str, CalendarEntry] = {}
        self._members: dict[str, set[int]] = {}
        self._scanned = 0
        self._active: dict[str, set[int]] = {}
        self._duties: dict[str, Duty | None] = {}
        self._dirty: set[str] = set()
        self._changed = True
        self._checked = 0

    def renew(self, entries: Sequence[CalendarEntry], decided: Sequence[Decided]) -> None:
        """Another calendar, or other decisions."""
        jobs = [e for e in entries if e.kind is EntryKind.EXPECTED_JOB and e.watch is not None]
        self._declared = {entry.entry_id: entry for entry in jobs}
        self._members = {key: set() for key, e in self._declared.items() if e.watch and e.watch.series}
        self._scanned = 0
        self.learned.decide(decided, (e.entry_id for e in entries if e.source == LEARNED))
        self._duties.clear()
        self._changed = True

    def add(self, slot: Slot) -> None:
        """A new slot."""
        self._dirty.add(self.learned.add(slot).key)

    def touch(self, slot: Slot) -> None:
        """A slot came again: its job may have moved, or count as expected by now."""
        job = self.learned.job_of(slot)
        if job is not None:
            self._dirty.add(job.key)

    def forget(self, slot: Slot) -> None:
        """A slot that comes no more."""
        job = self.learned.job_of(slot)
        self.learned.remove(slot)
        if job is not None:
            self._dirty.add(job.key)

    # ------------------------------------------------------------------------------------- duties

    def duties(self, now_unix_nano: int) -> list[Duty] | None:
        """The jobs to watch; None: as before."""
        recheck = abs(now_unix_nano - self._checked) >= _RECHECK
        if not (self._changed or self._dirty or recheck):
            return None
        if recheck:
            self._duties.clear()
            self._checked = now_unix_nano
        learned = self.learned.all()
        for job in learned:
            if job.key in self._dirty or job.key not in self._duties:
                self._duties[job.key] = self._learned_duty(job, now_unix_nano)
        alive = {job.key for job in learned}
        self._duties = {key: duty for key, duty in self._duties.items() if key in alive}
        self._dirty.clear()
        self._changed = False
        declared = [Duty(entry, _entity_of(entry), _basis_of(entry)) for entry in self._declared.values()]
        return declared + [duty for duty in self._duties.values() if duty is not None]

    def _learned_duty(self, job: LearnedJob, now: int) -> Duty | None:
        if not self.learned.presumed(job, now):
            return None
        proposal = self.learned.proposal(job, now)
        return Duty(self.entry(proposal), job.entity, _learned_basis(proposal), proposal.series)

    def entry(self, proposal: Proposal) -> CalendarEntry:
        """A proposal as an entry of the calendar."""
        step = max((self._excursions.step_nanos(one) for one in proposal.series), default=0)
        return entry_of(proposal, selectors_of(self._describe, proposal.series), to_seconds(step))

    def observed(self, duty: Duty, since_unix_nano: int, until_unix_nano: int) -> bool:
        """Whether at least half of a job's series spoke all through a span; a heartbeat is always heard."""
        watch = duty.entry.watch
        if watch is None or (watch.heartbeat and not watch.series):
            return watch is not None
        self._scan()
        series = duty.series or tuple(self._members.get(duty.key, ()))
        spoke = sum(self._excursions.observed(one, since_unix_nano, until_unix_nano) for one in series)
        return bool(series) and 2 * spoke >= len(series)

    def _scan(self) -> None:
        """Which series, of those not looked at yet, show the jobs of the calendar."""
        known = self._known()
        if not self._members:
            self._scanned = 0
            return
        for key in self._members:
            watch = self._declared[key].watch
            scopes = [read_scope(text) for text in watch.series] if watch else []
            new = range(self._scanned, known)
            self._members[key] |= {
                one for one in new if any(scope.has_series(self._describe(one)) for scope in scopes)
            }
        self._scanned = known

    # ------------------------------------------------------------------------------- what shows it

    def named(self, heartbeat: str) -> list[str]:
        """The jobs that a heartbeat is of."""
        return [key for key, e in self._declared.items() if e.watch and e.watch.heartbeat == heartbeat]

    def shown_by(self, edge: Edge) -> list[tuple[str, bool]]:
        """The jobs that an excursion may be a run of, and whether it begins in their time."""
        found: list[tuple[str, bool]] = []
        if self._members:
            self._scan()
            for key, members in self._members.items():
                if edge.series in members:
                    entry = self._declared[key]
                    when = edge.start_unix_nano + early_nanos(entry)
                    found.append((key, self._timetable.at(entry, when) is not None))
        fitting = self._learner.fitting(edge)
        for slot in self._learner.slots.get(edge.series, ()):
            job = self.learned.job_of(slot)
            if job is not None and self._duties.get(job.key) is not None and slot.side * edge.height > 0:
                found.append((job.key, slot is fitting))
        return found

    def begin(self, key: str, series: int) -> None:
        """A series of a job left its level."""
        self._active.setdefault(key, set()).add(series)

    def end(self, key: str, series: int) -> bool:
        """A series of a job came back; whether it was the last of them, and so the job ended."""
        active = self._active.get(key)
        if active is None or series not in active:
            return False
        active.discard(series)
        if not active:
            del self._active[key]
        return not active

    # --------------------------------------------------------------------------------- expectations

    def expectation(
        self, finding: Finding, grace_nanos: int, accounted: Callable[[str, int], bool]
    ) -> Expectation | None:
        """Why a finding is expected, or None. `accounted`: a job's own run accounts for a moment."""
        start, series = finding.start_unix_nano, finding.evidence.series
        for entry in self._timetable.entries:
            if entry.kind is not EntryKind.EXPECTED_JOB:
                continue
            if not self._timetable.in_scope(entry, finding.entity, series):
                continue
            one = self._timetable.at(entry, start + early_nanos(entry), grace_nanos)
            if one is not None:
                slack = from_seconds(entry.watch.overlong_seconds) if entry.watch else 0
                until = one.end_unix_nano + slack + grace_nanos
                return Expectation(entry.entry_id, entry.title, False, until)
            if accounted(entry.entry_id, start):
                return Expectation(entry.entry_id, entry.title, False, start + grace_nanos)
        learned = [
            self._learned_expectation(start, one, grace_nanos, accounted) for one in _series_of(finding)
        ]
        # What is said of several series is expected where all that it names are.
        return min((one for one in learned if one), key=lambda e: e.until_unix_nano) if all(learned) else None

    def _learned_expectation(
        self, start: int, series: int, grace: int, accounted: Callable[[str, int], bool]
    ) -> Expectation | None:
        for slot in self._learner.slots.get(series, ()):
            job = self.learned.job_of(slot)
            duty = self._duties.get(job.key) if job is not None else None
            if duty is None:
                continue
            clock = self._learner.clock(slot.period, start)
            since = (clock - slot.phase + slot.width) % slot.period - slot.width
            left = duty.allowed + grace - since
            if left > 0:
                return Expectation(duty.key, duty.entry.title, True, start + left)
            if accounted(duty.key, start):
                return Expectation(duty.key, duty.entry.title, True, start + grace)
        return None

    def proposals(self, now_unix_nano: int) -> list[Proposal]:
        """Everything learned that nobody accepted yet, most regular first."""
        found = [self.learned.proposal(job, now_unix_nano) for job in self.learned.all()]
        open_ = [one for one in found if one.decision is not Decision.ACCEPTED]
        return sorted(
            open_,
            key=lambda p: (p.decision is Decision.REJECTED, -p.seen / max(p.possible, 1), p.chance, p.title),
        )


def _series_of(finding: Finding) -> list[int]:
    """The series a finding is about: its own, or those that it names."""
    named = (finding.attributes or {}).get("series", "") if finding.evidence.series < 0 else ""
    return [int(one) for one in named.split()] or [finding.evidence.series]


def _entity_of(entry: CalendarEntry) -> str:
    """Whom a job's findings are about: the entity of its scope, or the job itself."""
    for text in entry.scopes:
        scope = read_scope(text)
        if scope.entity and not set("*?[") & set(scope.entity):
            return scope.entity
    return f"job:{entry.title}"


def _basis_of(entry: CalendarEntry) -> str:
    who = f", confirmed by {entry.created_by}" if entry.source == LEARNED and entry.created_by else ""
    return f"It is in the calendar ({entry.source}{who})."


def _learned_basis(proposal: Proposal) -> str:
    period = proposal.rule.period_seconds
    unit = "weeks" if period > 86_400 else "days" if period == 86_400 else "times"
    return (
        f"Learned by itself: it ran in {proposal.seen} of the last {proposal.possible} {unit};"
        " nobody has confirmed it yet."
    )
