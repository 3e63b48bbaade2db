"""Incidents are told what was done to them: once, whatever happens in between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest

from stormpetrel.app.aftermath import Aftermath, to_act_on
from stormpetrel.errors import NotFoundError
from stormpetrel.model.action import EffectClass
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState, TimelineEntry
from stormpetrel.model.run import ActOutcome, ActResult, Run, RunState, Verification
from stormpetrel.testing.automation_samples import begun, sample_plan, sample_run

NOW = 1_700_000_000_000_000_000


def finding(start: int, state: FindingState = FindingState.OPEN) -> Finding:
    evidence = Evidence("log", "q", -1, start, start, 0.0, 1.0, 1.0, 1.0, 1.0)
    return Finding(
        f"f{start}",
        "down",
        1,
        "down",
        "service:shop",
        "t",
        "w",
        Severity.ERROR,
        state,
        start,
        start,
        evidence,
    )


def incident(state: IncidentState = IncidentState.OPEN) -> Incident:
    return Incident("i1", "s", state, Severity.ERROR, ("service:shop",), NOW, NOW, 0, (finding(NOW),), ())


def run(state: RunState = RunState.FINISHED, result: Verification | None = Verification.FIXED) -> Run:
    plan = replace(sample_plan("run-7"), incident_id="i1")
    made = sample_run(plan)
    order = begun(made).records[-1]
    done = replace(order, ended_unix_nano=NOW, result=ActResult(ActOutcome.DONE, "done"), verified=result)
    return replace(made, state=state, records=(done,), why="it says why")


@dataclass
class Desk:
    """Keeps runs and incidents, and writes down what it is told."""

    runs: list[Run]
    gone: bool = False
    steps: list[tuple[str, str]] = field(default_factory=list)

    def list_runs(self, states: Sequence[RunState] = (), *_: object, **__: object) -> list[Run]:
        return [one for one in self.runs if one.state in states]

    def move(self, incident_id: str, to: IncidentState, actor: str, note: str) -> Incident:
        if self.gone:
            raise NotFoundError("it is resolved")
        self.steps.append((to.value, note))
        entry = TimelineEntry(NOW, "state", f"{to.value}: {note}", actor)
        return replace(incident(to), timeline=(entry,))

    def note(self, incident_id: str, actor: str, text: str) -> Incident:
        self.steps.append(("note", text))
        return replace(incident(), timeline=(TimelineEntry(NOW, "note", text, actor),))

    def look(self, *incidents: Incident) -> list[Incident]:
        made = Aftermath(self, self.move, self.note)  # type: ignore[arg-type]  # of the store only this
        return made.look(incidents)


def test_what_is_fixed_is_mitigated_and_says_by_what_once() -> None:
    desk = Desk([run()])
    (after,) = desk.look(incident())
    ((state, text),) = desk.steps
    assert (after.state, state) == (IncidentState.MITIGATED, "mitigated")
    assert desk.runs[0].run_id in text
    assert ": fixed (run " in text
    assert desk.look(after) == [after]
    assert len(desk.steps) == 1


@pytest.mark.parametrize(
    ("ended", "said"),
    [
        (run(RunState.COMPENSATED, Verification.WORSE), "made things worse and was undone"),
        (run(RunState.ESCALATED, Verification.INCONCLUSIVE), "a person has to take over: it says why"),
        (run(RunState.FINISHED, Verification.NO_EFFECT), ": no effect (run"),
    ],
)
def test_what_is_not_fixed_is_noted_and_stays_open(ended: Run, said: str) -> None:
    desk = Desk([ended])
    (after,) = desk.look(incident())
    ((kind, text),) = desk.steps
    assert (kind, said in text, after.state) == ("note", True, IncidentState.OPEN)


def test_what_was_mitigated_before_is_noted() -> None:
    desk = Desk([run()])
    desk.look(incident(IncidentState.MITIGATED))
    assert [kind for kind, _ in desk.steps] == ["note"]


def test_what_did_nothing_is_not_told() -> None:
    (record,) = run().records
    not_done = replace(record, result=ActResult(ActOutcome.NOT_DONE, "no"))
    read = replace(record, action=replace(record.action, effect=EffectClass.READ))
    desk = Desk([replace(run(), records=(one,)) for one in (not_done, read)] + [replace(run(), records=())])
    desk.look(incident())
    assert desk.steps == []


def test_one_that_was_resolved_meanwhile_is_left_alone() -> None:
    desk = Desk([run()], gone=True)
    assert desk.look(incident()) == [incident()]


def test_a_mitigated_incident_asks_again_only_for_what_began_since() -> None:
    assert to_act_on(incident())
    assert not to_act_on(incident(IncidentState.RESOLVED))
    entry = TimelineEntry(NOW + 10, "state", "mitigated: it was fixed")
    mitigated = replace(incident(IncidentState.MITIGATED), timeline=(entry,))
    assert not to_act_on(mitigated)
    later = (*mitigated.findings, finding(NOW + 20))
    assert to_act_on(replace(mitigated, findings=later))
    over = (*mitigated.findings, finding(NOW + 20, FindingState.CLOSED))
    assert not to_act_on(replace(mitigated, findings=over))
