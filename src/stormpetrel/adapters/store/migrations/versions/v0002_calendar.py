"""Calendar entries that people made, and what they said of learned slots.

Revision ID: 0002
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from stormpetrel.errors import StoreError

revision = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "calendar_entries",
        sa.Column("entry_id", sa.Text, primary_key=True),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("title", sa.Text, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("recurrence", sa.JSON, nullable=False),
        sa.Column("source", sa.Text, nullable=False),
        sa.Column("train", sa.Boolean, nullable=False),
        sa.Column("watch", sa.JSON, nullable=True),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("created_unix_nano", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "calendar_decisions",
        sa.Column("proposal_id", sa.Text, primary_key=True),
        sa.Column("entity", sa.Text, nullable=False),
        sa.Column("period_seconds", sa.Float(53), nullable=False),
        sa.Column("offset_seconds", sa.Float(53), nullable=False),
        sa.Column("decision", sa.Text, nullable=False),
        sa.Column("decided_by", sa.Text, nullable=False),
        sa.Column("decided_unix_nano", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """There is no way back; an older program refuses newer tables."""
    raise StoreError("control store migrations only go forward: restore a copy of the data directory instead")
