"""What runs leave behind on their incidents: what was done, and that the trouble is mitigated."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import structlog

from stormpetrel.errors import StormPetrelError
from stormpetrel.model.action import EffectClass
from stormpetrel.model.finding import FindingState
from stormpetrel.model.incident import TRANSITIONS, Incident, IncidentState
from stormpetrel.model.run import ActOutcome, Run, RunState, Verification
from stormpetrel.ports.automation import AutomationStore

log = structlog.get_logger(__name__)

ACTOR = "petrel"
_ENDED = (RunState.FINISHED, RunState.COMPENSATED, RunState.ESCALATED)
_MOST_RUNS = 100
_MITIGATED = IncidentState.MITIGATED.value


class Aftermath:
    """Tells incidents what became of their runs, once each, whatever happens in between.

    The timeline itself says what was told: an entry names its run. So a process that dies after a run has
    ended tells it after its restart, and none tells it twice.

    Args:
        store: knows the runs.
        move: a step of an incident's state: id, state, actor, note.
        note: an entry in its timeline: id, actor, text.
    """

    def __init__(
        self,
        store: AutomationStore,
        move: Callable[[str, IncidentState, str, str], Incident],
        note: Callable[[str, str, str], Incident],
    ) -> None:
        self._store, self._move, self._note = store, move, note

    def look(self, incidents: Sequence[Incident]) -> list[Incident]:
        """The incidents, with what was done to them; those that nothing was done to as they are."""
        known = {one.incident_id: one for one in incidents}
        for run in reversed(self._store.list_runs(_ENDED, limit=_MOST_RUNS)):
            incident = known.get(run.plan.incident_id)
            if incident is None or not acted(run) or told(incident, run):
                continue
            try:
                known[incident.incident_id] = self._tell(incident, run)
            except StormPetrelError as error:  # it was resolved meanwhile, or cannot be stored just now
                log.info("aftermath_not_told", run=run.run_id, error=str(error)[:300])
        return [known[one.incident_id] for one in incidents]

    def _tell(self, incident: Incident, run: Run) -> Incident:
        text = words(run)
        if fixed(run) and IncidentState.MITIGATED in TRANSITIONS[incident.state]:
            return self._move(incident.incident_id, IncidentState.MITIGATED, ACTOR, text)
        return self._note(incident.incident_id, ACTOR, text)


def acted(run: Run) -> bool:
    """Whether a run has changed anything, as far as is known."""
    return any(
        one.action.effect > EffectClass.READ
        and one.result is not None
        and one.result.outcome is not ActOutcome.NOT_DONE
        for one in run.records
    )


def fixed(run: Run) -> bool:
    """Whether a run is through and the numbers say that it helped."""
    judged = [one.verified for one in run.records if one.verified is not None]
    return run.state is RunState.FINISHED and bool(judged) and judged[-1] is Verification.FIXED


def told(incident: Incident, run: Run) -> bool:
    """Whether the timeline of an incident names a run."""
    return any(run.run_id in entry.text for entry in incident.timeline)


def words(run: Run) -> str:
    """What a run did and what came of it, in one sentence that names it."""
    did = [
        f"{one.action.kind} on {', '.join(target.entity for target in one.action.targets)}"
        for one in run.records
        if one.action.effect > EffectClass.READ and not one.undo
    ]
    judged = [one.verified.value for one in run.records if one.verified is not None]
    said = {
        RunState.COMPENSATED: "it made things worse and was undone",
        RunState.ESCALATED: f"a person has to take over: {run.why}",
    }.get(run.state, judged[-1] if judged else "done")
    return f"{run.plan.runbook} did {' and '.join(dict.fromkeys(did))[:300]}: {said[:300]} (run {run.run_id})"


def to_act_on(incident: Incident) -> bool:
    """Whether an incident still asks for something: one that is mitigated does when a trouble began since."""
    if incident.state is not IncidentState.MITIGATED:
        return incident.state is not IncidentState.RESOLVED
    since = max(
        (one.time_unix_nano for one in incident.timeline if _mitigated(one.kind, one.text)), default=0
    )
    return any(one.state is FindingState.OPEN and one.start_unix_nano > since for one in incident.findings)


def _mitigated(kind: str, text: str) -> bool:
    return kind == "state" and text.partition(":")[0] == _MITIGATED
