"""Incidents, people, tokens, settings.

Revision ID: 0001
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from stormpetrel.errors import StoreError

revision = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Create the tables."""
    _create_incidents()
    _create_people()
    op.create_table(
        "settings",
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
    )


def _create_incidents() -> None:
    op.create_table(
        "incidents",
        sa.Column("incident_id", sa.Text, primary_key=True),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("severity", sa.Integer, nullable=False),
        sa.Column("sentence", sa.Text, nullable=False),
        sa.Column("start_unix_nano", sa.BigInteger, nullable=False),
        sa.Column("updated_unix_nano", sa.BigInteger, nullable=False),
        sa.Column("resolved_unix_nano", sa.BigInteger, nullable=False),
        sa.Column("follows", sa.Text, nullable=False),
        sa.Column("entities", sa.JSON, nullable=False),
        sa.Column("findings", sa.JSON, nullable=False),
        sa.Column("timeline", sa.JSON, nullable=False),
        sa.Column("search_text", sa.Text, nullable=False),
    )
    op.create_index("incidents_by_start", "incidents", ["start_unix_nano"])
    op.create_index("incidents_by_state", "incidents", ["state", "start_unix_nano"])


def _create_people() -> None:
    op.create_table(
        "users",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("role", sa.Text, nullable=False),
        sa.Column("password_hash", sa.Text, nullable=False),
        sa.Column("created_unix_nano", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "api_tokens",
        sa.Column("token_id", sa.Text, primary_key=True),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", sa.JSON, nullable=False),
        sa.Column("token_hash", sa.Text, nullable=False, unique=True),
        sa.Column("hint", sa.Text, nullable=False),
        sa.Column("created_unix_nano", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.Text, nullable=False),
        sa.Column("revoked", sa.Boolean, nullable=False),
    )


def downgrade() -> None:
    """There is no way back; an older program refuses newer tables."""
    raise StoreError("control store migrations only go forward: restore a copy of the data directory instead")
