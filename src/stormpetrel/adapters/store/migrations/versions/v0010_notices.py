"""What was told to whom, and which links were used.

Revision ID: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from stormpetrel.errors import StoreError

revision = "0010"
down_revision: str | None = "0009"


def upgrade() -> None:
    """Create the tables."""
    texts = ("kind", "title", "state", "holder", "reason")
    numbers = ("until_unix_nano", "attempts", "first_unix_nano", "done_unix_nano")
    op.create_table(
        "notices",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("key", "route")),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        *(sa.Column(name, sa.BigInteger, nullable=False) for name in numbers),
    )
    op.create_index("notices_by_time", "notices", ["first_unix_nano"])
    op.create_table(
        "spent_links",
        sa.Column("link_id", sa.Text, primary_key=True),
        sa.Column("ends_unix_nano", sa.BigInteger, nullable=False),
    )


def downgrade() -> None:
    """There is no way back; an older program refuses newer tables."""
    raise StoreError("control store migrations only go forward: restore a copy of the data directory instead")
