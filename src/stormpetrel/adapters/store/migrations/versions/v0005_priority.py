"""Priorities, and the names of findings that are only counted, beside their incidents.

Revision ID: 0005
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from stormpetrel.errors import StoreError

revision = "0005"
down_revision: str | None = "0004"


def upgrade() -> None:
    """Add the columns; incidents from before have neither."""
    op.add_column("incidents", sa.Column("priority", sa.JSON, nullable=True))
    op.add_column("incidents", sa.Column("more", sa.JSON, nullable=True))


def downgrade() -> None:
    """There is no way back; an older program refuses newer tables."""
    raise StoreError("control store migrations only go forward: restore a copy of the data directory instead")
