"""The estate's verdicts, notes, similar incidents and scoreboard: the real rules over dictionaries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tests.web import content

from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.explain import verdicts as rules
from stormpetrel.explain.scoreboard import behind, scoreboard_of
from stormpetrel.model.access import Caller
from stormpetrel.model.cause import CauseClass
from stormpetrel.model.cause_verdict import (
    CauseOutcome,
    CauseStatement,
    CauseVerdict,
    HelpedNote,
    IncidentKnowledge,
    ToldCause,
    ToldDiagnosis,
)
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.scoreboard import Scoreboard, ScoredIncident, ScoreFilter
from stormpetrel.model.similar import (
    Feature,
    FeatureFamily,
    IncidentBrief,
    SharedFeature,
    SimilarIncident,
    Similarity,
    SimilarPage,
)

DAY = 86_400 * content.SECOND
HOSTILE_ENTITY = f"service:{content.HOSTILE}"


def said(number: int, outcome: CauseOutcome, entity: str = "", found: bool = True) -> CauseVerdict:
    """A verdict on an old incident; the first hypothesis is checkout, the second hostile."""
    causes = (
        ToldCause("service:checkout", CauseClass.DEPLOY, 3.75),
        ToldCause(HOSTILE_ENTITY, CauseClass.CODE, 1.0),
    )
    told = ToldDiagnosis(content.NOW - number * DAY, found, 0.5 + (number % 5) / 10, causes)
    return CauseVerdict(
        f"2026-old-{number:03d}", content.NOW - number * DAY, 1, outcome, entity, content.HOSTILE, (), told,
        content.HOSTILE, content.NOW - number * DAY,
    )  # fmt: skip


def verdicts() -> list[CauseVerdict]:
    """Eighteen: of sixteen told causes twelve were right."""
    right = [said(number, CauseOutcome.IT, "service:checkout") for number in range(12)]
    second = [said(12, CauseOutcome.IT, HOSTILE_ENTITY)]
    else_ = [said(number, CauseOutcome.SOMETHING_ELSE, HOSTILE_ENTITY) for number in range(13, 16)]
    none = [said(16, CauseOutcome.NO_CAUSE, found=False), said(17, CauseOutcome.IT, HOSTILE_ENTITY, False)]
    return [*right, *second, *else_, *none]


class KnowledgeEstate:
    """One part of the `Service` protocol, deterministic."""

    empty = False
    incidents: dict[str, Incident]

    def __init__(self) -> None:
        self.said: dict[str, list[CauseVerdict]] = {}
        self.notes: dict[str, HelpedNote] = {}

    def knowledge(self, incident_id: str) -> IncidentKnowledge:
        self._whole(incident_id)
        history = tuple(self.said.get(incident_id, ()))
        told = rules.told_of(content.diagnosis(), content.NOW)
        return IncidentKnowledge(told, rules.counting(history), history, self.notes.get(incident_id))

    def last_told(self, incident_ids: Sequence[str]) -> dict[str, ToldDiagnosis]:
        found = {one: self.knowledge(one).told for one in incident_ids}
        return {incident_id: told for incident_id, told in found.items() if told is not None}

    def say_cause(self, incident_id: str, statement: CauseStatement, by: Caller) -> CauseVerdict:
        incident = self._whole(incident_id)
        history = self.said.setdefault(incident_id, [])
        start = CauseVerdict(
            incident_id, incident.start_unix_nano, 0, CauseOutcome.UNDECIDED, "", "", (),
            rules.told_of(content.diagnosis(), content.NOW), "", 0,
        )  # fmt: skip
        new = rules.follow(history[0] if history else start, statement)
        history.insert(0, replace(new, number=new.number + 1, actor=by.name, time_unix_nano=content.NOW))
        return history[0]

    def take_back_cause(self, incident_id: str, by: Caller) -> CauseVerdict:
        self._whole(incident_id)
        history = self.said.get(incident_id, [])
        if not history:
            raise StateError(f"nobody has said anything of the cause of {incident_id}")
        history.insert(0, replace(rules.taken_back(history[0]), actor=by.name))
        return history[0]

    def write_helped(self, incident_id: str, text: str, by: Caller) -> HelpedNote | None:
        self._whole(incident_id)
        self.notes.pop(incident_id, None)
        if text.strip():
            self.notes[incident_id] = HelpedNote(incident_id, text.strip(), by.name, content.NOW)
        return self.notes.get(incident_id)

    def similar_incidents(self, incident_id: str) -> SimilarPage:
        self._whole(incident_id)
        if self.empty:
            return SimilarPage((), 0, 0.3)
        if incident_id.startswith("2026-old"):
            return SimilarPage((), 41, 0.3)
        shared = (
            SharedFeature(Feature(FeatureFamily.LINE, content.HOSTILE), f"both log: {content.HOSTILE}", 0.3),
            SharedFeature(
                Feature(FeatureFamily.ENTITY, "service:checkout"), "both hit service:checkout", 0.25
            ),
        )
        old = IncidentBrief(
            "20260313-hostile", content.HOSTILE, IncidentState.RESOLVED, Severity.ERROR,
            content.NOW - DAY, content.NOW - DAY + 3600 * content.SECOND,
        )  # fmt: skip
        text = f"rolled back\n{content.HOSTILE}"
        note = HelpedNote("20260313-hostile", text, content.HOSTILE, content.NOW - DAY)
        first = SimilarIncident(old, Similarity(0.55, shared), said(3, CauseOutcome.IT, HOSTILE_ENTITY), note)
        second = SimilarIncident(
            replace(old, incident_id="20260314-0140-web", state=IncidentState.OPEN, resolved_unix_nano=0),
            Similarity(0.3, shared[:1]), None, None,
        )  # fmt: skip
        return SimilarPage((first, second), 122, 0.3)

    def scoreboard(self) -> Scoreboard:
        return scoreboard_of([] if self.empty else verdicts(), 10_000)

    def scored_incidents(self, chosen: ScoreFilter) -> list[ScoredIncident]:
        return behind([] if self.empty else verdicts(), chosen)

    def incident_briefs(self, incident_ids: list[str]) -> dict[str, IncidentBrief]:
        found = [self.incidents[one] for one in incident_ids if one in self.incidents]
        return {
            one.incident_id: IncidentBrief(
                one.incident_id,
                one.sentence,
                one.state,
                one.severity,
                one.start_unix_nano,
                one.resolved_unix_nano,
            )
            for one in found
        }

    def _whole(self, incident_id: str) -> Incident:
        if incident_id not in self.incidents:
            raise NotFoundError(f"there is no incident {incident_id}")
        return self.incidents[incident_id]
