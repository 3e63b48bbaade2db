"""Read-only links to reports.

Revision ID: 0007
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from stormpetrel.errors import StoreError

revision = "0007"
down_revision: str | None = "0006"


def upgrade() -> None:
    """Create the table."""
    texts = ("incident_id", "hint", "created_by")
    numbers = ("created_unix_nano", "ends_unix_nano", "opened", "last_opened_unix_nano")
    op.create_table(
        "shares",
        sa.Column("share_id", sa.Text, primary_key=True),
        sa.Column("token_hash", sa.Text, nullable=False, unique=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in numbers),
    )
    op.create_index("shares_by_incident", "shares", ["incident_id"])


def downgrade() -> None:
    """There is no way back; an older program refuses newer tables."""
    raise StoreError("control store migrations only go forward: restore a copy of the data directory instead")
