"""Flights: what automation would have done in a stored past, by runbook, with every plan behind it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stormpetrel.model.action import Autonomy
from stormpetrel.model.job import JobState
from stormpetrel.model.verdict import Verdict


class FlownOutcome(StrEnum):
    """What became of a plan in a flight: it would have been acted on by itself, people would have been asked
    (and nobody answered, as nobody is there), or it was refused."""

    ACTED = "acted"
    ASKED = "asked"
    REFUSED = "refused"


class Afterwards(StrEnum):
    """What the stored past says of the time after an act that was not really done.

    `WELL` is no proof that the act helps: it came right without it, or somebody else did it. `AS_BEFORE` and
    `WORSE` are none of the opposite.
    """

    WELL = "well"
    AS_BEFORE = "as before"
    WORSE = "worse"
    UNKNOWN = "unknown"
    NOT_ASKED = "not asked"  # it only reads, or did not come so far


class Opinion(StrEnum):
    """What a person said of the incident that a plan was made for."""

    RIGHT_CAUSE = "the cause was right"
    OTHER_CAUSE = "the cause was another"
    NO_CAUSE = "there was no cause"
    UNDECIDED = "undecided"
    USEFUL = "found useful"
    NOT_USEFUL = "found not useful"
    NONE = "nobody said anything"


@dataclass(frozen=True, slots=True)
class FlownPlan:
    """One plan of a flight.

    Attributes:
        what: its actions in words.
        targets: the entities it would have acted on.
        by: the guardrails that stood in its way, as (number, name): those that refused, or those that asked.
        acts: how many orders were given; each is one wave of a step.
        spend, churn: what it would have cost; 0 where it did not act.
        during: what of the calendar covered it: "deploy", "maintenance", "freeze", "expected_job".
        afterwards: see `Afterwards`; `told` is the sentence with its numbers.
        opinion: of its incident; `recorded`: the id of that incident as it was told at the time, "" for none.
        verdicts: of all guardrails, in their order, from the last time it was judged.
    """

    plan_id: str
    time_unix_nano: int
    incident_id: str
    sentence: str
    cause: str
    what: str
    targets: tuple[str, ...]
    outcome: FlownOutcome
    why: str
    by: tuple[tuple[int, str], ...]
    acts: int
    spend: float
    churn: int
    during: tuple[str, ...]
    afterwards: Afterwards
    told: str
    opinion: Opinion
    recorded: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class InTheWay:
    """One guardrail that refused plans, or asked for people.

    Attributes:
        outcome: `REFUSED` or `ASKED`.
        plans, incidents: how many plans it stood in the way of, and of how many incidents.
        reasons: the most frequent reasons, with how often each was given.
    """

    number: int
    guardrail: str
    outcome: FlownOutcome
    plans: int
    incidents: int
    reasons: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class RunbookFlight:
    """What one version of a runbook would have done.

    Attributes:
        level: the level it was flown at, which is the highest that its file asks for.
        incidents: for how many incidents it made a plan.
        acted, asked, refused: plans by what became of them, all of them.
        orders: acts of all plans that acted.
        spend, churn: of all plans that acted.
        targets: (entity, plans that acted on it), the most first.
        in_the_way: the guardrails that refused or asked, by number.
        during: (kind of calendar entry, plans, of them acted).
        afterwards: (word, plans that acted) for each thing that the past says.
        opinions: (word, incidents) for each thing that people said of the incidents it acted or asked on.
        plans: the plans themselves, oldest first, a bounded number of each outcome; `left_out` further ones
            are counted and not kept.
    """

    name: str
    title: str
    version: str
    level: Autonomy
    incidents: int = 0
    acted: int = 0
    asked: int = 0
    refused: int = 0
    orders: int = 0
    spend: float = 0.0
    churn: int = 0
    targets: tuple[tuple[str, int], ...] = ()
    in_the_way: tuple[InTheWay, ...] = ()
    during: tuple[tuple[str, int, int], ...] = ()
    afterwards: tuple[tuple[Afterwards, int], ...] = ()
    opinions: tuple[tuple[Opinion, int], ...] = ()
    plans: tuple[FlownPlan, ...] = ()
    left_out: int = 0


@dataclass(frozen=True, slots=True)
class FlightReport:
    """What a flight found. Deterministic: the same past and the same runbooks give the same report.

    Attributes:
        start_unix_nano, end_unix_nano: what was asked for.
        covered_days: how much of it holds telemetry, in days.
        samples, log_records: that went through the stages, warm-up included.
        incidents: that were open in the range.
        runbooks: by name.
        notes: what this report cannot know, in sentences.
        digest: SHA-256 of all of it.
    """

    start_unix_nano: int
    end_unix_nano: int
    covered_days: float
    samples: int
    log_records: int
    incidents: int
    runbooks: tuple[RunbookFlight, ...]
    notes: tuple[str, ...]
    digest: str = ""

    def runbook(self, name: str) -> RunbookFlight | None:
        """What one runbook would have done; None when it was not flown."""
        return next((one for one in self.runbooks if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Flight:
    """One flight, with its report when it is done.

    Attributes:
        progress_ratio: 0 to 1.
        error: why it failed; empty else.
        seconds: how long it took.
        recorded: (runbook, version) of those whose days of replay it raised.
    """

    flight_id: str
    state: JobState
    actor: str
    created_unix_nano: int
    start_unix_nano: int
    end_unix_nano: int
    progress_ratio: float = 0.0
    error: str = ""
    seconds: float = 0.0
    report: FlightReport | None = None
    recorded: tuple[tuple[str, str], ...] = ()

    @property
    def open(self) -> bool:
        """Whether it still has something to do."""
        return self.state.open
