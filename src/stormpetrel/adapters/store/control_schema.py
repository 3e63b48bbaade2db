"""Bringing the control store's tables up to date."""

from __future__ import annotations

from pathlib import Path

from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection

from stormpetrel.errors import StoreError

MIGRATIONS = Path(__file__).parent / "migrations"


def up_to_date(connection: Connection) -> bool:
    """Whether the tables are those of this very program."""
    reached = MigrationContext.configure(connection).get_current_revision()
    return reached == ScriptDirectory(str(MIGRATIONS)).get_current_head()


def upgrade(connection: Connection, target: str = "head") -> None:
    """Run the migrations that are missing, in the caller's transaction; a no-op when there are none.

    Raises:
        StoreError: the tables were made by a newer version of this program.
    """
    script = ScriptDirectory(str(MIGRATIONS))
    context = MigrationContext.configure(connection)
    reached = context.get_current_revision()
    try:
        missing = list(script.iterate_revisions(target, reached or "base"))
    except (CommandError, RevisionError) as error:
        raise StoreError(
            f"the control store is at version {reached}, which this program does not know;"
            " start the newer program that wrote it"
        ) from error
    with Operations.context(context):
        for revision in reversed(missing):
            revision.module.upgrade()
            context.stamp(script, revision.revision)
