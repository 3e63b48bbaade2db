"""Invitations, and what was done to accounts.

Revision ID: 0011
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from stormpetrel.errors import StoreError

revision = "0011"
down_revision: str | None = "0010"


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "invitations",
        sa.Column("token_hash", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("person", "role", "created_by")),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in ("created_unix_nano", "ends_unix_nano")),
    )
    op.create_table(
        "people_changes",
        sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("time_unix_nano", sa.BigInteger, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("actor", "act", "person", "detail")),
    )


def downgrade() -> None:
    """There is no way back; an older program refuses newer tables."""
    raise StoreError("control store migrations only go forward: restore a copy of the data directory instead")
