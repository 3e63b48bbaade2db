"""The port of what is remembered of incidents: verdicts on causes, what was told, fingerprints, notes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from stormpetrel.model.cause_verdict import CauseVerdict, HelpedNote, ToldDiagnosis
from stormpetrel.model.similar import Fingerprint, IncidentBrief

KEPT_TOLD = 20  # earlier rankings of one incident: ten minutes of one that is looked at all the time


class KnowledgeStore(Protocol):
    """One part of `ports.control.ControlStore`. Every method is one transaction and safe from any thread."""

    def add_cause_verdict(self, verdict: CauseVerdict, most_kept: int = 20) -> None:
        """Keep a statement, and of its incident the `most_kept` newest; StateError: its number is taken."""
        ...

    def cause_verdicts(self, incident_id: str) -> list[CauseVerdict]:
        """What is kept of one incident, newest first, taken back or not."""
        ...

    def list_cause_verdicts(self, limit: int = 10_000) -> list[CauseVerdict]:
        """The newest statement of each incident, newest first; incidents whose is taken back are left out."""
        ...

    def save_told(self, incident_id: str, told: ToldDiagnosis) -> None:
        """What is told of an incident's cause from now on; the last `KEPT_TOLD` before it stay."""
        ...

    def told(self, incident_id: str) -> ToldDiagnosis | None:
        """What was last told of an incident's cause."""
        ...

    def told_before(self, incident_id: str) -> list[ToldDiagnosis]:
        """What was told of an incident's cause before that, newest first."""
        ...

    def save_fingerprints(self, fingerprints: Sequence[Fingerprint]) -> None:
        """Insert or replace fingerprints by incident; of two of one incident, the later."""
        ...

    def fingerprints(self, incident_ids: Collection[str]) -> dict[str, Fingerprint]:
        """Those of some incidents, by incident; unknown ones are missing."""
        ...

    def list_fingerprints(self, limit: int = 10_000) -> list[Fingerprint]:
        """Those of the incidents that began last, newest first, ties by id."""
        ...

    def save_helped(self, note: HelpedNote) -> None:
        """Insert or replace what helped in an incident."""
        ...

    def delete_helped(self, incident_id: str) -> None:
        """Forget what helped; no error when nothing was written."""
        ...

    def helped(self, incident_ids: Collection[str]) -> dict[str, HelpedNote]:
        """What helped in some incidents, by incident; those without a note are missing."""
        ...

    def incident_briefs(self, incident_ids: Collection[str]) -> dict[str, IncidentBrief]:
        """Some incidents in few words, by id; unknown ones are missing. Their findings are not read."""
        ...
