"""Findings and incidents into the stores, and to the pages; what cannot be stored now is stored later."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from stormpetrel.app.live import LiveHub
from stormpetrel.app.pipeline import Outcome
from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import Incident
from stormpetrel.model.view import LiveMessage
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.store import TelemetryStore

log = structlog.get_logger(__name__)

# Changes that wait for a store that refuses; only the newest of each id. Beyond it the oldest are dropped.
MAX_WAITING = 10_000


def _nobody(_incidents: Sequence[Incident]) -> None:
    """Nobody wants to know."""


class OutcomeKeeper:
    """Keeps what the pipeline found. One thread at a time may call it.

    While a store refuses, the newest state of each finding and incident waits here; every call tries
    again. Findings and incidents are tried apart: one store that fails does not hold up the other.
    """

    def __init__(self, store: TelemetryStore, control: ControlStore, hub: LiveHub) -> None:
        self._store = store
        self._control = control
        self._hub = hub
        self._findings: dict[str, Finding] = {}
        self._incidents: dict[str, Incident] = {}
        self.noticed: Callable[[Sequence[Incident]], None] = _nobody  # told of incidents that were stored

    @property
    def waiting(self) -> int:
        """Findings and incidents not stored yet."""
        return len(self._findings) + len(self._incidents)

    def keep(self, outcome: Outcome) -> None:
        """Store what changed, and what waited, then tell the open pages.

        Raises:
            StoreError: a store refused; nothing is forgotten, the next call tries again.
        """
        self._findings.update((finding.finding_id, finding) for finding in outcome.findings)
        self._incidents.update((incident.incident_id, incident) for incident in outcome.incidents)
        for waiting in (self._findings, self._incidents):
            while len(waiting) > MAX_WAITING:
                dropped = next(iter(waiting))
                del waiting[dropped]
                log.error("outcome_dropped", id=dropped, waiting=MAX_WAITING)
        try:
            self._keep_findings()
        finally:
            self._keep_incidents()

    def keep_step(self, incident: Incident) -> None:
        """Store a person's step at once, then tell the open pages.

        Raises:
            StoreError: the control store refused; the step is not kept, and not tried again.
        """
        self.keep_steps([incident])

    def keep_steps(self, incidents: Sequence[Incident]) -> None:
        """Store a person's step that changes several incidents, all or none, then tell the open pages.

        Raises:
            StoreError: the control store refused; the step is not kept, and not tried again.
        """
        self._control.save_incidents(incidents)
        for incident in incidents:
            self._incidents.pop(incident.incident_id, None)  # an older state that waited
        self._told(incidents)

    def _keep_findings(self) -> None:
        findings = list(self._findings.values())
        if not findings:
            return
        self._store.insert_findings(findings)
        self._findings.clear()
        for finding in findings:
            self._hub.publish(LiveMessage("finding", finding.finding_id, finding.title))

    def _keep_incidents(self) -> None:
        incidents = list(self._incidents.values())
        if not incidents:
            return
        self._control.save_incidents(incidents)
        self._incidents.clear()
        self._told(incidents)

    def _told(self, incidents: Sequence[Incident]) -> None:
        self.noticed(incidents)
        for incident in incidents:
            log.info(
                "incident",
                id=incident.incident_id,
                state=incident.state.value,
                severity=incident.severity.name.lower(),
                sentence=incident.sentence,
            )
            self._hub.publish(LiveMessage("incident", incident.incident_id, incident.sentence))
