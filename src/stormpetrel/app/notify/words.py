"""What is told of pages, plans, runs and kill switches. Pure: from what is on record to a notification."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import quote

from stormpetrel.model.action import Action, Step
from stormpetrel.model.facts import Switch
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.ledger import EntryKind, LedgerEntry
from stormpetrel.model.notification import Asked, Notification, NotificationKind
from stormpetrel.model.page import PageAccount, PageDecision
from stormpetrel.model.run import Run, RunState, Verification
from stormpetrel.model.time import to_iso
from stormpetrel.model.verdict import Judgement

_MOST_ENTITIES, _MOST_STEPS, _MOST_DIGESTED = 5, 5, 20
_ENDED = {
    RunState.COMPENSATED: "Made things worse, and was undone",
    RunState.ESCALATED: "Given to people",
    RunState.EXPIRED: "Nobody answered in time",
}
_VERIFIED = {
    Verification.FIXED: "Fixed",
    Verification.NO_EFFECT: "No effect",
    Verification.WORSE: "Made things worse",
    Verification.INCONCLUSIVE: "Nobody can tell whether it helped",
}


def page_notice(incident: Incident) -> Notification | None:
    """An incident that wakes somebody; None when it does not, or when they were woken for another one, of
    which it was a part or which is a part of it by now: nobody pays for that page once more."""
    page = incident.page
    if page is None or page.decision is not PageDecision.PAGED or page.account is PageAccount.NONE:
        return None
    level = f", P{incident.priority.level}" if incident.priority is not None else ""
    state = "" if incident.state is IncidentState.OPEN else f"It is {incident.state.value} by now."
    lines = (
        f"Severity: {incident.severity.name.lower()}{level}",
        f"Since: {to_iso(incident.start_unix_nano)}",
        f"On: {_named(incident.entities)}",
        f"Why it pages: {page.reason}",
        state,
    )
    return Notification(
        f"page:{incident.incident_id}",
        NotificationKind.PAGE,
        incident.severity,
        incident.sentence,
        tuple(filter(None, lines)),
        f"/incidents/{quote(incident.incident_id, safe='')}",
        incident.entities,
        page.time_unix_nano,
    )


def plan_key(run: Run) -> str:
    """What tells one question from another: a run that asks again half way asks anew."""
    half_way = f":{len(run.records)}" if run.records else ""
    return f"plan:{run.run_id}:{run.plan_hash[:16]}{half_way}"


def plan_notice(
    run: Run, judgement: Judgement | None, incident: Incident | None, ends_unix_nano: int
) -> Notification:
    """A plan that waits for people."""
    needed = max(1, judgement.approvers if judgement is not None else 1)
    lines = [
        f"For: {incident.sentence}" if incident is not None else "",
        *(f"It would: {step_text(step)}" for step in run.plan.steps[:_MOST_STEPS]),
        _more(len(run.plan.steps) - _MOST_STEPS, "step"),
        f"At worst it is {run.plan.effect.word}.",
        f"Cost: {run.plan.cost.spend:g} spend, {run.plan.cost.churn} starts and stops",
        f"Why it asks: {run.why}",
        f"Proposed by: {run.plan.requester}",
        f"{'One person has' if needed == 1 else f'{needed} different people have'} to agree"
        f" before {to_iso(ends_unix_nano)}.",
    ]
    return Notification(
        plan_key(run),
        NotificationKind.PLAN,
        _severity(incident),
        f"Plan waits for you: {_of(run)}",
        tuple(filter(None, lines)),
        _path(run),
        _about(run, incident),
        max([run.begun_unix_nano, *(one.ended_unix_nano for one in run.records)]),
        ends_unix_nano,
        Asked(run.run_id, run.plan_hash, run.plan.requester, ends_unix_nano),
    )


def held_notice(run: Run, incident: Incident | None) -> Notification:
    """A run that holds until a person decides."""
    lines = (
        f"For: {incident.sentence}" if incident is not None else "",
        f"Why: {run.why}",
        "Go on, undo it, or stop: you decide.",
    )
    return Notification(
        f"held:{run.run_id}:{len(run.records)}",
        NotificationKind.PLAN,
        _severity(incident),
        f"Run holds, and you decide: {_of(run)}",
        tuple(filter(None, lines)),
        _path(run),
        _about(run, incident),
        run.records[-1].ended_unix_nano if run.records else run.begun_unix_nano,
        run.wake_unix_nano,
    )


def consequences(entries: Sequence[LedgerEntry]) -> tuple[str, ...]:
    """What a run led to beyond itself, from its entries: a level that was taken back, a breaker that fell."""
    found = []
    for entry in entries:
        body = json.loads(entry.body) if entry.kind in (EntryKind.AUTONOMY, EntryKind.BREAKER) else {}
        if entry.kind is EntryKind.AUTONOMY:
            found.append(f"{entry.runbook} is back at {body['to']}: {body['reason']}.")
        elif entry.kind is EntryKind.BREAKER and body["open"]:
            found.append(
                f"The breaker fell, {body['failures']} of the last {body['of']} automatic runs failed:"
                " every runbook asks until a person closes it on the page Automation."
            )
    return tuple(found)


def outcome_notice(run: Run, incident: Incident | None, led_to: tuple[str, ...] = ()) -> Notification | None:
    """What became of a run, and what it `led_to`; None while it is under way, and where nothing was done or
    asked."""
    if run.state is RunState.FINISHED and run.records:
        said = run.records[-1].verified
        word = _VERIFIED[said] if said is not None else "Done"
    elif run.state in _ENDED:
        word = _ENDED[run.state]
    else:
        return None
    lines = (
        f"For: {incident.sentence}" if incident is not None else "",
        *(f"Did: {step_text(step)}" for step in run.plan.steps[:_MOST_STEPS] if run.records),
        f"Why: {run.why}",
        *led_to,
    )
    return Notification(
        f"outcome:{run.run_id}",
        NotificationKind.OUTCOME,
        _severity(incident),
        f"{word}: {_of(run)}",
        tuple(filter(None, lines)),
        _path(run),
        _about(run, incident),
        run.ended_unix_nano,
    )


def refusal_notice(run: Run, judgement: Judgement | None, incident: Incident | None) -> Notification | None:
    """A plan that was refused for a reason that wakes somebody; None for any other. Once an incident."""
    paging = [] if judgement is None else [one for one in judgement.verdicts if one.page]
    if run.state is not RunState.REFUSED or not paging:
        return None
    first = paging[0]
    lines = (
        f"For: {incident.sentence}" if incident is not None else "",
        f"Refused by: {first.guardrail}",
        f"Proposed was: {_of(run)}",
    )
    return Notification(
        f"refused:{run.plan.incident_id}:{first.number}",
        NotificationKind.PAGE,
        max(_severity(incident), Severity.ERROR),
        f"Automation does not act, a person has to: {first.reason}",
        tuple(filter(None, lines)),
        _path(run),
        _about(run, incident),
        run.ended_unix_nano,
    )


def switch_notice(switch: Switch, released_unix_nano: int = 0) -> Notification:
    """A kill switch that was engaged; or, with a time, released."""
    whole = switch.scope == "global"
    what = "all automation" if whole else switch.scope
    key = f"switch:{switch.scope}:{switch.since_unix_nano}"
    entities = (switch.scope.removeprefix("service:"),) if switch.scope.startswith("service:") else ()
    severity = Severity.CRITICAL if whole else Severity.WARNING
    since = to_iso(switch.since_unix_nano)
    if released_unix_nano:
        lines = [f"It was engaged since {since}, by {switch.by}."]
        title, time = f"Kill switch released: {what} may go on", released_unix_nano
        key = f"{key}:released"
    else:
        lines = [f"Engaged by: {switch.by}", f"Since: {since}"]
        lines += [f"Why: {switch.reason}"] if switch.reason else []
        title, time = f"Kill switch engaged: {what} is stopped", switch.since_unix_nano
    return Notification(
        key, NotificationKind.SWITCH, severity, title, tuple(lines), "/automation", entities, time
    )


def trial_notice(route: str, by: str, now_unix_nano: int) -> Notification:
    """A message that somebody sends to see it arrive."""
    return Notification(
        f"test:{route}:{now_unix_nano}",
        NotificationKind.TEST,
        Severity.INFO,
        f"A test of the route {route}",
        (f"{by} sent it from the page Notifications. Nothing is wrong.",),
        "/settings/notifications",
        (),
        now_unix_nano,
    )


def digest_of(notices: list[Notification], now_unix_nano: int) -> Notification:
    """Many at once in one message, the most severe first."""
    ranked = sorted(notices, key=lambda one: (-one.severity, one.time_unix_nano))
    counts = {kind: sum(one.kind is kind for one in notices) for kind in NotificationKind}
    told = ", ".join(f"{count} {kind.value}" for kind, count in counts.items() if count)
    lines = [f"{one.severity.name.lower()} {one.kind.value}: {one.title}" for one in ranked[:_MOST_DIGESTED]]
    return Notification(
        f"digest:{now_unix_nano}",
        NotificationKind.DIGEST,
        ranked[0].severity,
        f"{len(notices)} notifications at once: {told}",
        (*lines, _more(len(notices) - _MOST_DIGESTED, "notification")) if len(notices) > _MOST_DIGESTED
        else tuple(lines),
        "/incidents" if counts[NotificationKind.PAGE] else "/automation",
        (),
        now_unix_nano,
    )  # fmt: skip


def step_text(step: Step) -> str:
    """A step in one line: what, on whom, with what, and whether it can be undone."""
    back = "can be undone" if step.inverse is not None else "cannot be undone"
    return f"{action_text(step.action)}; {back}"


def action_text(action: Action) -> str:
    """An action in one line."""
    given = ", ".join(f"{one.name} {one.value}" for one in action.parameters)
    targets = _named(tuple(one.entity for one in action.targets))
    return f"{action.kind} on {targets}" + (f" with {given}" if given else "")


def _of(run: Run) -> str:
    return f"{run.plan.runbook} on {_named(tuple(one.entity for one in run.plan.targets))}"


def _named(entities: tuple[str, ...]) -> str:
    named = ", ".join(entities[:_MOST_ENTITIES])
    rest = len(entities) - _MOST_ENTITIES
    return f"{named} and {rest} more" if rest > 0 else named


def _more(count: int, one: str) -> str:
    return f"And {count} more {one}{'' if count == 1 else 's'}." if count > 0 else ""


def _severity(incident: Incident | None) -> Severity:
    return incident.severity if incident is not None else Severity.ERROR


def _about(run: Run, incident: Incident | None) -> tuple[str, ...]:
    targets = tuple(one.entity for one in run.plan.targets)
    return targets if incident is None else tuple(dict.fromkeys([*targets, *incident.entities]))


def _path(run: Run) -> str:
    return f"/automation/runs/{quote(run.run_id, safe='')}"
