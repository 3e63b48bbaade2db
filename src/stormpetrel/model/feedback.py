"""What people say of findings, and what that changes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Opinion(StrEnum):
    """Of one finding: it helped; it did not; it was to be expected, and not only this once."""

    USEFUL = "useful"
    NOT_USEFUL = "not_useful"
    EXPECTED = "expected"


@dataclass(frozen=True, slots=True)
class Feedback:
    """One person's opinion of one finding. It is never deleted; `undone_unix_nano` is 0 while it counts.

    `subject` is the finding's query in this system's terms (for a metric the series as text): what the
    opinion is about, together with `detector` and `head`.
    """

    feedback_id: str
    finding_id: str
    incident_id: str
    detector: str
    head: str
    subject: str
    title: str
    opinion: Opinion
    actor: str
    note: str
    time_unix_nano: int
    undone_unix_nano: int = 0
    undone_by: str = ""


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What all opinions about one subject and head come to now.

    `factor`: how many times rarer than usual a sample has to be to count as strange, in [1/4, 64].
    `series` is the id of the subject, -1 where it is no series or is not known any more.
    """

    detector: str
    head: str
    subject: str
    series: int
    factor: float
    given: tuple[Feedback, ...]


@dataclass(frozen=True, slots=True)
class FeedbackPage:
    """The page *Feedback*: what is adjusted now, and what was said, newest first."""

    adjustments: list[Adjustment]
    given: list[Feedback]
    half_life_days: float
    least_factor: float
    most_factor: float
