"""Reports of backup tools: kept, and told to the watch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from stormpetrel.app.tally import SourceTally
from stormpetrel.detect.backups import BackupBook
from stormpetrel.model.backup import BackupReport, BackupStanding
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore


class BackupReportDesk:
    """Takes reports from any thread.

    Args:
        book: what the watch reads.
        redact: takes secrets out of what tools say: a repository's address may hold its password.
    """

    def __init__(
        self,
        control: ControlStore,
        book: BackupBook,
        clock: Clock,
        tally: SourceTally,
        redact: Callable[[str], str],
    ) -> None:
        self._control, self._book, self._clock, self._tally, self._redact = (
            control,
            book,
            clock,
            tally,
            redact,
        )

    def recall(self) -> None:
        """Tell the watch what is kept; before it looks for the first time.

        Raises:
            StoreError: the control store cannot be read.
        """
        self._book.put(self._control.backup_standings())

    def take(self, reports: Sequence[BackupReport], source: str) -> None:
        """Keep reports; they are kept when this returned.

        Raises:
            StateError: they are of more entities than are followed; nothing is kept.
            StoreError: nothing is kept, the sender should repeat it later.
        """
        self._control.add_backup_reports([replace(one, detail=self._redact(one.detail)) for one in reports])
        found = (self._control.backup_standing(entity) for entity in sorted({one.entity for one in reports}))
        self._book.put(one for one in found if one is not None)
        newest = max(one.finished_unix_nano for one in reports)
        self._tally.stored(source, len(reports), self._clock.now_unix_nano(), newest)

    def standings(self) -> list[BackupStanding]:
        """How every entity stands, by entity."""
        return self._control.backup_standings()

    def reports(self, entity: str, limit: int) -> list[BackupReport]:
        """Reports of an entity, the last to finish first."""
        return self._control.backup_reports(entity, limit)
