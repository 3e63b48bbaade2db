"""Incidents: findings that belong together, with a state machine and a timeline."""

from __future__ import annotations

from dataclasses import dataclass
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
    kind: str  # "opened" | "finding" | "recovered" | "severity" | "state" | "page" | "note"
    text: str
    actor: str = "petrel"
    finding_id: str = ""


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
