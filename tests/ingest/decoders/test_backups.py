"""Backups that anybody posts: what they become, and what is refused."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.decoders.hooks import RECEIVED, SECOND, decoded, hook, refused

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.backup_rows import one_line
from stormpetrel.ingest.backups import BackupsDecoder
from stormpetrel.model.backup import BackupKind, BackupReport
from stormpetrel.model.push import PushRequest

BACKUP: dict[str, Any] = {
    "id": "nightly-7",
    "tool": "borg",
    "entity": "database:orders",
    "started": "2023-11-14T22:00:00Z",
    "finished": 1_700_000_000,
    "bytes": 12_345,
    "ok": True,
    "detail": "full",
}
TEST: dict[str, Any] = {
    "kind": "restore_test",
    "host": "db-1",
    "tool": "borg",
    "proves": "nightly-7",
    "state": "failed",
}
VALID_REQUESTS = [
    hook("backups", BACKUP),
    hook("backups", [BACKUP, TEST]),
    dataclasses.replace(hook("backups", {"id": "x", "ok": False}), query="entity=service:shop"),
]


def taken(body: Any, query: str = "") -> BackupReport:
    request = dataclasses.replace(hook("backups", body), query=query)
    (report,) = decoded(BackupsDecoder, request).backups
    return report


def reasons(body: Any) -> dict[str, int]:
    """What is refused beside a report that is not."""
    outcome = decoded(BackupsDecoder, hook("backups", [BACKUP, body]))
    assert len(outcome.backups) == 1
    return refused(outcome)


def test_a_backup() -> None:
    assert taken(BACKUP) == BackupReport(
        entity="database:orders", tool="borg", backup_id="nightly-7", kind=BackupKind.BACKUP,
        started_unix_nano=RECEIVED - 800 * SECOND, finished_unix_nano=RECEIVED, size_bytes=12_345, ok=True,
        proves="", source="ci", detail="full",
    )  # fmt: skip


def test_a_restore_test_names_what_it_restored() -> None:
    report = taken(TEST)
    assert (report.entity, report.kind, report.proves, report.ok) == (
        "host:db-1", BackupKind.RESTORE_TEST, "nightly-7", False,
    )  # fmt: skip
    assert report.backup_id == "restore of nightly-7"
    assert report.started_unix_nano == report.finished_unix_nano == RECEIVED


@pytest.mark.parametrize(
    ("body", "query", "entity"),
    [
        ({"service": "shop"}, "", "service:shop"),
        ({"host": "a"}, "host=b", "host:a"),
        ({}, "host=b", "host:b"),
        ({}, "entity=database:x&host=b", "database:x"),
        ({}, "", "host:ci"),
    ],
)
def test_whose_backup_it_is(body: dict[str, Any], query: str, entity: str) -> None:
    assert taken({"id": "1", "ok": True, **body}, query).entity == entity


@pytest.mark.parametrize("word", ["ok", "Success", " completed ", "done"])
def test_words_of_success(word: str) -> None:
    assert taken({"id": "1", "state": word}).ok


@pytest.mark.parametrize("word", ["failed", "ERROR", "PartiallyFailed", "timeout"])
def test_words_of_failure(word: str) -> None:
    assert not taken({"id": "1", "state": word}).ok


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": ""}, "no_id"),
        ({"id": None}, "no_id"),
        ({"ok": None}, "bad_state"),
        ({"ok": 1}, "bad_state"),
        ({"ok": "perhaps"}, "bad_state"),
        ({"kind": "snapshot"}, "bad_kind"),
        ({"kind": {}}, "bad_kind"),
        ({"kind": "restore_test"}, "no_snapshot"),
        ({"entity": "orders"}, "bad_entity"),
        ({"entity": "database:" + "x" * 300}, "bad_entity"),
        ({"finished": "yesterday"}, "bad_time"),
        ({"finished": "2031-01-01T00:00:00Z"}, "time_in_future"),
        ({"started": [1]}, "bad_time"),
    ],
)
def test_what_is_refused_alone(changes: dict[str, Any], reason: str) -> None:
    assert reasons(BACKUP | changes) == {reason: 1}


def test_nothing_said_of_the_outcome_is_no_success() -> None:
    with pytest.raises(DecodeError, match="bad_state"):
        taken({"id": "1"})


def test_no_object_is_refused() -> None:
    assert reasons(7) == {"not_an_object": 1}


@pytest.mark.parametrize("size", [-1, "7", None, 1e300, True, 1 << 62])
def test_a_size_that_is_none_is_not_said(size: Any) -> None:
    assert taken(BACKUP | {"bytes": size}).size_bytes == 0


def test_times_are_in_order() -> None:
    report = taken(BACKUP | {"started": 1_700_000_000, "finished": 1_600_000_000})
    assert report.started_unix_nano == report.finished_unix_nano == 1_600_000_000 * SECOND


@settings(deadline=None)
@given(st.text(max_size=700), st.integers(0, 600))
def test_any_text_becomes_one_printable_line(text: str, letters: int) -> None:
    line = one_line(text, letters)
    assert line.isprintable()
    assert len(line) == min(len(text), letters)


def test_hostile_texts_are_cut_and_plain() -> None:
    report = taken(
        BACKUP | {"id": "\x1b[31m\u202e" + "x" * 1000, "tool": "y" * 1000, "detail": "a\0b\n" * 1000}
    )
    assert (len(report.backup_id), len(report.tool), len(report.detail)) == (255, 256, 499)
    assert all(text.isprintable() for text in (report.backup_id, report.tool, report.detail))


def test_a_query_of_many_names_says_nothing() -> None:
    assert taken({"id": "1", "ok": True}, "entity=database:x" + "&a=1" * 60).entity == "host:ci"


def test_too_many_are_refused_whole() -> None:
    with pytest.raises(DecodeError, match="at most 10000"):
        decoded(BackupsDecoder, hook("backups", [BACKUP] * 10_001), 16 << 20)


def test_lines_are_a_list() -> None:
    request: PushRequest = hook(
        "backups", b'{"id":"1","ok":true}\n{"id":"2","ok":false}\n', content_type="application/x-ndjson"
    )
    assert [report.backup_id for report in decoded(BackupsDecoder, request).backups] == ["1", "2"]
