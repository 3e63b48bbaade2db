"""The calendar: what is expected to happen, when, on what, and what of it was seen.

An entry says *what* (its kind), *on what* (its scopes, see `stormpetrel.context.scope`), and *when* (its
recurrence, always with an explicit time zone). An occurrence is one span of time that follows from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stormpetrel.model.time import from_seconds

# The end of a window that nobody has ended yet: year 2200, and still an int64 of nanoseconds.
OPEN_END = 7_258_118_400_000_000_000
DAY_SECONDS = 86_400.0


class EntryKind(StrEnum):
    """What an entry means to the stages."""

    EXPECTED_JOB = (
        "expected_job"  # findings in its time and scope are expected; a job that fails to run is not
    )
    MAINTENANCE = "maintenance"  # its scope opens no finding, and is not learnt from
    DEPLOY = "deploy"  # findings name it
    FREEZE = "freeze"  # shown
    HOLIDAY = "holiday"  # shown


@dataclass(frozen=True, slots=True)
class Once:
    """One span, `[start, end)`; `OPEN_END` while nobody has ended it."""

    start_unix_nano: int
    end_unix_nano: int


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression read in a time zone, as Debian's cron does where the clocks change: a job of an hour
    that is left out runs right after it, and a job of an hour that comes twice runs once."""

    expression: str
    zone: str
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class Every:
    """A fixed period: `offset_seconds` after midnight of the zone (after Monday's, for weeks) where the
    period is a day or longer; after multiples of the period in UTC where it is shorter."""

    period_seconds: float
    offset_seconds: float
    zone: str
    duration_seconds: float


@dataclass(frozen=True, slots=True)
class Listed:
    """Spans that were worked out elsewhere (an iCalendar file, a table of holidays), in order of start."""

    spans: tuple[tuple[int, int], ...]


Recurrence = Once | Cron | Every | Listed


@dataclass(frozen=True, slots=True)
class Watch:
    """How it is seen whether a job ran: by heartbeats, by series that leave their level, or both.

    Attributes:
        heartbeat: name under which start and finish are told; empty: none are.
        series: selectors of series that leave their level while the job runs; empty: none are looked at.
        late_seconds: a job that has not begun this long after its time is late.
        overlong_seconds: a job that runs this much longer than its duration is overlong.
    """

    heartbeat: str = ""
    series: tuple[str, ...] = ()
    late_seconds: float = 300.0
    overlong_seconds: float = 600.0


@dataclass(frozen=True, slots=True)
class CalendarEntry:
    """One entry of the calendar.

    Attributes:
        entry_id: unique in an installation.
        scopes: what it is about, any of them; `*` is everything. See `stormpetrel.context.scope`.
        source: where it comes from: `config`, `page`, `api`, `learned`, or the name of a file or address.
        train: whether samples inside it are learnt from. Of maintenance they are not, unless this says so.
        watch: for expected jobs, how it is seen whether they run; None: nobody looks.
    """

    entry_id: str
    kind: EntryKind
    title: str
    scopes: tuple[str, ...]
    recurrence: Recurrence
    source: str
    train: bool = False
    watch: Watch | None = None
    created_by: str = ""
    created_unix_nano: int = 0

    @property
    def duration_seconds(self) -> float:
        """How long an occurrence lasts, or usually does; 0 while nobody knows."""
        rule = self.recurrence
        if isinstance(rule, Cron | Every):
            return rule.duration_seconds
        spans = [(rule.start_unix_nano, rule.end_unix_nano)] if isinstance(rule, Once) else rule.spans
        lengths = sorted(end - start for start, end in spans if end < OPEN_END)
        return lengths[len(lengths) // 2] / from_seconds(1) if lengths else 0.0


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One span of time `[start, end)` that follows from an entry."""

    entry: CalendarEntry
    start_unix_nano: int
    end_unix_nano: int

    def covers(self, time_unix_nano: int, before: int = 0, after: int = 0) -> bool:
        """Whether a moment lies in it, widened by nanoseconds on both sides."""
        return self.start_unix_nano - before <= time_unix_nano < self.end_unix_nano + after


class Decision(StrEnum):
    """What a person said of a learned slot."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Run:
    """One time that a job was seen: `end_unix_nano` is 0 while it runs; `height` is how far the first of its
    series stood from its level, 0 where heartbeats told of it."""

    start_unix_nano: int
    end_unix_nano: int
    height: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it ran; 0 while it runs."""
        return max(0, self.end_unix_nano - self.start_unix_nano) / from_seconds(1)


@dataclass(frozen=True, slots=True)
class Proposal:
    """A recurring slot that was found in the series of one entity, with its evidence.

    Attributes:
        rule: when it recurs; its duration is the usual one.
        series: ids of the series that leave their level in it; `selectors` are their texts.
        seen, possible: in how many of the last periods it was seen, and in how many it could have been.
        chance: how likely so much regularity would be if the excursions fell anyhow.
        longest_seconds: the longest run seen. `tolerance_seconds`: how far its starts may scatter.
        presumed: it is so regular that it already counts as expected, without anybody's word.
        runs: the newest runs, oldest first.
        unknown: periods before the newest run's in which nobody could see, counted back from it.
    """

    proposal_id: str
    entity: str
    title: str
    rule: Every
    series: tuple[int, ...]
    selectors: tuple[str, ...]
    seen: int
    possible: int
    chance: float
    longest_seconds: float
    tolerance_seconds: float
    presumed: bool
    runs: tuple[Run, ...]
    decision: Decision = Decision.OPEN
    unknown: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Decided:
    """A person's word on a learned slot, kept by what the slot is: it is found again after a restart."""

    proposal_id: str
    entity: str
    period_seconds: float
    offset_seconds: float
    decision: Decision
    decided_by: str
    decided_unix_nano: int


@dataclass(frozen=True, slots=True)
class EntrySource:
    """One place that entries come from. `problem` is why the last look failed; the last good copy stays."""

    name: str
    kind: str  # "config" | "page" | "api" | "learned" | "ical" | "kubernetes" | "holidays"
    entries: int
    refreshed_unix_nano: int = 0
    problem: str = ""


@dataclass(frozen=True, slots=True)
class JobView:
    """How a watched job stands: `state` is waiting, running, ran, late, missing, overlong or unknown."""

    key: str
    title: str
    entity: str
    state: str
    due_unix_nano: int
    next_unix_nano: int
    usual_seconds: float
    last_run: Run | None


@dataclass(frozen=True, slots=True)
class CalendarView:
    """The page *Calendar*."""

    now_unix_nano: int
    current: tuple[Occurrence, ...]
    coming: tuple[Occurrence, ...]
    entries: tuple[CalendarEntry, ...]
    sources: tuple[EntrySource, ...]
    jobs: tuple[JobView, ...]
    proposals: tuple[Proposal, ...]
    held_total: int  # findings kept back by maintenance windows
    expected_total: int  # findings that were expected
    zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class EntryDraft:
    """An entry as a person or a program asks for it; what is left out is filled in where it is taken."""

    kind: EntryKind
    title: str
    scopes: tuple[str, ...]
    recurrence: Once | Cron
    train: bool = False
    watch: Watch | None = None


class JobSignal(StrEnum):
    """What a job tells of itself."""

    START = "start"
    FINISH = "finish"
    FAIL = "fail"
