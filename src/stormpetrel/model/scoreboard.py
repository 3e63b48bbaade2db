"""How often what was told of causes was right, counted over what people said of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.cause_verdict import CauseOutcome

LEAST_VERDICTS = 10  # below it a share is no percentage


class Measure(StrEnum):
    """What is counted."""

    FIRST = "first"  # the first hypothesis was it, where a cause was told
    THREE = "three"  # the cause was among the first three, where a cause was told
    NO_CAUSE = "no_cause"  # there was no cause to find, where none was told


@dataclass(frozen=True, slots=True)
class Share:
    """`right` of `total`, and the 95 % interval of Wilson for the share that this is a sample of.

    `low` and `high` are 0 and 1 where there is nothing.
    """

    right: int
    total: int
    low: float
    high: float

    @property
    def enough(self) -> bool:
        """Whether it may be told as a percentage."""
        return self.total >= LEAST_VERDICTS

    @property
    def ratio(self) -> float:
        """The share itself; 0 of nothing."""
        return self.right / self.total if self.total else 0.0


@dataclass(frozen=True, slots=True)
class ScoreRow:
    """The shares of one class of cause or of one month (`2026-03`); `group` is its name."""

    group: str
    shares: dict[Measure, Share]


@dataclass(frozen=True, slots=True)
class CertaintyRow:
    """How often the first hypothesis was it, where it was told with a certainty in [least, most)."""

    least: float
    most: float
    mean: float
    share: Share


@dataclass(frozen=True, slots=True)
class ScoredIncident:
    """What one verdict says of what had been told.

    Attributes:
        month: in which the incident began, UTC.
        cause_class, entity: of the first hypothesis; UNKNOWN and "" when there was none.
        found, certainty: as told.
        outcome, cause: what it was, as people say; `cause` "" where nothing is named.
        right: by measure; a measure that the verdict does not decide is missing.
    """

    incident_id: str
    month: str
    cause_class: CauseClass
    entity: str
    found: bool
    certainty: float
    outcome: CauseOutcome
    cause: str
    actor: str
    time_unix_nano: int
    right: dict[Measure, bool]


@dataclass(frozen=True, slots=True)
class ScoreFilter:
    """Which incidents stand behind a number; what is None restricts nothing.

    `certainty`: the lower end of a row of the reliability table.
    """

    measure: Measure
    right: bool | None = None
    cause_class: CauseClass | None = None
    month: str | None = None
    certainty: float | None = None


@dataclass(frozen=True, slots=True)
class Scoreboard:
    """All shares.

    Attributes:
        verdicts: incidents with a verdict that counts; `most` are looked at, the newest ones.
        overall: by measure.
        by_class, by_month: rows with at least one verdict; months newest first, at most 24.
        reliability: by certainty as told; bands with no verdict are left out.
    """

    verdicts: int
    most: int
    overall: dict[Measure, Share]
    by_class: tuple[ScoreRow, ...]
    by_month: tuple[ScoreRow, ...]
    reliability: tuple[CertaintyRow, ...]
