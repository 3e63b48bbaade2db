"""The part of the control store that keeps what backup tools report."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stormpetrel.model.backup import BackupReport, BackupStanding

MOST_ENTITIES = 2_000
MOST_OF_KIND = 100


class BackupStore(Protocol):
    """Small and transactional, like the control store that it is a part of; safe from any thread.

    Of each entity the `MOST_OF_KIND` newest backups and as many restore tests are kept, and besides them
    what its standing rests on: the newest good backup, and the backups that kept tests restored.
    """

    def add_backup_reports(self, reports: Sequence[BackupReport]) -> None:
        """Keep reports; one that finished no later than what is kept under its key changes nothing.

        Given again, nothing changes. StateError when there would be more than `MOST_ENTITIES` entities;
        then nothing is kept.
        """
        ...

    def backup_reports(self, entity: str, limit: int = 100) -> list[BackupReport]:
        """Reports of an entity, the last to finish first, ties by key."""
        ...

    def backup_standing(self, entity: str) -> BackupStanding | None:
        """How an entity stands, with its newest verified backup; None when nothing was ever reported."""
        ...

    def backup_standings(self) -> list[BackupStanding]:
        """How every entity stands, by entity."""
        ...
