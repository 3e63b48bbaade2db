"""The use-cases of backups, this system's own and those of others: one part of `app.service`."""

from __future__ import annotations

from typing import Protocol

from stormpetrel.model.access import Caller
from stormpetrel.model.backup import BackupReport, BackupView


class BackupService(Protocol):
    """What the page and the API ask and do about backups."""

    def backups(self) -> list[BackupView]:
        """How every entity stands by the backups that tools reported, by entity."""
        ...

    def backup_reports(self, entity: str, limit: int = 100) -> list[BackupReport]:
        """What was reported of one entity, the last to finish first."""
        ...

    def take_snapshot(self, by: Caller) -> str:
        """Hold a moment still in the data directory; its id. StateError, OverloadedError, AuthError."""
        ...

    def release_snapshot(self, snapshot_id: str, by: Caller) -> None:
        """It was read. NotFoundError, StateError (it is being read), AuthError."""
        ...
