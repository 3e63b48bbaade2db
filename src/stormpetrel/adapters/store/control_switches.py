"""What stops automation: kill switches, the lease, the breaker; and what people say of plans."""

from __future__ import annotations

from abc import abstractmethod
from contextlib import AbstractContextManager
from dataclasses import replace

from sqlalchemy.orm import Session

from stormpetrel.adapters.store.automation_facts import approvals_of, breaker_is_open, lease_of, switches_of
from stormpetrel.adapters.store.automation_rows import (
    ApprovalRow,
    BreakerRow,
    LeaseRow,
    RunRow,
    SwitchRow,
    run_of,
)
from stormpetrel.adapters.store.control_ledger import LedgerTables
from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model import canonical
from stormpetrel.model.agreement import same_person
from stormpetrel.model.facts import Lease, Switch
from stormpetrel.model.ledger import EntryKind, LedgerNote
from stormpetrel.model.run import Run, RunState
from stormpetrel.model.time import from_seconds
from stormpetrel.model.verdict import Approval

GLOBAL = "global"
_SCOPES = ("service:", "runbook:")
_SECOND_PERSON = from_seconds(900.0)
_SLACK = from_seconds(60.0)
_LONGEST_SCOPE = 500


class SwitchTables(LedgerTables):
    """The part of `ports.automation.AutomationStore` that is about people, switches, lease and breaker."""

    @abstractmethod
    def _exclusive(self) -> AbstractContextManager[Session]: ...

    def add_approval(self, run_id: str, approval: Approval) -> Run:
        """Keep one person's answer to a plan that waits; see the port."""
        with self._exclusive() as session:
            row = session.get(RunRow, run_id)
            if row is None:
                raise NotFoundError(f"there is no run {run_id[:60]}")
            run = run_of(row)
            if run.state is not RunState.WAITING:
                raise StateError(f"the run {run_id} does not wait for anybody: it is {run.state.value}")
            if approval.plan_hash != run.plan_hash:
                raise StateError(f"the plan of {run_id} has changed since it was shown; look at it again")
            person = same_person(approval.approver)
            if not person or (approval.agreed and person == same_person(run.plan.requester)):
                raise StateError(f"{approval.approver} proposed this plan: another person has to agree")
            session.merge(
                ApprovalRow(
                    run_id=run_id, approver=approval.approver, plan_hash=approval.plan_hash,
                    agreed=approval.agreed, given_unix_nano=approval.given_unix_nano,
                    expires_unix_nano=approval.expires_unix_nano, channel=approval.channel,
                    reason=approval.reason,
                )
            )  # fmt: skip
            kind = EntryKind.APPROVED if approval.agreed else EntryKind.DECLINED
            plan, said = run.plan, canonical.text(approval)
            note = LedgerNote(kind, run_id, plan.runbook, plan.incident_id, approval.approver, said)
            self._enter(session, [note], approval.given_unix_nano)
            return run

    def approvals(self, run_id: str) -> list[Approval]:
        """All answers to a run's plans, in the order in which they were given."""
        with self._transaction() as session:
            return list(approvals_of(session, run_id))

    def engage(self, switch: Switch) -> None:
        """Engage a kill switch; one that is engaged stays as it is, and a wish to release it is forgotten.

        Raises:
            StateError: there is no such scope.
        """
        scope = switch.scope
        named = any(scope.startswith(one) and len(scope) > len(one) for one in _SCOPES)
        if len(scope) > _LONGEST_SCOPE or not (scope == GLOBAL or named):
            raise StateError(f"{scope[:60]!r} is no scope; use global, service:ENTITY or runbook:NAME")
        with self._exclusive() as session:
            row = session.get(SwitchRow, scope)
            if row is None:
                row = SwitchRow(
                    scope=scope, by=switch.by, since_unix_nano=switch.since_unix_nano, reason=switch.reason
                )
                session.add(row)
            row.asked_by, row.asked_unix_nano = "", 0
            self._say(
                session,
                EntryKind.SWITCH,
                switch.by,
                switch.since_unix_nano,
                {**_told(switch), "engaged": True},
            )

    def release(self, scope: str, by: str, time_unix_nano: int, reason: str) -> bool:
        """Release a switch; the global one when a second person asks within 15 minutes. Whether it is now."""
        with self._exclusive() as session:
            row = session.get(SwitchRow, scope)
            if row is None:
                raise NotFoundError(f"the kill switch {scope[:60]} is not engaged")
            since = time_unix_nano - row.asked_unix_nano
            second = row.asked_by and same_person(row.asked_by) != same_person(by)
            done = scope != GLOBAL or bool(second and -_SLACK <= since <= _SECOND_PERSON)
            body = {"scope": scope, "reason": reason, "engaged": not done, "asked_before_by": row.asked_by}
            if done:
                session.delete(row)
            else:
                row.asked_by, row.asked_unix_nano = by, time_unix_nano
            self._say(session, EntryKind.SWITCH, by, time_unix_nano, body)
            return done

    def switches(self) -> list[Switch]:
        """The engaged ones, by scope."""
        with self._transaction() as session:
            return list(switches_of(session))

    def take_lease(self, holder: str, now_unix_nano: int, seconds: float) -> Lease | None:
        """Take or prolong the lease; None while another holds it.

        Who takes it, or takes it again after it ended, gets a new token, and that is entered. Prolonging
        is not.
        """
        with self._exclusive() as session:
            held = lease_of(session)
            live = held is not None and now_unix_nano < held.expires_unix_nano
            if held is not None and live and held.holder != holder:
                return None
            expires = now_unix_nano + from_seconds(seconds)
            if held is not None and live:
                lease = replace(held, expires_unix_nano=expires)
            else:
                lease = Lease(holder, 1 if held is None else held.token + 1, expires)
                self._say(session, EntryKind.LEASE, holder, now_unix_nano, lease)
            session.merge(
                LeaseRow(only=1, holder=holder, token=lease.token, expires_unix_nano=lease.expires_unix_nano)
            )
            return lease

    def close_breaker(self, by: str, time_unix_nano: int, reason: str) -> None:
        """A person lets automatic runs go on; what failed before counts no more."""
        with self._exclusive() as session:
            if not breaker_is_open(session):
                raise StateError("the breaker is not open: there is nothing to close")
            last = self._say(
                session, EntryKind.BREAKER, by, time_unix_nano, {"open": False, "reason": reason}
            )
            session.merge(BreakerRow(only=1, is_open=False, closed_seq=last))

    def breaker_open(self) -> bool:
        """Whether it fell and nobody has closed it since."""
        with self._transaction() as session:
            return breaker_is_open(session)

    def _say(self, session: Session, kind: EntryKind, actor: str, time_unix_nano: int, body: object) -> int:
        """Enter something that is about no run."""
        note = LedgerNote(kind, "", "", "", actor, canonical.text(body))
        return self._enter(session, [note], time_unix_nano)


def _told(switch: Switch) -> dict[str, object]:
    return {"scope": switch.scope, "by": switch.by, "reason": switch.reason}
