"""Automation: the ledger, runs, approvals, switches, lease, breaker, runbooks.

Revision ID: 0008
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from stormpetrel.errors import StoreError

revision = "0008"
down_revision: str | None = "0007"

_SQLITE_GUARDS = (
    """CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    """CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
    # INSERT OR REPLACE deletes without asking the trigger above.
    """CREATE TRIGGER ledger_no_replace BEFORE INSERT ON ledger
       WHEN EXISTS (SELECT 1 FROM ledger WHERE seq = NEW.seq)
       BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END""",
)
_POSTGRESQL_GUARDS = (
    """CREATE FUNCTION ledger_append_only() RETURNS trigger LANGUAGE plpgsql AS
       $$ BEGIN RAISE EXCEPTION 'the ledger is append-only'; END $$""",
    """CREATE TRIGGER ledger_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON ledger
       FOR EACH STATEMENT EXECUTE FUNCTION ledger_append_only()""",
)


def upgrade() -> None:
    """Create the tables, and the triggers that keep the ledger append-only."""
    _ledger()
    _runs()
    _people()
    _runbooks()
    sqlite = op.get_bind().dialect.name == "sqlite"
    for guard in _SQLITE_GUARDS if sqlite else _POSTGRESQL_GUARDS:
        op.execute(guard)


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _numbers(*names: str) -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger, nullable=False) for name in names]


def _flags(*names: str) -> list[sa.Column[bool]]:
    return [sa.Column(name, sa.Boolean, nullable=False) for name in names]


def _amounts(*names: str) -> list[sa.Column[float]]:
    return [sa.Column(name, sa.Double, nullable=False) for name in names]


def _keys(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, primary_key=True) for name in names]


def _ordinal(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, primary_key=True, autoincrement=False)


def _ledger() -> None:
    op.create_table(
        "ledger",
        _ordinal("seq"),
        *_numbers("time_unix_nano"),
        *_texts("kind", "run_id", "runbook", "incident_id", "actor", "body", "previous", "entry_hash"),
    )
    op.create_index("ledger_by_run", "ledger", ["run_id", "seq"])
    op.create_table("ledger_head", _ordinal("only"), *_numbers("count"), *_texts("entry_hash", "seal"))


def _runs() -> None:
    op.create_table(
        "automation_runs",
        *_keys("run_id"),
        *_texts("state", "runbook", "runbook_version", "incident_id", "cause", "content", "result"),
        *_numbers("version", "begun_unix_nano", "ended_unix_nano", "ready_unix_nano", "churn", "ended_seq"),
        *_flags("automatic", "reserved", "acted"),
        *_amounts("spend"),
    )
    for name, column in (
        ("begun", "begun_unix_nano"), ("ended", "ended_unix_nano"), ("incident", "incident_id"),
        ("ready", "ready_unix_nano"), ("reserved", "reserved"), ("end", "ended_seq"),
    ):  # fmt: skip
        op.create_index(f"automation_runs_by_{name}", "automation_runs", [column])
    op.create_table("automation_locks", *_keys("entity", "field", "run_id"))
    op.create_index("automation_locks_by_run", "automation_locks", ["run_id"])
    op.create_table(
        "automation_touches",
        _ordinal("seq"),
        *_keys("entity"),
        *_texts("run_id"),
        *_numbers("time_unix_nano", "direction"),
    )
    op.create_index("automation_touches_by_entity", "automation_touches", ["entity", "seq"])


def _people() -> None:
    op.create_table(
        "automation_approvals",
        *_keys("run_id", "approver"),
        *_texts("plan_hash", "channel", "reason"),
        *_flags("agreed"),
        *_numbers("given_unix_nano", "expires_unix_nano"),
    )
    op.create_table(
        "automation_switches",
        *_keys("scope"),
        *_texts("by", "reason", "asked_by"),
        *_numbers("since_unix_nano", "asked_unix_nano"),
    )
    op.create_table(
        "automation_lease", _ordinal("only"), *_texts("holder"), *_numbers("token", "expires_unix_nano")
    )
    op.create_table("automation_breaker", _ordinal("only"), *_flags("is_open"), *_numbers("closed_seq"))


def _runbooks() -> None:
    op.create_table(
        "automation_runbooks",
        *_keys("name"),
        *_texts("newest", "signed_version", "signed_by", "raised_by"),
        *_numbers("autonomy", "harmful_unix_nano", "failed_in_a_row"),
    )
    op.create_table(
        "automation_runbook_versions",
        *_keys("name", "version"),
        *_texts("content"),
        *_numbers("place"),
        *_amounts("replay_days"),
    )
    op.create_table(
        "automation_opinions",
        *_keys("run_id", "person"),
        *_texts("opinion", "runbook", "runbook_version"),
        *_numbers("time_unix_nano"),
    )
    op.create_index("automation_opinions_by_runbook", "automation_opinions", ["runbook", "runbook_version"])


def downgrade() -> None:
    """There is no way back; an older program refuses newer tables."""
    raise StoreError("control store migrations only go forward: restore a copy of the data directory instead")
