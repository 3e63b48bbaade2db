"""What backup tools report.

Revision ID: 0009
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from stormpetrel.errors import StoreError

revision = "0009"
down_revision: str | None = "0008"


def upgrade() -> None:
    """Create the table."""
    texts = ("entity", "tool", "kind", "backup_id")
    numbers = ("started_unix_nano", "finished_unix_nano", "size_bytes")
    more = ("proves", "source", "detail")
    op.create_table(
        "backups",
        *(sa.Column(name, sa.Text, primary_key=True) for name in texts),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in numbers),
        sa.Column("ok", sa.Boolean, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in more),
    )


def downgrade() -> None:
    """There is no way back; an older program refuses newer tables."""
    raise StoreError("control store migrations only go forward: restore a copy of the data directory instead")
