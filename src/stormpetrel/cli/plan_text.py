"""A plan on a terminal, whole: what changes, on what evidence, how far, at what cost, and the way back."""

from __future__ import annotations

import json
from collections.abc import Iterator

from stormpetrel.model.action import Action, Step
from stormpetrel.model.automation_view import RunView
from stormpetrel.model.ledger import EntryKind
from stormpetrel.model.run import RunState
from stormpetrel.model.time import to_iso
from stormpetrel.model.verdict import Judgement, Outcome, Verdict

Line = tuple[str, str]  # text and style
_STYLES = {Outcome.ALLOW: "green", Outcome.ASK: "yellow", Outcome.DENY: "red"}
_EVIDENCE, _REACH, _BUDGET = 7, 11, 15  # numbers of guardrails


def plan_lines(view: RunView) -> Iterator[Line]:
    """The lines with their styles; texts are as they came, so print them through `console.plain`."""
    run, plan = view.run, view.run.plan
    yield f"Plan {run.run_id}: {plan.runbook} on {_entities(view)}", "bold"
    yield f"State: {run.state.value}: {run.why}", ""
    yield f"For: {view.sentence or 'an incident that is gone'} (incident {plan.incident_id})", ""
    yield f"Cause: {plan.cause or 'not known'}; proposed by {plan.requester}", ""
    yield f"Hash: {run.plan_hash}", ""
    if run.state is RunState.WAITING:
        needed = max(1, view.judgement.approvers if view.judgement is not None else 1)
        people = "1 person has" if needed == 1 else f"{needed} different people have"
        yield f"Waits until {to_iso(view.expires_unix_nano)}; {people} to agree", ""
    yield "", ""
    yield "What changes", "bold"
    for number, step in enumerate(plan.steps, 1):
        yield from _step_lines(number, step)
    yield "", ""
    yield from _grounds(view)
    yield "", ""
    yield from _checklist(view.judgement)
    for one in view.approvals:
        said = "agreed" if one.agreed else "did not agree"
        yield f"{one.approver} {said} by {one.channel}{': ' + one.reason if one.reason else ''}", ""


def _step_lines(number: int, step: Step) -> Iterator[Line]:
    yield f"  {number}. {action_text(step.action)}", ""
    yield from _difference(step)
    yield f"     At worst: {step.action.effect.word}", ""
    yield f"     Expected: {step.predicted}", ""
    yield f"     Cost: {step.cost.spend:g} spend, {step.cost.churn} starts and stops", ""
    back = action_text(step.inverse) if step.inverse is not None else "there is no way back"
    yield f"     Undo: {back}", "" if step.inverse is not None else "yellow"
    one_first = "; one target first" if len(step.action.targets) > 1 else ""
    yield f"     Looked at after {step.settle_seconds:g} s{one_first}", ""


def _difference(step: Step) -> Iterator[Line]:
    """What the parameters are now, as the way back has them, and what they would be."""
    inverse = step.inverse
    for one in step.action.parameters:
        before = inverse.parameter(one.name) if inverse is not None else None
        if before is not None and before != one.value:
            yield f"     - {one.name} {before}", "red"
        yield f"     + {one.name} {one.value}", "green"


def _grounds(view: RunView) -> Iterator[Line]:
    """Evidence, blast radius and cost, as the guardrails that judge them put it."""
    judgement = view.judgement
    if judgement is None:
        yield "Nothing was judged yet.", "yellow"
        return
    cost = judgement.plan.cost
    yield f"Evidence: {_reason(judgement, _EVIDENCE)}", ""
    for signal in _signals(view):
        yield f"  {signal}", ""
    yield f"Blast radius: {len(judgement.plan.targets)} targets. {_reason(judgement, _REACH)}", ""
    yield f"Cost: {cost.spend:g} spend, {cost.churn} starts and stops. {_reason(judgement, _BUDGET)}", ""


def _checklist(judgement: Judgement | None) -> Iterator[Line]:
    if judgement is None:
        return
    yield f"The {len(judgement.verdicts)} guardrails: {judgement.outcome.word}", "bold"
    for one in judgement.verdicts:
        yield _verdict_text(one), _STYLES[one.outcome]


def _verdict_text(one: Verdict) -> str:
    clamped = "".join(f" ({clamp.parameter}: {clamp.was} made {clamp.to})" for clamp in one.clamps)
    return f"  {one.outcome.word:<5} {one.number:>2} {one.guardrail}: {one.reason}{clamped}"


def _reason(judgement: Judgement, number: int) -> str:
    return next((one.reason for one in judgement.verdicts if one.number == number), "not judged")


def _signals(view: RunView) -> Iterator[str]:
    """The signals that the newest judgement stands on, from its snapshot of facts."""
    for entry in reversed(view.entries):
        if entry.kind is EntryKind.JUDGED:
            try:
                found = json.loads(entry.body)["facts"]["signals"] or ()
                yield from (f"{one['name']} ({one['source']}), {one['state']}" for one in found[:10])
            except (ValueError, KeyError, TypeError):
                return
            return


def action_text(action: Action) -> str:
    """An action in one line."""
    given = ", ".join(f"{one.name} {one.value}" for one in action.parameters)
    targets = ", ".join(one.entity for one in action.targets)
    return f"{action.kind} on {targets}" + (f" with {given}" if given else "")


def _entities(view: RunView) -> str:
    return ", ".join(one.entity for one in view.run.plan.targets)
