"""Feedback on findings, and backtests.

Revision ID: 0004
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from stormpetrel.errors import StoreError

revision = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Create the tables."""
    texts = ("finding_id", "incident_id", "detector", "head", "subject", "title", "opinion", "actor", "note")
    op.create_table(
        "feedback",
        sa.Column("feedback_id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("time_unix_nano", sa.BigInteger, nullable=False),
        sa.Column("undone_unix_nano", sa.BigInteger, nullable=False),
        sa.Column("undone_by", sa.Text, nullable=False),
    )
    op.create_index("feedback_by_time", "feedback", ["time_unix_nano"])
    op.create_table(
        "backtests",
        sa.Column("backtest_id", sa.Text, primary_key=True),
        sa.Column("created_unix_nano", sa.BigInteger, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )


def downgrade() -> None:
    """There is no way back; an older program refuses newer tables."""
    raise StoreError("control store migrations only go forward: restore a copy of the data directory instead")
