"""Incidents: findings that belong together, with a state machine and a timeline."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum

from stormpetrel.model.finding import Finding, Severity
from stormpetrel.model.page import Page


class IncidentState(StrEnum):
    """open -> acknowledged -> mitigated -> resolved; any of the first three may go to resolved,
    and a resolved incident never reopens: what comes back is a new incident that names the old one."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    MITIGATED = "mitigated"
    RESOLVED = "resolved"


TRANSITIONS: dict[IncidentState, frozenset[IncidentState]] = {
    IncidentState.OPEN: frozenset(
        {IncidentState.ACKNOWLEDGED, IncidentState.MITIGATED, IncidentState.RESOLVED}
    ),
    IncidentState.ACKNOWLEDGED: frozenset({IncidentState.MITIGATED, IncidentState.RESOLVED}),
    IncidentState.MITIGATED: frozenset({IncidentState.ACKNOWLEDGED, IncidentState.RESOLVED}),
    IncidentState.RESOLVED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One thing that happened to an incident. `actor` is "petrel" or a person's name."""

    time_unix_nano: int
    # "opened" | "finding" | "recovered" | "unknown" | "flapping" | "severity" | "state" | "page" | "note"
    kind: str
    text: str
    actor: str = "petrel"
    finding_id: str = ""


@dataclass(frozen=True, slots=True)
class Priority:
    """How soon somebody should look: impact times urgency, each 1 (low) to 3 (high).

    Attributes:
        level: 1 (first) to 4; shown as P1 to P4.
        impact: how much of the estate is hit.
        urgency: how bad it is, and whether it still grows.
        reason: both in words.
    """

    level: int
    impact: int
    urgency: int
    reason: str


@dataclass(frozen=True, slots=True)
class Incident:
    """One trouble: what, since when, how bad, on what, and every finding that says so.

    `sentence` is the one line a person reads at three in the morning. `findings` are ordered by start,
    then id; `timeline` by time.
    """

    incident_id: str
    sentence: str
    state: IncidentState
    severity: Severity
    entities: tuple[str, ...]
    start_unix_nano: int
    updated_unix_nano: int
    resolved_unix_nano: int  # 0 while not resolved
    findings: tuple[Finding, ...]
    timeline: tuple[TimelineEntry, ...]
    follows: str = ""  # the resolved incident that this one repeats, if any
    page: Page | None = None  # whether it wakes somebody; None until that is decided
    priority: Priority | None = None  # None until it is weighed
    # Findings that are not kept whole, counted by title, the most first.
    more: tuple[tuple[str, int], ...] = ()

    @property
    def findings_total(self) -> int:
        """All of its findings, also those that are only counted."""
        return len(self.findings) + sum(count for _, count in self.more)


@dataclass(frozen=True, slots=True)
class IncidentLine:
    """An incident as a list shows it: without its findings and its timeline, which may be long.

    Attributes:
        findings_total: how many findings it has, also those that are only counted.

    The others are those of the `Incident`.
    """

    incident_id: str
    sentence: str
    state: IncidentState
    severity: Severity
    entities: tuple[str, ...]
    start_unix_nano: int
    updated_unix_nano: int
    resolved_unix_nano: int
    findings_total: int
    follows: str = ""
    page: Page | None = None
    priority: Priority | None = None


def line_of(incident: Incident) -> IncidentLine:
    """The line of an incident."""
    return IncidentLine(**{one.name: getattr(incident, one.name) for one in fields(IncidentLine)})
