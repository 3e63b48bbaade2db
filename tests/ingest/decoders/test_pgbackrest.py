"""pgBackRest's list of stanzas: each backup a report, and what is wrong where there is none."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.ingest.decoders.hooks import RECEIVED, SECOND, decoded, hook, refused

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.pgbackrest import PgbackrestDecoder
from stormpetrel.model.backup import BackupKind, BackupReport

FULL: dict[str, Any] = {
    "archive": {"start": "000000010000000000000002", "stop": "000000010000000000000002"},
    "backrest": {"format": 5, "version": "2.50"},
    "database": {"id": 1, "repo-key": 1},
    "error": False,
    "info": {"delta": 100, "repository": {"delta": 10, "size": 10}, "size": 30_000_000},
    "label": "20231114-210000F",
    "prior": None,
    "timestamp": {"start": 1_699_996_000, "stop": 1_699_996_400},
    "type": "full",
}
STANZA: dict[str, Any] = {
    "archive": [],
    "backup": [FULL],
    "cipher": "none",
    "db": [],
    "name": "orders",
    "status": {"code": 0, "lock": {"backup": {"held": False}}, "message": "ok"},
}
VALID_REQUESTS = [
    hook("pgbackrest", [STANZA]),
    hook("pgbackrest", [STANZA, STANZA | {"name": "shop", "backup": []}]),
]


def taken(*stanzas: Any, query: str = "") -> tuple[BackupReport, ...]:
    request = dataclasses.replace(hook("pgbackrest", list(stanzas)), query=query)
    return decoded(PgbackrestDecoder, request).backups


def test_a_backup() -> None:
    assert taken(STANZA) == (
        BackupReport(
            entity="database:orders", tool="pgbackrest", backup_id="20231114-210000F", kind=BackupKind.BACKUP,
            started_unix_nano=RECEIVED - 4000 * SECOND, finished_unix_nano=RECEIVED - 3600 * SECOND,
            size_bytes=30_000_000, ok=True, proves="", source="ci", detail="full",
        ),
    )  # fmt: skip


def test_errors_in_the_pages_are_no_success() -> None:
    (report,) = taken(STANZA | {"backup": [FULL | {"error": True}]})
    assert (report.ok, report.detail) == (False, "full; errors in its pages")


def test_another_repository_is_another_backup() -> None:
    second = FULL | {"database": {"id": 1, "repo-key": 2}}
    assert [one.backup_id for one in taken(STANZA | {"backup": [FULL, second]})] == [
        "20231114-210000F", "20231114-210000F in repository 2",
    ]  # fmt: skip


@pytest.mark.parametrize("backups", [[], None, "x", [7]])
def test_a_stanza_without_backups_failed_now(backups: Any) -> None:
    (report,) = taken(STANZA | {"backup": backups, "status": {"code": 2, "message": "no valid backups"}})
    assert (report.ok, report.detail, report.finished_unix_nano) == (False, "no valid backups", RECEIVED)


def test_backups_none_of_which_is_valid_failed_now() -> None:
    found = taken(STANZA | {"backup": [FULL], "status": {"code": 2, "message": "no valid backups"}})
    assert [one.ok for one in found] == [True, False]
    assert found[1].finished_unix_nano > found[0].finished_unix_nano


def test_whose_they_are() -> None:
    assert [one.entity for one in taken(STANZA, query="entity=service:shop")] == ["service:shop"]
    two = taken(STANZA, STANZA | {"name": "b"}, query="entity=service:shop")
    assert [one.entity for one in two] == ["database:orders", "database:b"]


def test_what_is_no_stanza_is_refused_alone() -> None:
    outcome = decoded(PgbackrestDecoder, hook("pgbackrest", [STANZA, {}, 7, {"name": ""}]))
    assert (len(outcome.backups), refused(outcome)) == (1, {"not_a_stanza": 3})
    with pytest.raises(DecodeError):
        taken({})


def test_a_backup_without_a_label_or_with_a_wrong_time_is_refused_alone() -> None:
    wrong = [
        FULL | {"label": ""},
        FULL | {"timestamp": {"start": "x", "stop": 1}},
        FULL | {"timestamp": {"stop": 1e12}},
    ]
    outcome = decoded(PgbackrestDecoder, hook("pgbackrest", [STANZA | {"backup": [FULL, *wrong]}]))
    assert (len(outcome.backups), refused(outcome)) == (1, {"no_id": 1, "bad_time": 2})
