"""The use-cases of what is learnt from incidents, one part of `app.service`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stormpetrel.model.access import Caller
from stormpetrel.model.cause_verdict import (
    CauseStatement,
    CauseVerdict,
    HelpedNote,
    IncidentKnowledge,
    ToldDiagnosis,
)
from stormpetrel.model.scoreboard import Scoreboard, ScoredIncident, ScoreFilter
from stormpetrel.model.similar import IncidentBrief, SimilarPage


class KnowledgeService(Protocol):
    """What the pages and the API of verdicts, of the scoreboard and of similar incidents ask and do."""

    def knowledge(self, incident_id: str) -> IncidentKnowledge:
        """What was told of an incident's cause, what people said of that, and what helped. NotFoundError."""
        ...

    def last_told(self, incident_ids: Sequence[str]) -> dict[str, ToldDiagnosis]:
        """What was last told of the causes of these incidents; those nobody asked of are missing. Quick."""
        ...

    def say_cause(self, incident_id: str, statement: CauseStatement, by: Caller) -> CauseVerdict:
        """Say something of a cause. NotFoundError, StateError, AuthError, OverloadedError."""
        ...

    def take_back_cause(self, incident_id: str, by: Caller) -> CauseVerdict:
        """Take back all that was said of a cause. NotFoundError, StateError, AuthError."""
        ...

    def write_helped(self, incident_id: str, text: str, by: Caller) -> HelpedNote | None:
        """Write what helped; an empty text takes it away. NotFoundError, AuthError."""
        ...

    def similar_incidents(self, incident_id: str) -> SimilarPage:
        """Earlier incidents that are like one. NotFoundError."""
        ...

    def scoreboard(self) -> Scoreboard:
        """How often causes were right, as people say."""
        ...

    def scored_incidents(self, chosen: ScoreFilter) -> list[ScoredIncident]:
        """The incidents behind one number of the scoreboard, the newest verdict first."""
        ...

    def incident_briefs(self, incident_ids: list[str]) -> dict[str, IncidentBrief]:
        """Incidents in few words, by id; unknown ones are missing."""
        ...
