"""The use-cases of what is learnt from incidents: verdicts on causes, what helped, similar incidents."""

from __future__ import annotations

from collections.abc import Sequence

from stormpetrel.app import access as rules
from stormpetrel.app.parts import Parts
from stormpetrel.errors import NotFoundError
from stormpetrel.model.access import Caller
from stormpetrel.model.cause_verdict import (
    CauseStatement,
    CauseVerdict,
    HelpedNote,
    IncidentKnowledge,
    ToldDiagnosis,
)
from stormpetrel.model.incident import Incident
from stormpetrel.model.scoreboard import Scoreboard, ScoredIncident, ScoreFilter
from stormpetrel.model.similar import IncidentBrief, SimilarPage


class KnowledgeUseCases:
    """One part of `app.service.Service`; methods are documented in `app.service_knowledge`."""

    _is: Parts

    def knowledge(self, incident_id: str) -> IncidentKnowledge:
        """What is remembered of an incident."""
        self._whole(incident_id)
        return self._is.desks.knowledge.of(incident_id)

    def last_told(self, incident_ids: Sequence[str]) -> dict[str, ToldDiagnosis]:
        """As it is on record."""
        found = ((one, self._is.control.told(one)) for one in incident_ids)
        return {incident_id: told for incident_id, told in found if told is not None}

    def say_cause(self, incident_id: str, statement: CauseStatement, by: Caller) -> CauseVerdict:
        """A responder says something of a cause; where nobody asked for it yet, it is worked out first."""
        rules.require_responder(by)
        incident = self._whole(incident_id)
        if self._is.control.told(incident_id) is None:
            self._is.desks.diagnose.of(incident)
        return self._is.desks.knowledge.say(incident, statement, by.name)

    def take_back_cause(self, incident_id: str, by: Caller) -> CauseVerdict:
        """A responder takes back all that was said of a cause."""
        rules.require_responder(by)
        return self._is.desks.knowledge.take_back(self._whole(incident_id), by.name)

    def write_helped(self, incident_id: str, text: str, by: Caller) -> HelpedNote | None:
        """A responder writes what helped."""
        rules.require_responder(by)
        return self._is.desks.knowledge.write_helped(self._whole(incident_id), text, by.name)

    def similar_incidents(self, incident_id: str) -> SimilarPage:
        """Earlier incidents that are like one."""
        return self._is.desks.similar.of(self._whole(incident_id))

    def scoreboard(self) -> Scoreboard:
        """How often causes were right."""
        return self._is.desks.knowledge.scoreboard()

    def scored_incidents(self, chosen: ScoreFilter) -> list[ScoredIncident]:
        """The incidents behind one number."""
        return self._is.desks.knowledge.scored(chosen)

    def incident_briefs(self, incident_ids: list[str]) -> dict[str, IncidentBrief]:
        """Incidents in few words."""
        return self._is.control.incident_briefs(incident_ids)

    def _whole(self, incident_id: str) -> Incident:
        found = self._is.control.incident(incident_id)
        if found is None:
            raise NotFoundError(f"there is no incident {incident_id[:60]}")
        return found
