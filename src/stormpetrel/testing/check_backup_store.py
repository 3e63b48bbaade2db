"""The backups' part of the contract of `ports.control.ControlStore`; `check_control_store` has the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from stormpetrel.errors import StateError
from stormpetrel.model.backup import LATEST, BackupKind, BackupReport, standing_of
from stormpetrel.ports.backup import MOST_ENTITIES, MOST_OF_KIND
from stormpetrel.testing.check_control_store import MakeControlStore
from stormpetrel.testing.require import equal, refused, require
from stormpetrel.testing.store_samples import NOW, ODD_TEXT, SECOND

_ENTITY = "database:orders"


def sample_report(number: int, *, ok: bool = True, proves: str = "") -> BackupReport:
    """A report that finished `number` seconds after `NOW`; with `proves` one of a restore test."""
    kind = BackupKind.RESTORE_TEST if proves else BackupKind.BACKUP
    detail = ODD_TEXT.replace("\x00", "")
    return BackupReport(
        _ENTITY, "restic", f"b{number}", kind, NOW + number * SECOND - 5, NOW + number * SECOND, 1 << 50, ok,
        proves, "cron/restic", detail,
    )  # fmt: skip


def reports_come_back(make_store: MakeControlStore) -> None:
    """Whole and exact, also after a restart; the last to finish first; given again, nothing changes."""
    store = make_store()
    reports = [sample_report(1), sample_report(3, ok=False), sample_report(2, proves="b1")]
    store.add_backup_reports([])
    store.add_backup_reports(reports)
    store.add_backup_reports(reports)
    store.close()
    store = make_store()
    equal(store.backup_reports(_ENTITY), [reports[1], reports[2], reports[0]])
    equal(store.backup_reports(_ENTITY, limit=1), [reports[1]])
    equal(store.backup_reports("host:other"), [])
    equal(store.backup_standing("host:other"), None)
    equal(store.backup_standing(_ENTITY), standing_of(_ENTITY, reports))
    equal(store.backup_standings(), [standing_of(_ENTITY, reports)])
    store.close()


def later_reports_replace_earlier_ones(make_store: MakeControlStore) -> None:
    """Of one key the last to finish stays, in whatever order they come, and however many at once."""
    store = make_store()
    early, late = (
        sample_report(1, ok=False),
        dataclasses.replace(sample_report(1), finished_unix_nano=NOW * 2),
    )
    store.add_backup_reports([late, early])
    equal(store.backup_reports(_ENTITY), [late])
    store.add_backup_reports([early])
    equal(store.backup_reports(_ENTITY), [late])
    plain = sample_report(1)
    others = [
        dataclasses.replace(plain, entity="other"),
        dataclasses.replace(plain, tool="other"),
        dataclasses.replace(plain, backup_id="other"),
    ]
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(store.add_backup_reports, [one]) for one in others * 3]:
            done.result()
    equal(len(store.backup_reports(_ENTITY)), 3)
    equal(len(store.backup_reports("other")), 1)
    store.close()


def what_a_standing_rests_on_is_kept(make_store: MakeControlStore) -> None:
    """The oldest go, but for the newest good backup and what kept tests restored."""
    store = make_store()
    good, proven = sample_report(1), sample_report(2)
    test = dataclasses.replace(sample_report(3, proves="b2"), backup_id="t")
    store.add_backup_reports([good, proven, test])
    bad = [sample_report(10 + number, ok=False) for number in range(MOST_OF_KIND + 20)]
    for report in bad:
        store.add_backup_reports([report])
    kept = store.backup_reports(_ENTITY, limit=1000)
    equal(kept, [*reversed(bad[20:]), test, proven])
    standing = store.backup_standing(_ENTITY)
    require(standing is not None and standing.verified == standing.good == proven, "it is the one restored")
    newest = dataclasses.replace(sample_report(1000, proves=LATEST), backup_id="u", started_unix_nano=NOW * 2)
    tests = [
        dataclasses.replace(sample_report(900, proves="x"), backup_id=f"x{n}") for n in range(MOST_OF_KIND)
    ]
    store.add_backup_reports([*tests, newest])
    kinds = [one.kind for one in store.backup_reports(_ENTITY, limit=1000)]
    equal(kinds.count(BackupKind.RESTORE_TEST), MOST_OF_KIND)
    standing = store.backup_standing(_ENTITY)
    require(standing is not None and standing.verified == proven, "what is latest is told when it is asked")
    store.close()


def there_is_a_bound_of_entities(make_store: MakeControlStore) -> None:
    """Too many are refused whole; those that are known go on."""
    store = make_store()
    many = [dataclasses.replace(sample_report(1), entity=f"host:{n}") for n in range(MOST_ENTITIES)]
    store.add_backup_reports(many)
    equal(len(store.backup_standings()), MOST_ENTITIES)
    refused(lambda: store.add_backup_reports([sample_report(1), many[0]]), StateError)
    store.add_backup_reports([dataclasses.replace(many[0], backup_id="next")])
    equal(len(store.backup_reports("host:0")), 2)
    equal(store.backup_reports(_ENTITY), [])
    store.close()


BACKUP_CHECKS: tuple[Callable[[MakeControlStore], None], ...] = (
    reports_come_back,
    later_reports_replace_earlier_ones,
    what_a_standing_rests_on_is_kept,
    there_is_a_bound_of_entities,
)
