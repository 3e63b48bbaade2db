"""The use-cases of backups."""

from __future__ import annotations

from stormpetrel.app.parts import Parts
from stormpetrel.errors import AuthError, OverloadedError
from stormpetrel.model.access import Caller, Scope
from stormpetrel.model.backup import BackupReport, BackupView


class BackupUseCases:
    """One part of `app.service.Service`; methods are documented there."""

    _is: Parts

    def backups(self) -> list[BackupView]:
        """How every entity stands."""
        objective = self._is.config.backups.objective
        return [BackupView(one, objective(one.entity)) for one in self._is.backups.standings()]

    def backup_reports(self, entity: str, limit: int = 100) -> list[BackupReport]:
        """What was reported of one entity."""
        return self._is.backups.reports(entity, limit)

    def take_snapshot(self, by: Caller) -> str:
        """A program on this host asks for a moment of the data directory."""
        _require_backup(by)
        if not self._is.judge.warm.is_set():
            raise OverloadedError("warming up: the stored past is being read; ask again in a moment")
        return self._is.snapshots.take(by.name).snapshot_id

    def release_snapshot(self, snapshot_id: str, by: Caller) -> None:
        """The program has read it."""
        _require_backup(by)
        self._is.snapshots.release(snapshot_id)


def _require_backup(by: Caller) -> None:
    if Scope.BACKUP not in by.scopes:
        raise AuthError(f"{by.name} may not do this: it needs a token of scope {Scope.BACKUP}")
