"""Scores and findings: what a detector saw, with the evidence that lets a person check it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum

import numpy as np
from numpy.typing import NDArray


class Severity(IntEnum):
    """Ordered, worst highest. A finding below WARNING never opens an incident by itself."""

    INFO = 1
    WARNING = 2
    ERROR = 3
    CRITICAL = 4


class FindingState(StrEnum):
    """A finding is open while its condition holds, then closed; it is never deleted."""

    OPEN = "open"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Scores:
    """The answer of a detector bank to one batch, row for row.

    Attributes:
        p_value: float64[n] in (0, 1]: how often a healthy series would look at least this strange.
            NaN means *warming up* or nothing to judge: never zero for "don't know".
        observed, expected, low, high: float64[n], the judged value and the band it was judged against.
        head: uint8[n], index into the bank's `heads`: which of its views was the strangest.
        rank: float64[n], at least 0: how remarkable this moment is beside the others of its series,
            higher is stranger, NaN where nothing can be said. It orders moments, in an incident also
            those after its peak; it is no probability and opens nothing.
        alarm: float64[n] in (0, 1], NaN where `p_value` is: the p-value a policy acts on. All views
            together, over a few samples, in the light of the series' own record: what has happened
            often is not news, however unusual the single sample.
    """

    p_value: NDArray[np.float64]
    observed: NDArray[np.float64]
    expected: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    head: NDArray[np.uint8]
    rank: NDArray[np.float64]
    alarm: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.p_value)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Where a claim can be checked: the signal, the query, the window, and the numbers.

    `query` selects the rows in this system's own terms: a series selector for metrics, a log query for
    logs. `series` is -1 where no single series is meant.
    """

    signal: str  # "metric" | "log" | "trace"
    query: str
    series: int
    start_unix_nano: int
    end_unix_nano: int
    observed: float
    expected: float
    low: float
    high: float
    p_value: float
    unit: str = ""


# Attribute of a finding: how many samples the model that made it had learnt from.
MODEL_SAMPLES = "model_samples"
# Attribute of a finding: the name of the alert of another system that it tells of.
ALERT_NAME = "alert_name"
# Attribute of a closed finding that nobody saw end: when it was heard of last, in Unix nanoseconds.
UNHEARD_SINCE = "unheard_since_unix_nano"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something noticed on one entity by one detector: frozen; an update is a new value, same id.

    The id is a hash of (detector, signal key, start), so that replaying the same input gives the same
    ids. `why` is one plain sentence with numbers and units.
    """

    finding_id: str
    detector: str
    model_version: int
    head: str
    entity: str
    title: str
    why: str
    severity: Severity
    state: FindingState
    start_unix_nano: int
    end_unix_nano: int  # last time its condition held
    evidence: Evidence
    attributes: Mapping[str, str] | None = None


def closed_unheard(finding: Finding, since_unix_nano: int, why: str) -> Finding:
    """The finding closed as unknown: nothing more is heard of it, which is not that it is over.

    Args:
        finding: as it was last; its end stays what it is.
        since_unix_nano: when it was heard of last.
        why: a sentence more.
    """
    attributes = {**(finding.attributes or {}), UNHEARD_SINCE: str(max(since_unix_nano, 1))}
    return replace(finding, state=FindingState.CLOSED, why=f"{finding.why} {why}", attributes=attributes)


def unheard_since(finding: Finding) -> int:
    """When a finding that was closed as unknown was heard of last; 0: it is open, or was seen to end."""
    if finding.state is FindingState.OPEN or not finding.attributes:
        return 0
    return int(finding.attributes.get(UNHEARD_SINCE, "0"))
