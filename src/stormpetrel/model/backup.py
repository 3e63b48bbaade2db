"""What backup tools report: backups, tests of restoring them, and how an entity stands by them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

# What a restore test says of the backup it restored when it was the newest one, whichever that was.
LATEST = "latest"


class BackupKind(StrEnum):
    """What a report is about."""

    BACKUP = "backup"
    RESTORE_TEST = "restore_test"


@dataclass(frozen=True, slots=True)
class BackupReport:
    """One backup, or one test of restoring one, as a tool told of it.

    Entity, tool, kind and id name it: a later report under the same four replaces an earlier one.

    Attributes:
        entity: what was backed up, as in `database:orders`.
        backup_id: as the tool calls it.
        size_bytes: of what was backed up or restored; 0 when the tool does not say.
        proves: of a restore test, the id of the backup that was restored, or `LATEST`; "" of a backup.
        source: who sent the report.
        detail: what the tool says besides, for people; hostile input.
    """

    entity: str
    tool: str
    backup_id: str
    kind: BackupKind
    started_unix_nano: int
    finished_unix_nano: int
    size_bytes: int
    ok: bool
    proves: str = ""
    source: str = ""
    detail: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What names it."""
        return (self.entity, self.tool, self.kind.value, self.backup_id)


@dataclass(frozen=True, slots=True)
class BackupStanding:
    """How an entity stands by all that was reported of it.

    Attributes:
        newest: the backup that finished last, good or not.
        good: the good backup that finished last.
        test: the restore test that finished last.
        verified: of the good backups whose last restore test succeeded, the one that finished last.
        since_unix_nano: when the oldest backup that is remembered finished; 0 without one.
    """

    entity: str
    newest: BackupReport | None = None
    good: BackupReport | None = None
    test: BackupReport | None = None
    verified: BackupReport | None = None
    since_unix_nano: int = 0

    def good_age_nanos(self, now_unix_nano: int) -> int | None:
        """Age of the newest good backup; None when there is none. A time ahead of ours is no age below 0."""
        return None if self.good is None else max(0, now_unix_nano - self.good.finished_unix_nano)

    def verified_age_nanos(self, now_unix_nano: int) -> int | None:
        """Age of the newest backup that was restored in a test; None when there is none."""
        return None if self.verified is None else max(0, now_unix_nano - self.verified.finished_unix_nano)


@dataclass(frozen=True, slots=True)
class BackupView:
    """How an entity stands and what is asked of it. `objective_nanos`: age that a backup may have; 0: any."""

    standing: BackupStanding
    objective_nanos: int

    def state(self, now_unix_nano: int) -> str:
        """`overdue`, `failed` (the newest; a good one is young enough), `good`, or `tested` (no backup)."""
        standing = self.standing
        if standing.newest is None:
            return "tested"
        basis = standing.since_unix_nano if standing.good is None else standing.good.finished_unix_nano
        if self.objective_nanos and basis + self.objective_nanos <= now_unix_nano:
            return "overdue"
        return "good" if standing.newest.ok else "failed"


def standing_of(entity: str, reports: Iterable[BackupReport]) -> BackupStanding:
    """How an entity stands; O(n log n).

    A restore test counts for the backup that it names, of the same tool, when that had finished before the
    test did. `LATEST` is the newest good backup of the tool that had finished when the test began. Of
    several tests of one backup the last counts.

    Args:
        reports: of this entity, in any order, each key once.
    """
    ordered = sorted(reports, key=lambda one: (one.finished_unix_nano, one.key))
    backups = [one for one in ordered if one.kind is BackupKind.BACKUP]
    tests = [one for one in ordered if one.kind is BackupKind.RESTORE_TEST]
    good = [one for one in backups if one.ok]
    outcome = dict(_outcomes(good, tests))
    verified = [one for one in good if outcome.get(one.key)]
    return BackupStanding(
        entity=entity,
        newest=backups[-1] if backups else None,
        good=good[-1] if good else None,
        test=tests[-1] if tests else None,
        verified=verified[-1] if verified else None,
        since_unix_nano=backups[0].finished_unix_nano if backups else 0,
    )


def _outcomes(
    good: list[BackupReport], tests: list[BackupReport]
) -> Iterator[tuple[tuple[str, str, str, str], bool]]:
    """The key of each tested backup and whether the test succeeded, in the order of the tests."""
    by_id = {(one.tool, one.backup_id): one for one in good}
    for test in tests:
        if test.proves == LATEST:
            before = (
                one
                for one in reversed(good)
                if one.tool == test.tool and one.finished_unix_nano <= test.started_unix_nano
            )
            proven = next(before, None)
        else:
            proven = by_id.get((test.tool, test.proves))
        if proven is not None and proven.finished_unix_nano <= test.finished_unix_nano:
            yield proven.key, test.ok
