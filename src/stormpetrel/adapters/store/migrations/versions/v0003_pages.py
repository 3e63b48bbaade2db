"""Page decisions, beside their incidents.

Revision ID: 0003
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from stormpetrel.errors import StoreError

revision = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Add the columns; incidents from before have no decision."""
    op.add_column("incidents", sa.Column("page", sa.JSON, nullable=True))
    op.add_column("incidents", sa.Column("page_decision", sa.Text, nullable=False, server_default=""))
    op.add_column("incidents", sa.Column("page_unix_nano", sa.BigInteger, nullable=False, server_default="0"))
    op.create_index("incidents_by_page", "incidents", ["page_decision", "page_unix_nano"])


def downgrade() -> None:
    """There is no way back; an older program refuses newer tables."""
    raise StoreError("control store migrations only go forward: restore a copy of the data directory instead")
