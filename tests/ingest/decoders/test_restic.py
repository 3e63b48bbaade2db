"""restic's output: what ran, whether it succeeded, and what it proves."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pytest
from tests.ingest.decoders.hooks import LIMIT, RECEIVED, SECOND, decoded, hook, refused

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest import restic
from stormpetrel.ingest.restic import ResticDecoder
from stormpetrel.model.backup import BackupKind, BackupReport
from stormpetrel.model.push import Decoded, PushRequest

SNAPSHOT_ID = "79766175d2a8" * 5 + "abcd"
SUMMARY: dict[str, Any] = {
    "message_type": "summary", "files_new": 1, "files_changed": 0, "files_unmodified": 9, "dirs_new": 0,
    "data_added": 100, "total_files_processed": 10, "total_bytes_processed": 5000, "total_duration": 12.5,
    "backup_start": "2023-11-14T22:00:00.123456789+01:00", "backup_end": "2023-11-14T21:00:12.5Z",
    "snapshot_id": SNAPSHOT_ID,
}  # fmt: skip
STATUS = {"message_type": "status", "percent_done": 0.5, "current_files": ['/etc/"summary"']}
SNAPSHOT: dict[str, Any] = {
    "time": "2023-11-13T22:00:00Z", "tree": "aa", "paths": ["/srv", "/etc"], "hostname": "web-1",
    "username": "root",
    "id": SNAPSHOT_ID, "short_id": "79766175",
    "summary": {"backup_start": "2023-11-13T22:00:00Z", "backup_end": "2023-11-13T22:05:00Z",
                "total_bytes_processed": 77},
}  # fmt: skip
RESTORED = {"message_type": "summary", "seconds_elapsed": 60, "total_files": 9, "files_restored": 9,
            "total_bytes": 5000, "bytes_restored": 5000}  # fmt: skip
CHECKED = {"message_type": "summary", "num_errors": 0, "broken_packs": None, "suggest_repair_index": False,
           "suggest_prune": False}  # fmt: skip
ERROR = {
    "message_type": "error",
    "error": {"message": "permission denied"},
    "during": "archival",
    "item": "/x",
}
FATAL = {"message_type": "exit_error", "code": 12, "message": "Fatal: wrong password"}


def output(*messages: Any, query: str = "") -> PushRequest:
    """What restic prints, a line each."""
    lines = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in messages]
    request = hook("restic", b"\n".join(lines) + b"\n", content_type="application/octet-stream")
    return dataclasses.replace(request, query=query)


VALID_REQUESTS = [
    output(STATUS, SUMMARY),
    output([SNAPSHOT, SNAPSHOT | {"id": "b"}]),
    output(RESTORED, query="snapshot=latest&entity=database:orders"),
    output(CHECKED, query="read_data=yes"),
    output(FATAL, query="ran=restore&snapshot=abc"),
]


def taken(*messages: Any, query: str = "") -> BackupReport:
    (report,) = decoded(ResticDecoder, output(*messages, query=query)).backups
    return report


def test_a_backup() -> None:
    assert taken(STATUS, b"a line of another program", SUMMARY, query="host=web-1") == BackupReport(
        entity="host:web-1", tool="restic", backup_id=SNAPSHOT_ID, kind=BackupKind.BACKUP,
        started_unix_nano=RECEIVED - 4399_876_543_211, finished_unix_nano=RECEIVED - 4387_500_000_000,
        size_bytes=5000, ok=True, proves="", source="ci", detail="",
    )  # fmt: skip


def test_a_backup_of_an_older_restic_ends_now() -> None:
    old = {name: value for name, value in SUMMARY.items() if not name.startswith("backup_")}
    report = taken(old)
    assert (report.started_unix_nano, report.finished_unix_nano) == (RECEIVED - 12_500_000_000, RECEIVED)


@pytest.mark.parametrize(
    ("messages", "query", "detail"),
    [
        ((SUMMARY,), "exit=3", "exit code 3"),
        ((ERROR, ERROR, SUMMARY), "", "2 errors"),
        ((ERROR, FATAL), "", "Fatal: wrong password; 1 errors"),
        ((FATAL,), "exit=12", "Fatal: wrong password; exit code 12"),
        ((b"",), "exit=1", "exit code 1"),
        ((SUMMARY,), "exit=none", "exit code none"),
    ],
)
def test_a_backup_that_failed(messages: tuple[Any, ...], query: str, detail: str) -> None:
    report = taken(*messages, query=query)
    assert (report.kind, report.ok, report.detail) == (BackupKind.BACKUP, False, detail)


def test_an_unchanged_backup_is_good_and_a_repeat_is_one() -> None:
    unchanged = {name: value for name, value in SUMMARY.items() if name != "snapshot_id"}
    first, again = taken(unchanged), taken(unchanged)
    assert first.ok
    assert first.backup_id.startswith("unchanged ")
    assert first == again
    assert taken(unchanged, query="host=b").backup_id != first.backup_id


def test_a_dry_run_is_no_backup() -> None:
    with pytest.raises(DecodeError, match="dry_run"):
        taken(SUMMARY | {"dry_run": True})


def test_snapshots_are_backups_of_their_hosts() -> None:
    outcome = decoded(ResticDecoder, output([SNAPSHOT, {"id": "b", "time": "2023-11-12T22:00:00Z"}, {}, 7]))
    first, second = outcome.backups
    assert (first.entity, first.ok, first.size_bytes, first.detail) == (
        "host:web-1",
        True,
        77,
        '["/srv","/etc"]',
    )
    assert first.finished_unix_nano - first.started_unix_nano == 300 * SECOND
    assert (second.entity, second.backup_id) == ("host:ci", "b")
    assert refused(outcome) == {"not_a_snapshot": 2}


def test_snapshots_that_are_grouped() -> None:
    grouped = [
        {"group_key": {"hostname": "a"}, "snapshots": [SNAPSHOT]},
        {"group_key": {}, "snapshots": None},
    ]
    (report,) = decoded(ResticDecoder, output(grouped)).backups
    assert report.backup_id == SNAPSHOT_ID


def test_a_repository_without_snapshots_tells_nothing() -> None:
    assert decoded(ResticDecoder, output([])) == Decoded(
        answer=b'{"accepted":0,"rejected":{}}', answer_type="application/json"
    )


def test_a_restore_is_a_test_of_the_backup_that_is_named() -> None:
    report = taken(RESTORED, query=f"snapshot={SNAPSHOT_ID}")
    assert (report.kind, report.ok, report.proves) == (BackupKind.RESTORE_TEST, True, SNAPSHOT_ID)
    assert (report.size_bytes, report.finished_unix_nano - report.started_unix_nano) == (5000, 60 * SECOND)
    assert not taken(RESTORED, ERROR, query="snapshot=latest").ok
    assert not taken(FATAL, query="ran=restore&snapshot=latest").ok


def test_a_restore_of_who_knows_what_proves_nothing() -> None:
    with pytest.raises(DecodeError, match="no_snapshot"):
        taken(RESTORED)


def test_a_check_that_did_not_read_the_data_proves_nothing() -> None:
    outcome = decoded(ResticDecoder, output(CHECKED))
    assert (outcome.backups, refused(outcome), outcome.status) == ((), {"check_without_data": 1}, 200)


def test_a_check_that_read_the_data_is_a_test_of_the_newest() -> None:
    report = taken(CHECKED, query="read_data=yes")
    assert (report.kind, report.ok, report.proves) == (BackupKind.RESTORE_TEST, True, "latest")


@pytest.mark.parametrize("changes", [{"num_errors": 2}, {"broken_packs": ["ab"]}])
def test_a_check_that_failed_is_told_whatever_it_read(changes: dict[str, Any]) -> None:
    report = taken(CHECKED | changes)
    assert (report.kind, report.ok, report.proves) == (BackupKind.RESTORE_TEST, False, "latest")
    assert not taken(FATAL, query="ran=check").ok


@pytest.mark.parametrize(
    "body", [b"", b"text", b"{}", b'{"message_type":"status"}', b"[", b'"summary"', b"7"]
)
def test_what_tells_of_nothing_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError, match="nothing in it tells of a backup"):
        decoded(ResticDecoder, output(body))


def test_a_word_that_is_none_is_refused() -> None:
    with pytest.raises(DecodeError, match="bad_kind"):
        taken(FATAL, query="ran=forget")


def test_many_errors_are_counted_and_many_lines_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(restic, "_MOST_MESSAGES", 3)
    assert taken(*[ERROR] * 9, SUMMARY).detail == "9 errors"
    monkeypatch.setattr(restic, "_MOST_LINES", 10)
    with pytest.raises(TooLargeError, match="--quiet"):
        decoded(ResticDecoder, output(*[STATUS] * 20))


def test_many_snapshots_are_refused_whole() -> None:
    with pytest.raises(TooLargeError):
        decoded(ResticDecoder, output([{"id": "a"}] * 10_001), LIMIT)
