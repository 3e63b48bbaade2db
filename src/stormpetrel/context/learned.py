"""Learned jobs: slots of the series of one entity that recur together, proposed and expected as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
import xxhash

from stormpetrel.context.jobs import LEARNED
from stormpetrel.context.scope import selector_of
from stormpetrel.context.slots import Slot, SlotLearner
from stormpetrel.model.calendar import (
    DAY_SECONDS,
    CalendarEntry,
    Decided,
    Decision,
    EntryKind,
    Every,
    Proposal,
    Watch,
)
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.model.time import to_seconds

_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(slots=True)
class LearnedJob:
    """Slots of one entity with one period and nearly one phase. `key` stays what it was made from."""

    key: str
    entity: str
    period: int
    phase: int
    width: int
    members: dict[int, Slot] = field(default_factory=dict)

    def near(self, period: int, phase: int) -> bool:
        """Whether a slot could be of this job."""
        apart = abs(phase - self.phase) % self.period
        return period == self.period and min(apart, self.period - apart) <= self.width


def title_of(rule: Every) -> str:
    """What a learned job is called.

    >>> title_of(Every(86400, 7200, "UTC", 1800)), title_of(Every(604800, 93600, "UTC", 60))
    ('daily job at 02:00 UTC', 'weekly job on Tuesday at 02:00 UTC')
    >>> title_of(Every(120, 15, "UTC", 20)), title_of(Every(14400, 600, "UTC", 60))
    ('job every 2 minutes', 'job every 4 hours')
    """
    offset = round(rule.offset_seconds / 300) * 300
    if rule.period_seconds >= DAY_SECONDS:
        clock = f"{offset % 86400 // 3600:02d}:{offset % 3600 // 60:02d} {rule.zone}"
        if rule.period_seconds > DAY_SECONDS:
            return f"weekly job on {_WEEKDAYS[offset // 86400 % 7]} at {clock}"
        return f"daily job at {clock}"
    minutes = round(rule.period_seconds / 60)
    if minutes % 60 == 0:
        return "hourly job" if minutes == 60 else f"job every {minutes // 60} hours"
    return "job every minute" if minutes == 1 else f"job every {minutes} minutes"


class LearnedJobs:
    """Groups slots into jobs, and says of each how sure it is.

    Args:
        slots: where the slots are found.
        describe: what is known of a series id.
        zone: name of the time zone of days and weeks.
    """

    def __init__(self, slots: SlotLearner, describe: Callable[[int], SeriesInfo], zone: str) -> None:
        self._slots = slots
        self._describe = describe
        self._zone = zone
        self._of_entity: dict[str, list[LearnedJob]] = {}
        self._of_slot: dict[int, LearnedJob] = {}
        self._decided: tuple[Decided, ...] = ()
        self._adopted: frozenset[str] = frozenset()

    def decide(self, decided: Sequence[Decided], adopted: Iterable[str]) -> None:
        """What people said, and which proposals are entries of the calendar by now."""
        self._decided, self._adopted = tuple(decided), frozenset(adopted)

    def add(self, slot: Slot) -> LearnedJob:
        """Put a new slot to the job it belongs to, or make one of it."""
        about = self._describe(slot.series)
        jobs = self._of_entity.setdefault(about.entity, [])
        known = (one for one in jobs if one.key == slot.job)
        near = (one for one in jobs if one.near(slot.period, slot.phase))
        job = next(known if slot.job else near, None)
        if job is None:
            text = f"{about.entity}\0{slot.period}\0{slot.phase // max(slot.width, 1)}\0{about.text()}"
            key = slot.job or f"p{xxhash.xxh64_hexdigest(text.encode())}"
            job = LearnedJob(key, about.entity, slot.period, slot.phase, slot.width)
            jobs.append(job)
        slot.job = job.key
        job.members[slot.series] = slot
        self._of_slot[id(slot)] = job
        return job

    def remove(self, slot: Slot) -> None:
        """A slot that is none any more; its job goes with the last of them."""
        job = self._of_slot.pop(id(slot), None)
        if job is None:
            return
        job.members.pop(slot.series, None)
        if not job.members:
            self._of_entity[job.entity].remove(job)

    def job_of(self, slot: Slot) -> LearnedJob | None:
        """The job of a slot."""
        return self._of_slot.get(id(slot))

    def all(self) -> list[LearnedJob]:
        """All jobs, by entity, then key."""
        return [
            job for _, jobs in sorted(self._of_entity.items()) for job in sorted(jobs, key=lambda j: j.key)
        ]

    # --------------------------------------------------------------------------------- what it is

    def rule(self, job: LearnedJob) -> Every:
        """When a job recurs, from where its slots are now; its phase follows them."""
        slots = list(job.members.values())
        off = [(slot.phase - job.phase + job.period // 2) % job.period - job.period // 2 for slot in slots]
        job.phase = (job.phase + round(float(np.median(off)))) % job.period
        usual = float(np.median([slot.usual_seconds() for slot in slots]))
        return Every(to_seconds(job.period), to_seconds(job.phase), self._zone, usual)

    def decision(self, job: LearnedJob) -> Decision:
        """What a person said of a job like this one; the newest word counts."""
        if job.key in self._adopted:
            return Decision.ACCEPTED
        said = [
            one
            for one in self._decided
            if one.entity == job.entity
            and job.near(round(one.period_seconds * 1e9), round(one.offset_seconds * 1e9))
            and (one.decision is not Decision.ACCEPTED or one.proposal_id in self._adopted)
        ]
        newest = max(said, key=lambda one: one.decided_unix_nano, default=None)
        return newest.decision if newest else Decision.OPEN

    def presumed(self, job: LearnedJob, now_unix_nano: int) -> bool:
        """Whether it counts as expected by itself: nobody said anything, and it is overwhelmingly regular."""
        if self.decision(job) is not Decision.OPEN:
            return False
        clock = self._slots.clock(job.period, now_unix_nano)
        most = self._slots.most_chance()
        return any(slot.presumed(clock, most) for slot in job.members.values())

    def proposal(self, job: LearnedJob, now_unix_nano: int) -> Proposal:
        """The job with its evidence."""
        clock = self._slots.clock(job.period, now_unix_nano)
        slots = sorted(job.members.values(), key=lambda s: (-s.seen(clock)[0], s.series))
        best, rule = slots[0], self.rule(job)
        seen, possible = best.seen(clock)
        return Proposal(
            proposal_id=job.key,
            entity=job.entity,
            title=title_of(rule),
            rule=rule,
            series=tuple(slot.series for slot in slots),
            selectors=tuple(self._describe(slot.series).text() for slot in slots),
            seen=seen,
            possible=possible,
            chance=min(slot.chance for slot in slots),
            longest_seconds=max(slot.longest_seconds() for slot in slots),
            tolerance_seconds=to_seconds(job.width),
            presumed=self.presumed(job, now_unix_nano),
            runs=tuple(best.runs),
            decision=self.decision(job),
            unknown=tuple(best.numbers[-1] - one for one in best.unknown if best.numbers),
        )


def entry_of(proposal: Proposal, selectors: Sequence[str], step_seconds: float) -> CalendarEntry:
    """A learned job as an entry of the calendar.

    Args:
        selectors: the scopes of its series. step_seconds: their usual interval.

    A run is overlong when it exceeds half as much again as usual, and a quarter more than the longest;
    and the samples that it takes to see an end.
    """
    usual = proposal.rule.duration_seconds
    allowed = max(1.5 * usual, 1.25 * proposal.longest_seconds) + 4 * step_seconds
    late = max(proposal.tolerance_seconds, 3 * step_seconds)
    return CalendarEntry(
        entry_id=proposal.proposal_id,
        kind=EntryKind.EXPECTED_JOB,
        title=proposal.title,
        scopes=tuple(selectors),
        recurrence=proposal.rule,
        source=LEARNED,
        train=True,
        watch=Watch("", tuple(selectors), late, allowed - usual),
    )


def selectors_of(describe: Callable[[int], SeriesInfo], series: Iterable[int]) -> list[str]:
    """The scopes of series, one each."""
    return [selector_of(describe(one)) for one in series]
