"""How the pages speak of automation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from stormpetrel.model.action import Action, Autonomy, Plan
from stormpetrel.model.flight import FlownOutcome
from stormpetrel.model.ledger import EntryKind, LedgerEntry
from stormpetrel.model.run import RunState

LEVELS: tuple[tuple[Autonomy, str, str], ...] = (
    (Autonomy.OBSERVE, "observe", "what it would do is recorded, and nothing more"),
    (Autonomy.SUGGEST, "suggest", "the plan is shown; nothing runs unless a person starts it"),
    (Autonomy.APPROVE, "approve", "it asks, and runs once a person agrees"),
    (Autonomy.AUTO, "auto", "it runs by itself, inside all guardrails"),
)
STATES: dict[RunState, tuple[str, str]] = {
    RunState.WAITING: ("waits for you", "warning"),
    RunState.READY: ("about to go on", "info"),
    RunState.ACTING: ("acting", "info"),
    RunState.SETTLING: ("acted, being watched", "info"),
    RunState.HOLDING: ("held: you decide", "warning"),
    RunState.UNDOING: ("being undone", "error"),
    RunState.FINISHED: ("finished", "healthy"),
    RunState.COMPENSATED: ("undone", "error"),
    RunState.ESCALATED: ("given to people", "error"),
    RunState.REFUSED: ("refused", "closed"),
    RunState.EXPIRED: ("nobody answered", "closed"),
}
OUTCOMES: dict[FlownOutcome, tuple[str, str]] = {
    FlownOutcome.ACTED: ("would have acted", "healthy"),
    FlownOutcome.ASKED: ("would have asked", "warning"),
    FlownOutcome.REFUSED: ("refused", "failing"),
}
_TOLD = {
    EntryKind.PROPOSED: "proposed",
    EntryKind.JUDGED: "judged",
    EntryKind.APPROVED: "agreed",
    EntryKind.DECLINED: "did not agree",
    EntryKind.RESERVED: "budget, rate and locks taken",
    EntryKind.BEGUN: "order on record, now acting",
    EntryKind.RESULT: "answer of the system",
    EntryKind.VERIFIED: "verified",
    EntryKind.UNDO_BEGUN: "order to undo on record",
    EntryKind.UNDO_RESULT: "answer to the undoing",
    EntryKind.SETTLED: "budget settled",
    EntryKind.STATE: "went on",
    EntryKind.SWITCH: "kill switch",
    EntryKind.AUTONOMY: "level of a runbook",
    EntryKind.RUNBOOK: "runbook",
    EntryKind.OPINION: "a person's opinion",
    EntryKind.BREAKER: "breaker",
    EntryKind.LEASE: "right to act",
}
_REASONS = ("why", "decided", "reason", "text", "outcome", "verification", "opinion")
_RUNBOOK = (
    ("loaded", "runbook loaded, version {}"),
    ("signed", "runbook signed off, version {}"),
    ("replay_days", "runbook flown over {} days of the past"),
)
_MOST = 300


def meaning_of(action: Action) -> str:
    """An action in one line."""
    given = ", ".join(f"{one.name} {one.value}" for one in action.parameters)
    targets = ", ".join(one.entity for one in action.targets)
    return f"{action.kind} on {targets}" + (f" with {given}" if given else "")


def entry_text(entry: LedgerEntry) -> str:
    """What an entry of the ledger says, in one line."""
    body = _body(entry)
    found = next((body[name] for name in _REASONS if body.get(name)), "")
    if not found and isinstance(body.get("result"), dict):
        found = body["result"].get("text", "")
    if entry.kind is EntryKind.RUNBOOK:  # the whole file would be its text
        found = ""
    told = _head(entry.kind, body)
    return f"{told}: {str(found)[:_MOST]}" if found else told


def _head(kind: EntryKind, body: Mapping[str, Any]) -> str:
    """What happened, without the reason."""
    told = _TOLD[kind]
    if kind is EntryKind.STATE:  # "went on" would be untrue of what waits or was refused
        return next((words for state, (words, _) in STATES.items() if state.value == body.get("to")), told)
    if kind is EntryKind.AUTONOMY and "to" in body:
        return f"level {_short(body, 'from')} made {_short(body, 'to')}"
    if kind is EntryKind.RUNBOOK:
        known = next((one for one in _RUNBOOK if one[0] in body), None)
        return told if known is None else known[1].format(_short(body, known[0]))
    if kind is EntryKind.SWITCH and "scope" in body:
        done = "release asked for" if "asked_before_by" in body else "engaged"
        return f"kill switch {_short(body, 'scope')} {done if body.get('engaged') else 'released'}"
    return told


def _short(body: Mapping[str, Any], name: str) -> str:
    return str(body.get(name, ""))[:100]


def steps_total(plan: Plan) -> int:
    """How many acts a plan has: one a target."""
    return sum(max(1, len(step.action.targets)) for step in plan.steps)


def _body(entry: LedgerEntry) -> dict[str, Any]:
    try:
        found = json.loads(entry.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
