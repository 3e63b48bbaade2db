"""What may follow what in a run, as far as the store sees to it; what a run cost and how it turned out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from stormpetrel.errors import StateError
from stormpetrel.model import canonical
from stormpetrel.model.action import Action, Cost
from stormpetrel.model.facts import Lease, Switch
from stormpetrel.model.ledger import EntryKind, LedgerNote
from stormpetrel.model.run import ActOutcome, Run, RunState, StepRecord, Verification
from stormpetrel.model.stopping import stopping
from stormpetrel.model.time import to_iso

_FROM_WAITING = frozenset({RunState.WAITING, RunState.REFUSED, RunState.EXPIRED, RunState.ESCALATED})
_FROM_WAITING_MIDWAY = frozenset({RunState.HOLDING, RunState.UNDOING})
_WORST_FIRST = (
    Verification.WORSE,
    Verification.INCONCLUSIVE,
    Verification.NO_EFFECT,
    Verification.FIXED,
)


def new_order(current: Run, following: Run) -> StepRecord:
    """The one record that the next version has more, or its last one begun again.

    An order that the system said was not done is given again under its own key: what is still on its way of
    the first and the second are one act to whoever keeps keys.

    Raises:
        StateError: there is not exactly one more, an order is out whose end is not on record, or it is not
            what the plan holds.
    """
    _same_plan(current, following)
    again = _begun_again(current, following)
    if again is not None:
        return again
    *before, order = following.records or (None,)
    if order is None or tuple(before) != current.records:
        raise StateError(f"the run {current.run_id}: a step is begun by exactly one new record at the end")
    if any(one.result is None for one in before if one is not None):
        raise StateError(
            f"the run {current.run_id} has an order whose end is not on record: resolve it first"
        )
    if any(one is not None and one.key == order.key for one in before):
        raise StateError(f"the run {current.run_id}: the key {order.key[:60]} was used before")
    wanted = RunState.UNDOING if order.undo else RunState.ACTING
    if following.state is not wanted or current.state is RunState.WAITING or order.result is not None:
        raise StateError(
            f"the run {current.run_id} is {current.state.value}: no step begins by {following.state.value}"
        )
    if not (_undoes(current, order) if order.undo else _planned(current, order)):
        raise StateError(f"the run {current.run_id}: the order {order.key[:60]} is not what its plan holds")
    return order


def _begun_again(current: Run, following: Run) -> StepRecord | None:
    """The last order once more, when it is known not to have been done and nothing else changed."""
    if not current.records or len(current.records) != len(following.records):
        return None
    last, order = current.records[-1], following.records[-1]
    fresh = replace(
        last, begun_unix_nano=order.begun_unix_nano, ended_unix_nano=0, result=None, verified=None,
        inverse=order.inverse, ordered=last.ordered + 1, asked=0,
    )  # fmt: skip
    wanted = RunState.UNDOING if order.undo else RunState.ACTING
    same = current.records[:-1] == following.records[:-1] and order == fresh and following.state is wanted
    return order if same and _known_not_done(last) and current.state is not RunState.WAITING else None


def _planned(run: Run, order: StepRecord) -> bool:
    step = next((one for one in run.plan.steps if one.step_id == order.step_id), None)
    return (
        step is not None
        and replace(order.action, targets=step.action.targets) == step.action
        and set(order.action.targets) <= set(step.action.targets)
        and not any(
            (one.step_id, one.wave, one.undo) == (order.step_id, order.wave, False)
            and not _known_not_done(one)
            for one in run.records
        )
    )


def _known_not_done(record: StepRecord) -> bool:
    return record.result is not None and record.result.outcome is ActOutcome.NOT_DONE


def _undoes(run: Run, order: StepRecord) -> bool:
    same = [one for one in run.records if (one.step_id, one.wave) == (order.step_id, order.wave)]
    return any(not one.undo for one in same) and not any(one.undo for one in same)


def _same_plan(current: Run, following: Run) -> None:
    if (following.run_id, following.plan_hash, following.plan) != (
        current.run_id,
        current.plan_hash,
        current.plan,
    ):
        raise StateError(f"the run {current.run_id}: its plan changes only by admission")


def checked_advance(current: Run, following: Run, reserved: bool) -> None:
    """Raise StateError where a run would get past admission, or lose or invent an order."""
    _same_plan(current, following)
    if following.automatic and not current.automatic:
        raise StateError(f"the run {current.run_id}: somebody had to agree to it, and that stays so")
    open_ways = _FROM_WAITING | _FROM_WAITING_MIDWAY if reserved else _FROM_WAITING
    if (current.state is RunState.WAITING or not reserved) and following.state not in open_ways:
        raise StateError(f"the run {current.run_id} waits: only admission makes it {following.state.value}")
    if [one.key for one in current.records] != [one.key for one in following.records]:
        raise StateError(f"the run {current.run_id}: records are added by begin_step, and never taken away")
    for was, now in zip(current.records, following.records, strict=True):
        if replace(was, ended_unix_nano=0, result=None, verified=None, inverse=None, asked=0) != replace(
            now, ended_unix_nano=0, result=None, verified=None, inverse=None, asked=0
        ) or (was.result is not None and now.result != was.result):
            raise StateError(f"the run {current.run_id}: the order {was.key[:60]} was changed afterwards")


def stopped_by(
    switches: Sequence[Switch], lease: Lease | None, token: int, run: Run, order: StepRecord
) -> str:
    """Why this order must not be given now; "" when nothing stops it."""
    one = stopping(switches, run.plan)
    if one is not None:
        since = to_iso(one.since_unix_nano)
        return f"the kill switch {one.scope} is engaged by {one.by} since {since}: {one.reason}"
    if lease is None or lease.token != token:
        held = "nobody holds it" if lease is None else f"{lease.holder} holds it under {lease.token}"
        return f"the lease of automation is not held under the token {token}: {held}"
    if order.begun_unix_nano >= lease.expires_unix_nano:
        return f"the lease of automation under the token {token} ended at {to_iso(lease.expires_unix_nano)}"
    return ""


def lacking_notes(current: Run, following: Run, notes: Sequence[LedgerNote]) -> list[LedgerNote]:
    """Results and verifications that the run has new and that no note tells of."""
    told = {one.kind for one in notes}
    found = []
    for was, now in zip(current.records, following.records, strict=True):
        for kind, fresh, body in (
            (
                EntryKind.UNDO_RESULT if now.undo else EntryKind.RESULT,
                was.result is None and now.result is not None,
                {"key": now.key, "result": now.result, "ended_unix_nano": now.ended_unix_nano},
            ),
            (
                EntryKind.VERIFIED,
                was.verified is not now.verified,
                {"key": now.key, "verified": now.verified, "why": following.why},
            ),
        ):
            if fresh and kind not in told:
                plan = following.plan
                found.append(
                    LedgerNote(
                        kind, following.run_id, plan.runbook, plan.incident_id, "petrel", canonical.text(body)
                    )
                )
    return found


def settled_cost(run: Run) -> Cost:
    """What a run is charged: its steps of which an order was given, unless it is known not to have been done.

    Undoing is free, as it skips the budget: what was charged for doing stays charged.
    """
    acted = {one.step_id for one in run.records if not one.undo and not _known_not_done(one)}
    costs = [one.cost for one in run.plan.steps if one.step_id in acted]
    return Cost(float(sum(one.spend for one in costs)), sum(one.churn for one in costs))


def result_of(run: Run) -> str:
    """The worst that its verifications found; inconclusive when it did something that nobody verified."""
    found = {one.verified for one in run.records if not one.undo}
    worst = next((one.value for one in _WORST_FIRST if one in found), None)
    return worst or (Verification.INCONCLUSIVE.value if run.records else "")


def direction(run: Run, order: StepRecord) -> int:
    """Which way an act turns its target: 1, -1, or 0 where there is no way back.

    A number that grew against the one that would undo it is up; of two kinds that undo each other, the one
    that comes first in the alphabet is up.
    """
    if order.undo:
        done = next(
            one for one in run.records
            if (one.step_id, one.wave) == (order.step_id, order.wave) and not one.undo
        )  # fmt: skip
        return -direction(run, done)
    back = order.inverse
    if back is None or back == order.action:
        return 0
    if back.kind != order.action.kind:
        return 1 if order.action.kind < back.kind else -1
    return next((way for way in map(_way, *_shared(order.action, back)) if way), 0)


def _shared(action: Action, back: Action) -> tuple[list[object], list[object]]:
    names = [one.name for one in action.parameters if back.parameter(one.name) is not None]
    return [action.parameter(one) for one in names], [back.parameter(one) for one in names]


def _way(there: object, back: object) -> int:
    if isinstance(there, int | float) and isinstance(back, int | float):
        return (there > back) - (there < back)
    return 0
