"""The report of a flight: from the ledger and the runs of its own control store, counted by runbook."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from stormpetrel.app.flight.crew import Crew
from stormpetrel.app.flight.opinions import Said
from stormpetrel.app.judged import judgement_of
from stormpetrel.model import canonical
from stormpetrel.model.action import Action
from stormpetrel.model.flight import (
    Afterwards,
    FlightReport,
    FlownOutcome,
    FlownPlan,
    InTheWay,
    RunbookFlight,
)
from stormpetrel.model.ledger import EntryKind, LedgerEntry
from stormpetrel.model.run import ActOutcome, Run, RunState, Verification
from stormpetrel.model.runbook import Runbook
from stormpetrel.model.verdict import Outcome, Verdict

W = TypeVar("W", bound=str)

MOST_PLANS = 60  # of each outcome of each runbook that are kept whole
_MOST_REASONS, _MOST_TARGETS, _MOST_TEXT = 3, 50, 600
_AFTER = {
    Verification.FIXED: Afterwards.WELL,
    Verification.NO_EFFECT: Afterwards.AS_BEFORE,
    Verification.WORSE: Afterwards.WORSE,
    Verification.INCONCLUSIVE: Afterwards.UNKNOWN,
}
_SAYS = {FlownOutcome.REFUSED: Outcome.DENY, FlownOutcome.ASKED: Outcome.ASK}


def flown_plans(crew: Crew, said: Said) -> dict[str, list[FlownPlan]]:
    """Every plan of a flight, by runbook, in the order in which they were made."""
    found: dict[str, list[FlownPlan]] = defaultdict(list)
    for run_id in crew.proposed:
        run = crew.control.run(run_id)
        if run is not None:
            found[run.plan.runbook].append(_plan(crew, said, run))
    return found


def _plan(crew: Crew, said: Said, run: Run) -> FlownPlan:
    entries = crew.control.ledger(0, run.run_id, 1000)
    judgement = judgement_of(entries)
    verdicts = judgement.verdicts if judgement is not None else ()
    outcome = _outcome(run)
    told = crew.afterwards.get(run.run_id)
    acted = outcome is FlownOutcome.ACTED
    incident = crew.incidents.get(run.plan.incident_id)
    opinion, recorded = said.of(run.plan.incident_id, {one.entity for one in run.plan.targets})
    return FlownPlan(
        plan_id=run.run_id,
        time_unix_nano=run.begun_unix_nano,
        incident_id=run.plan.incident_id,
        sentence=incident.sentence if incident is not None else "",
        cause=run.plan.cause,
        what="; ".join(_words(step.action) for step in run.plan.steps)[:_MOST_TEXT],
        targets=tuple(one.entity for one in run.plan.targets),
        outcome=outcome,
        why=run.why,
        by=tuple((one.number, one.guardrail) for one in verdicts if one.outcome is _SAYS.get(outcome)),
        acts=len(run.records),
        spend=run.plan.cost.spend if acted else 0.0,
        churn=run.plan.cost.churn if acted else 0,
        during=tuple(sorted(_during(entries))),
        afterwards=_AFTER[told.result] if told is not None else Afterwards.NOT_ASKED,
        told=" ".join(told.reasons)[:_MOST_TEXT] if told is not None else "",
        opinion=opinion,
        recorded=recorded,
        verdicts=verdicts,
    )


def _outcome(run: Run) -> FlownOutcome:
    """A plan that began would have acted, also where a later step of it was refused."""
    done = (one.result is None or one.result.outcome is not ActOutcome.NOT_DONE for one in run.records)
    if any(done) or run.state is RunState.READY:
        return FlownOutcome.ACTED
    return FlownOutcome.REFUSED if run.state is RunState.REFUSED else FlownOutcome.ASKED


def _words(action: Action) -> str:
    given = ", ".join(f"{one.name} {one.value}" for one in action.parameters)
    targets = ", ".join(one.entity for one in action.targets[:5])
    return f"{action.kind} on {targets}" + (f" with {given}" if given else "")


def _during(entries: Iterable[LedgerEntry]) -> set[str]:
    """What of the calendar covered the plan when it was judged first."""
    for entry in entries:
        if entry.kind is EntryKind.JUDGED:
            facts: Mapping[str, Any] = json.loads(entry.body)["facts"]
            return {str(one["kind"]) for one in facts["context"] or ()}
    return set()


# ------------------------------------------------------------------------------------------ counting


def counted(runbook: Runbook, plans: Sequence[FlownPlan]) -> RunbookFlight:
    """The plans of one runbook, counted; the first of each outcome are kept whole."""
    acted = [one for one in plans if one.outcome is FlownOutcome.ACTED]
    heard = [one for one in plans if one.outcome is not FlownOutcome.REFUSED]
    opinions = {one.incident_id: one.opinion for one in heard}
    kept = _kept(plans)
    return RunbookFlight(
        name=runbook.name,
        title=runbook.title,
        version=runbook.version,
        level=runbook.autonomy,
        incidents=len({one.incident_id for one in plans}),
        acted=len(acted),
        asked=len(heard) - len(acted),
        refused=len(plans) - len(heard),
        orders=sum(one.acts for one in acted),
        spend=float(sum(one.spend for one in acted)),
        churn=sum(one.churn for one in acted),
        targets=_most(entity for one in acted for entity in one.targets)[:_MOST_TARGETS],
        in_the_way=_in_the_way(plans),
        during=_periods(plans),
        afterwards=_most(one.afterwards for one in acted),
        opinions=_most(opinions.values()),
        plans=kept,
        left_out=len(plans) - len(kept),
    )


def _kept(plans: Sequence[FlownPlan]) -> tuple[FlownPlan, ...]:
    """At most so many of each outcome, and of those refused or asked at least one for each guardrail."""
    room: Counter[FlownOutcome] = Counter()
    shown: set[tuple[FlownOutcome, int]] = set()
    found = []
    for one in plans:
        ways = {(one.outcome, number) for number, _ in one.by}
        if room[one.outcome] < MOST_PLANS or not ways <= shown:
            room[one.outcome] += 1
            shown |= ways
            found.append(one)
    return tuple(found)


def _most(words: Iterable[W]) -> tuple[tuple[W, int], ...]:
    return tuple(sorted(Counter(words).items(), key=lambda one: (-one[1], str(one[0]))))


def _in_the_way(plans: Sequence[FlownPlan]) -> tuple[InTheWay, ...]:
    held: dict[tuple[int, str, FlownOutcome], list[tuple[FlownPlan, Verdict]]] = defaultdict(list)
    for one in plans:
        for verdict in one.verdicts:
            if (verdict.number, verdict.guardrail) in one.by and verdict.outcome is _SAYS.get(one.outcome):
                held[verdict.number, verdict.guardrail, one.outcome].append((one, verdict))
    return tuple(
        InTheWay(
            number=number,
            guardrail=name,
            outcome=outcome,
            plans=len(some),
            incidents=len({one.incident_id for one, _ in some}),
            reasons=_most(verdict.reason for _, verdict in some)[:_MOST_REASONS],
        )
        for (number, name, outcome), some in sorted(held.items())
    )


def _periods(plans: Sequence[FlownPlan]) -> tuple[tuple[str, int, int], ...]:
    every = Counter(kind for one in plans for kind in one.during)
    acted = Counter(kind for one in plans if one.outcome is FlownOutcome.ACTED for kind in one.during)
    return tuple((kind, every[kind], acted[kind]) for kind in sorted(every))


def sealed(report: FlightReport) -> FlightReport:
    """The report with its digest."""
    return replace(report, digest=canonical.digest(canonical.text(replace(report, digest=""))))
