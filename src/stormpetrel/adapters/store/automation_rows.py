"""The tables of automation as SQLAlchemy models, and how values become rows; `migrations/` makes them."""

from __future__ import annotations

from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from stormpetrel.adapters.store.control_tables import Base
from stormpetrel.model import canonical
from stormpetrel.model.run import Run


class LedgerRow(Base):
    """One entry of the ledger; triggers forbid to change or delete it."""

    __tablename__ = "ledger"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    time_unix_nano: Mapped[int]
    kind: Mapped[str]
    run_id: Mapped[str]
    runbook: Mapped[str]
    incident_id: Mapped[str]
    actor: Mapped[str]
    body: Mapped[str]
    previous: Mapped[str]
    entry_hash: Mapped[str]


class LedgerHeadRow(Base):
    """Where the ledger ends; one row."""

    __tablename__ = "ledger_head"

    only: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int]
    entry_hash: Mapped[str]
    seal: Mapped[str]


class RunRow(Base):
    """A run: `content` is the whole of it, the other columns are for looking for it.

    `reserved`: it holds its budget and its locks. `spend`, `churn`: what it holds, or what it was charged.
    `ready_unix_nano`: when it was let go; 0 never. `acted`: an order of it is on record. `ended_seq`: the
    ledger's entry of its end, whatever the clock did.
    """

    __tablename__ = "automation_runs"

    run_id: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    version: Mapped[int]
    runbook: Mapped[str]
    runbook_version: Mapped[str]
    incident_id: Mapped[str]
    cause: Mapped[str]
    automatic: Mapped[bool]
    content: Mapped[str]
    begun_unix_nano: Mapped[int]
    ended_unix_nano: Mapped[int]
    ready_unix_nano: Mapped[int]
    reserved: Mapped[bool]
    spend: Mapped[float]
    churn: Mapped[int]
    acted: Mapped[bool]
    result: Mapped[str]
    ended_seq: Mapped[int]


class LockRow(Base):
    """A run holds a target, or a field of it."""

    __tablename__ = "automation_locks"

    entity: Mapped[str] = mapped_column(primary_key=True)
    field: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str] = mapped_column(primary_key=True)


class TouchRow(Base):
    """A target was acted on; `direction` is 1, -1, or 0 for what has none."""

    __tablename__ = "automation_touches"

    seq: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    entity: Mapped[str] = mapped_column(primary_key=True)
    run_id: Mapped[str]
    time_unix_nano: Mapped[int]
    direction: Mapped[int]


class ApprovalRow(Base):
    """One person's newest answer to a run's plan."""

    __tablename__ = "automation_approvals"

    run_id: Mapped[str] = mapped_column(primary_key=True)
    approver: Mapped[str] = mapped_column(primary_key=True)
    plan_hash: Mapped[str]
    agreed: Mapped[bool]
    given_unix_nano: Mapped[int]
    expires_unix_nano: Mapped[int]
    channel: Mapped[str]
    reason: Mapped[str]


class SwitchRow(Base):
    """An engaged kill switch; `asked_by` wants the global one released, since `asked_unix_nano`."""

    __tablename__ = "automation_switches"

    scope: Mapped[str] = mapped_column(primary_key=True)
    by: Mapped[str]
    since_unix_nano: Mapped[int]
    reason: Mapped[str]
    asked_by: Mapped[str]
    asked_unix_nano: Mapped[int]


class LeaseRow(Base):
    """Who may act; one row."""

    __tablename__ = "automation_lease"

    only: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    holder: Mapped[str]
    token: Mapped[int]
    expires_unix_nano: Mapped[int]


class BreakerRow(Base):
    """Whether automatic runs are off; runs that ended up to `closed_seq` are forgiven. One row."""

    __tablename__ = "automation_breaker"

    only: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    is_open: Mapped[bool]
    closed_seq: Mapped[int]


class RunbookTable(Base):
    """Where a runbook stands, by name."""

    __tablename__ = "automation_runbooks"

    name: Mapped[str] = mapped_column(primary_key=True)
    newest: Mapped[str]
    signed_version: Mapped[str]
    signed_by: Mapped[str]
    autonomy: Mapped[int]
    raised_by: Mapped[str]
    harmful_unix_nano: Mapped[int]
    failed_in_a_row: Mapped[int]


class RunbookVersionRow(Base):
    """One version of a runbook; `place` orders them."""

    __tablename__ = "automation_runbook_versions"

    name: Mapped[str] = mapped_column(primary_key=True)
    version: Mapped[str] = mapped_column(primary_key=True)
    place: Mapped[int]
    content: Mapped[str]
    replay_days: Mapped[float]


class OpinionRow(Base):
    """What one person says of a proposal or run."""

    __tablename__ = "automation_opinions"

    run_id: Mapped[str] = mapped_column(primary_key=True)
    person: Mapped[str] = mapped_column(primary_key=True)
    opinion: Mapped[str]
    runbook: Mapped[str]
    runbook_version: Mapped[str]
    time_unix_nano: Mapped[int]


def run_of(row: RunRow) -> Run:
    """The run of a row."""
    return canonical.read(Run, row.content)


def run_values(run: Run) -> dict[str, Any]:
    """The columns that follow from a run."""
    return {
        "state": run.state.value,
        "version": run.version,
        "runbook": run.plan.runbook,
        "runbook_version": run.plan.runbook_version,
        "incident_id": run.plan.incident_id,
        "cause": run.plan.cause,
        "automatic": run.automatic,
        "content": canonical.text(run),
        "begun_unix_nano": run.begun_unix_nano,
        "ended_unix_nano": run.ended_unix_nano,
        "acted": any(not one.undo for one in run.records),
    }
