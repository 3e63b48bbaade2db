"""Runs on their way: does what the run machine says is next, one thing at a time, each on record first.

`advance` may be called by anybody, at any time, as often as they like: it reads the run, does the one next
thing, and writes what came of it. Whoever dies in between leaves an open order, and the next caller asks the
actuator what is true of it. The control store is the truth; whoever calls (see `stormpetrel.app.driving`)
only brings the time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import structlog

from stormpetrel.act import progress
from stormpetrel.act.progress import WINDOW_SECONDS, Decision, Verified
from stormpetrel.act.run import Done, Instruction, Move, Order, Resolve, Verify, Wait, following
from stormpetrel.act.verify import Measured, judged
from stormpetrel.act.waves import entities_acted
from stormpetrel.app.leader import Leader
from stormpetrel.app.orders import MAX_TEXT, capture, give, held_by_another, order_of
from stormpetrel.errors import NotFoundError, StateError, StoreError, StormPetrelError
from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts, Limits, Switch
from stormpetrel.model.run import ENDS, Run, RunState, StepRecord, Verification
from stormpetrel.model.stopping import stopping
from stormpetrel.model.time import to_seconds
from stormpetrel.model.verdict import Approval, Judgement
from stormpetrel.ports.actuate import Actuator
from stormpetrel.ports.automation import AutomationStore, BudgetLimits
from stormpetrel.ports.clock import Clock

log = structlog.get_logger(__name__)

# Nothing is waited for longer without looking: what people answered is read again, and so is the clock.
LOOK_SECONDS = 60.0
# After a store that refused, and while another process holds the lease.
RETRY_SECONDS = 2.0
# After somebody else changed the run meanwhile: it is read again.
AGAIN_SECONDS = 0.2
OPEN = tuple(state for state in RunState if state not in ENDS)


def _logged(run: Run) -> None:
    log.info("run", id=run.run_id, state=run.state.value, why=run.why)


@dataclass(frozen=True, slots=True)
class Around:
    """What a run needs of the world around it.

    Attributes:
        facts: all facts that the store does not know, at this time; what cannot be found out is None.
        judge: what the guardrails say of a plan; pure.
        actuator: a configured actuator by name; NotFoundError when there is none.
        measure: what is looked at after an act, at this time.
        switches: kill switches that are engaged elsewhere than in the store, as by a file; read before each
            order, also of an undoing.
        told: hears of every step of a run.
    """

    facts: Callable[[Run, int], Facts]
    judge: Callable[[Plan, Facts], Judgement]
    actuator: Callable[[str], Actuator]
    measure: Callable[[Run, StepRecord, int], Measured]
    switches: Callable[[], Sequence[Switch]] = tuple
    told: Callable[[Run], None] = _logged


@dataclass(frozen=True, slots=True)
class Bounds:
    """The numbers in force. `window_seconds`: of samples after an act had time to settle."""

    limits: Limits
    budget: BudgetLimits
    window_seconds: float = WINDOW_SECONDS


class Runs:
    """Takes runs on their way. Safe from any thread, and beside any other process on the same store."""

    def __init__(
        self, store: AutomationStore, around: Around, leader: Leader, clock: Clock, bounds: Bounds
    ) -> None:
        self._store = store
        self._around = around
        self._leader = leader
        self._clock = clock
        self._bounds = bounds
        self._busy: set[str] = set()
        self._lock = threading.Lock()
        self._answers: dict[str, tuple[Approval, ...]] = {}  # as they were when a waiting run was last judged

    def unended(self, limit: int = 1000) -> list[str]:
        """The runs that have not reached their end, oldest first."""
        return [run.run_id for run in reversed(self._store.list_runs(OPEN, limit=limit))]

    def decide(self, run_id: str, decision: Decision, by: str, reason: str = "") -> Run:
        """A person says what is to become of a run that holds.

        Raises:
            NotFoundError: there is no such run.
            StateError: it does not hold (any more).
        """
        run = self._run(run_id)
        if run.state is not RunState.HOLDING:
            raise StateError(f"run {run_id} is {run.state.value}; only a run that holds is decided on")
        return self._take(run, progress.decided(run, decision, by, reason, self._now()))

    def advance(self, run_id: str) -> float | None:
        """Do the one next thing for a run; what was done before is found on record and not done again.

        Returns:
            After how many seconds to call again, 0 for at once; None: the run has ended.
        """
        with self._lock:
            if run_id in self._busy:
                return RETRY_SECONDS  # an order under way is not asked about by its own process
            self._busy.add(run_id)
        try:
            return self._advance(run_id)
        finally:
            with self._lock:
                self._busy.discard(run_id)

    def _advance(self, run_id: str) -> float | None:
        if self._leader.token() is None:
            return RETRY_SECONDS
        try:
            run = self._store.run(run_id)
            if run is None:
                return None
            now = self._now()
            return self._do(run, following(run, now, self._bounds.limits), now)
        except StateError as error:
            log.info("run_moved_on", run=run_id, found=str(error))
            return AGAIN_SECONDS
        except StoreError as error:
            log.warning("run_not_kept", run=run_id, error=str(error))
            return RETRY_SECONDS
        # A driver that hears of a defect would give the run up in the end, with its order out and its locks.
        except Exception:  # logged; it is tried again from where the record stands
            log.exception("run_step_failed", run=run_id)
            return RETRY_SECONDS

    # ------------------------------------------------------------------------------------ one thing

    def _do(self, run: Run, instruction: Instruction, now: int) -> float | None:
        match instruction:
            case Done():
                self._answers.pop(run.run_id, None)
                return None
            case Wait(until, people):
                if people and run.state is RunState.WAITING and self._heard(run, now):
                    return 0.0
                return min(max(to_seconds(until - now), 0.0), LOOK_SECONDS)
            case Move():
                self._take(run, instruction)
            case Resolve(record):
                self._resolve(run, record)
            case Verify(record):
                self._verify(run, record, now)
            case Order(record) if record.undo:
                self._order(run, instruction)
            case Order():
                self._judge_and_order(run)
        return 0.0

    def _heard(self, run: Run, now: int) -> bool:
        """Whether people said something since the run was last judged, and it was judged again."""
        answers = tuple(self._store.approvals(run.run_id))
        no = [one for one in answers if not one.agreed and now < one.expires_unix_nano]
        if no:
            why = f"{no[0].approver} said no" + (f": {no[0].reason}" if no[0].reason else ".")
            self._take(run, progress.stopped(run, why, now))
            return True
        if not answers or answers == self._answers.get(run.run_id):
            return False
        self._judge(run)
        self._answers[run.run_id] = answers
        return True

    def _judge(self, run: Run) -> Run:
        """Complete the facts, judge, record and reserve, all in the store's one transaction.

        A run whose facts cannot be found out may not go on.
        """
        try:
            found = self._around.facts(run, self._now())
        except Exception as error:  # noqa: BLE001 - whatever it raises, what is not known refuses
            why = f"It could not be judged again: {_said(error)}"
            return self._take(run, progress.stopped(run, why, self._now()))
        facts = replace(found, acted=entities_acted(run))
        self._store.admit(facts, lambda whole: self._around.judge(run.plan, whole), run, self._bounds.budget)
        return self._run(run.run_id)

    def _judge_and_order(self, run: Run) -> None:
        judged = self._judge(run)
        order = following(judged, self._now(), self._bounds.limits)
        if judged.state is RunState.READY and isinstance(order, Order):
            self._order(judged, order)

    def _order(self, run: Run, order: Order) -> None:
        """Put the order on record with its inverse, then give it, then put the answer on record."""
        action, inverse, obstacle = order.record.action, None, ""
        try:
            actuator = self._around.actuator(action.targets[0].actuator)
        except NotFoundError as error:
            self._take(run, progress.stopped(run, f"{action.kind} was not ordered: {error}", self._now()))
            return
        if order.record.undo:
            obstacle = held_by_another(actuator, action)
        elif order.capture:
            inverse, obstacle = capture(actuator, action)
        obstacle = obstacle or _switched_off(run, self._around.switches())
        token = self._leader.token()
        if obstacle or token is None:
            if obstacle:
                why = f"{action.kind} was not ordered: {obstacle}"
                self._take(run, progress.stopped(run, why, self._now()))
            return
        move = progress.begun(run, order.record, inverse, self._now())
        try:
            begun = self._store.begin_step(run, move.run, token, move.notes)
        except StateError as error:
            self._not_begun(run, str(error))
            return
        if self._leader.token() != token:
            return  # the order stays open: whoever holds the lease now asks what is true of it
        result = give(actuator.act, order_of(begun, begun.records[-1], token))
        window = self._bounds.window_seconds
        self._take(begun, progress.answered(begun, result, self._now(), False, window))

    def _not_begun(self, run: Run, why: str) -> None:
        """The store refused the order: the run moved on, a switch is engaged, or the lease is another's."""
        if self._run(run.run_id).version != run.version:
            return
        engaged = _switched_off(run, self._store.switches())
        if engaged:
            self._take(run, progress.stopped(run, f"Not ordered: {engaged}", self._now()))
            return
        log.warning("order_refused", run=run.run_id, why=why)
        self._leader.lose()

    def _resolve(self, run: Run, record: StepRecord) -> None:
        """Find out what is true of an order whose answer is not on record."""
        order = order_of(run, record, self._leader.token() or 0)
        try:
            actuator = self._around.actuator(record.action.targets[0].actuator)
            result = actuator.resolve(order)
        except Exception as error:  # noqa: BLE001 - whatever it raises, the order stays in doubt
            why = f"{type(error).__name__}: {error}"[:MAX_TEXT]
            self._take(run, progress.unanswered(run, why, self._now()))
            return
        window = self._bounds.window_seconds
        self._take(run, progress.answered(run, result, self._now(), True, window))

    def _verify(self, run: Run, record: StepRecord, now: int) -> None:
        if now < record.ended_unix_nano:
            found = _unclear("The clock went back since the act, so there is no window to look at.")
        else:
            try:
                found = judged(self._around.measure(run, record, now))
            except Exception as error:  # noqa: BLE001 - whatever it raises, nobody knows whether it helped
                found = _unclear(f"It could not be measured: {_said(error)}.")
        earlier = {one.run_id for one in self._store.tries(run.plan.incident_id)} - {run.run_id}
        self._take(run, progress.verified(run, found, now, self._bounds.limits, len(earlier)))

    # ------------------------------------------------------------------------------------ the store

    def _now(self) -> int:
        return self._clock.now_unix_nano()

    def _take(self, run: Run, move: Move) -> Run:
        after = self._store.advance_run(run, move.run, move.notes)
        self._around.told(after)
        return after

    def _run(self, run_id: str) -> Run:
        run = self._store.run(run_id)
        if run is None:
            raise NotFoundError(f"there is no run {run_id}")
        return run


def _switched_off(run: Run, switches: Sequence[Switch]) -> str:
    """The kill switch that stops a run, in words; "" when none does."""
    one = stopping(switches, run.plan)
    return f"the kill switch {one.scope} is engaged by {one.by}: {one.reason}" if one is not None else ""


def _said(error: Exception) -> str:
    """An error of ours in its words; a defect is logged here, where its trace is, and told by its name."""
    if isinstance(error, StormPetrelError):
        return str(error)
    log.error("run_defect", exc_info=error)
    return f"a fault of ours ({type(error).__name__}); the log of this process has the trace"


def _unclear(why: str) -> Verified:
    return Verified(Verification.INCONCLUSIVE, (why,))
