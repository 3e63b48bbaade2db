"""Verdicts on causes, what was told of them, fingerprints of incidents, and notes of what helped.

Revision ID: 0006
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from stormpetrel.errors import StoreError

revision = "0006"
down_revision: str | None = "0005"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "cause_verdicts",
        sa.Column("incident_id", sa.Text, primary_key=True),
        sa.Column("number", sa.BigInteger, primary_key=True),
        sa.Column("time_unix_nano", sa.BigInteger, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("content", sa.JSON, nullable=False),
    )
    op.create_table(
        "told_causes",
        sa.Column("incident_id", sa.Text, primary_key=True),
        sa.Column("content", sa.JSON, nullable=False),
    )
    op.create_table(
        "fingerprints",
        sa.Column("incident_id", sa.Text, primary_key=True),
        sa.Column("start_unix_nano", sa.BigInteger, nullable=False),
        sa.Column("diagnosed", sa.Boolean, nullable=False),
        sa.Column("features", sa.JSON, nullable=False),
    )
    op.create_index("fingerprints_by_start", "fingerprints", ["start_unix_nano"])
    op.create_table(
        "helped_notes",
        sa.Column("incident_id", sa.Text, primary_key=True),
        sa.Column("text", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("time_unix_nano", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """There is no way back; an older program refuses newer tables."""
    raise StoreError("control store migrations only go forward: restore a copy of the data directory instead")
