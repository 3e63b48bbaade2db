"""What people say of causes and what helped, kept in the control store, and what that says of the causes."""

from __future__ import annotations

import threading
from dataclasses import replace

import structlog

from stormpetrel.errors import StateError, StoreError
from stormpetrel.explain import verdicts as rules
from stormpetrel.explain.scoreboard import behind, scoreboard_of
from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.cause_verdict import (
    MAX_HELPED_TEXT,
    CauseOutcome,
    CauseSaying,
    CauseStatement,
    CauseVerdict,
    HelpedNote,
    IncidentKnowledge,
    ToldDiagnosis,
)
from stormpetrel.model.incident import Incident
from stormpetrel.model.scoreboard import Scoreboard, ScoredIncident, ScoreFilter
from stormpetrel.model.text import storable
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore

log = structlog.get_logger(__name__)

MOST_STATEMENTS = 20  # kept of one incident
MOST_VERDICTS = 10_000  # looked at for the scoreboard


class KnowledgeDesk:
    """Takes verdicts on causes and notes of what helped, and counts them. Safe from any thread.

    A verdict is stored with the ranking that its author looked at: hit rates are of what was told.
    Cost: some milliseconds a call; the scoreboard some 30 µs a verdict.
    """

    def __init__(self, control: ControlStore, clock: Clock) -> None:
        self._control, self._clock = control, clock
        self._lock = threading.Lock()

    def tell(self, incident: Incident, diagnosis: Diagnosis) -> None:
        """Remember what was told of a cause just now.

        A store that refuses is logged: the diagnosis is told all the same, and remembered the next time.
        """
        told = rules.told_of(diagnosis, self._clock.now_unix_nano())
        try:
            with self._lock:
                before = self._control.told(incident.incident_id)
                counts = rules.counting(self._control.cause_verdicts(incident.incident_id))
                resolved = incident.resolved_unix_nano
                judged = counts is not None and counts.time_unix_nano >= resolved
                if rules.replaces(told, before, resolved, judged):
                    self._control.save_told(incident.incident_id, told)
        except StoreError as error:
            log.warning("told_not_kept", incident=incident.incident_id, error=str(error)[:300])

    def of(self, incident_id: str) -> IncidentKnowledge:
        """What is remembered of one incident."""
        history = tuple(self._control.cause_verdicts(incident_id))
        return IncidentKnowledge(
            told=self._control.told(incident_id),
            verdict=rules.counting(history),
            history=history,
            helped=self._control.helped([incident_id]).get(incident_id),
            earlier=tuple(self._control.told_before(incident_id)),
        )

    def say(self, incident: Incident, statement: CauseStatement, actor: str) -> CauseVerdict:
        """Keep a statement on the cause of an incident; from now on what follows from it counts.

        Raises:
            NotFoundError, StateError: see `explain.verdicts.follow`; or nothing was told of the cause yet, or
                the ranking that its author looked at is not kept any more.
        """
        # The entity of a hypothesis has to be the one that was told, whatever characters it has.
        free = statement.said is CauseSaying.SOMETHING_ELSE
        entity = storable(statement.entity) if free else statement.entity
        clean = replace(statement, entity=entity, text=storable(statement.text))
        with self._lock:
            before = self._newest(incident, statement.seen)
            return self._keep(rules.follow(before, clean), actor)

    def take_back(self, incident: Incident, actor: str) -> CauseVerdict:
        """Nothing that was said of the cause of an incident counts any more; StateError when nothing did."""
        with self._lock:
            history = self._control.cause_verdicts(incident.incident_id)
            if not history:
                raise StateError(f"nobody has said anything of the cause of {incident.incident_id}")
            return self._keep(rules.taken_back(history[0]), actor)

    def write_helped(self, incident: Incident, text: str, actor: str) -> HelpedNote | None:
        """Keep what helped in the place of what was written before; an empty text takes it away."""
        said = storable(text).strip()[:MAX_HELPED_TEXT]
        if not said:
            self._control.delete_helped(incident.incident_id)
            return None
        note = HelpedNote(incident.incident_id, said, actor, self._clock.now_unix_nano())
        self._control.save_helped(note)
        return note

    def scoreboard(self) -> Scoreboard:
        """How often causes were right."""
        return scoreboard_of(self._control.list_cause_verdicts(MOST_VERDICTS), MOST_VERDICTS)

    def scored(self, chosen: ScoreFilter) -> list[ScoredIncident]:
        """The incidents behind one number of the scoreboard, the newest verdict first."""
        return behind(self._control.list_cause_verdicts(MOST_VERDICTS), chosen)

    def _newest(self, incident: Incident, seen: str) -> CauseVerdict:
        """What was said last, about what its author saw; one that says nothing when nobody spoke yet."""
        known = self.of(incident.incident_id)
        history = known.history
        if known.told is None:
            raise StateError(f"nothing was told of the cause of {incident.incident_id} yet; look at it first")
        told = known.seen(seen)
        if told is None:
            raise StateError(
                f"what is told of the cause of {incident.incident_id} is no longer what you looked at;"
                " look at it again, then say it"
            )
        if history:
            return replace(history[0], told=told)
        return _nothing_said(incident, told)

    def _keep(self, said: CauseVerdict, actor: str) -> CauseVerdict:
        now = self._clock.now_unix_nano()
        verdict = replace(said, number=said.number + 1, actor=actor, time_unix_nano=now)
        self._control.add_cause_verdict(verdict, MOST_STATEMENTS)
        return verdict


def _nothing_said(incident: Incident, told: ToldDiagnosis) -> CauseVerdict:
    return CauseVerdict(
        incident_id=incident.incident_id,
        incident_start_unix_nano=incident.start_unix_nano,
        number=0,
        outcome=CauseOutcome.UNDECIDED,
        entity="",
        text="",
        ruled_out=(),
        told=told,
        actor="",
        time_unix_nano=0,
    )
