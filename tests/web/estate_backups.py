"""The estate's backups, partly hostile, and snapshots whose ids count up."""

from __future__ import annotations

from tests.web import content

from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.access import Caller
from stormpetrel.model.backup import BackupKind, BackupReport, BackupView, standing_of
from stormpetrel.model.time import from_seconds

DAY = from_seconds(86_400)


def report(
    entity: str, days: float, *, ok: bool = True, proves: str = "", text: str = "nightly"
) -> BackupReport:
    """A report that finished so many days ago."""
    kind = BackupKind.RESTORE_TEST if proves else BackupKind.BACKUP
    end = content.NOW - int(days * DAY)
    return BackupReport(entity, "restic", text, kind, end - DAY // 24, end, 5 << 30, ok, proves, "cron", text)


REPORTS = [
    report("database:orders", 0.5), report("database:orders", 0.2, proves="nightly", text="drill"),
    report("host:web-1", 3), report("host:web-2", 0.1, ok=False, text="a"),
    report("host:web-2", 0.6, text="b"),
    report(f"host:{content.HOSTILE}", 0.1, ok=False, text=content.HOSTILE),
    report("host:only-tested", 0.1, proves="latest"),
]  # fmt: skip


class BackupEstate:
    """One part of the `Service` protocol; a second snapshot waits for the first to be released."""

    empty = False

    def backups(self) -> list[BackupView]:
        entities = [] if self.empty else sorted({one.entity for one in REPORTS})
        return [BackupView(standing_of(one, self.backup_reports(one)), DAY) for one in entities]

    def backup_reports(self, entity: str, limit: int = 100) -> list[BackupReport]:
        return [one for one in REPORTS if one.entity == entity][:limit]

    def __init__(self) -> None:
        self.snapshot = "0" * 32

    def take_snapshot(self, by: Caller) -> str:
        if self.snapshot == "taken":
            raise StateError("another backup is being made; try again when it is done")
        self.snapshot = "taken"
        return "1" * 32

    def release_snapshot(self, snapshot_id: str, by: Caller) -> None:
        if snapshot_id not in ("0" * 32, "1" * 32):
            raise NotFoundError(f"there is no snapshot {snapshot_id[:60]}")
        self.snapshot = ""
