"""Velero's objects: backups of namespaces, and restores that test them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from tests.ingest.decoders.hooks import RECEIVED, SECOND, decoded, hook, refused

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest.velero import VeleroDecoder
from stormpetrel.model.backup import BackupKind, BackupReport

BACKUP: dict[str, Any] = {
    "apiVersion": "velero.io/v1",
    "kind": "Backup",
    "metadata": {"name": "nightly-1", "namespace": "velero", "creationTimestamp": "2023-11-14T21:59:00Z"},
    "spec": {"includedNamespaces": ["shop"], "storageLocation": "default"},
    "status": {
        "phase": "Completed",
        "startTimestamp": "2023-11-14T22:00:00Z",
        "completionTimestamp": "2023-11-14T22:05:00Z",
        "progress": {"itemsBackedUp": 9, "totalItems": 9},
    },
}
RESTORE: dict[str, Any] = {
    "apiVersion": "velero.io/v1",
    "kind": "Restore",
    "metadata": {"name": "drill-1"},
    "spec": {
        "backupName": "nightly-1",
        "includedNamespaces": ["shop"],
        "namespaceMapping": {"shop": "drill"},
    },
    "status": {
        "phase": "Completed",
        "startTimestamp": "2023-11-14T22:10:00Z",
        "completionTimestamp": "2023-11-14T22:12:00Z",
    },
}
LIST = {"apiVersion": "v1", "kind": "List", "items": [BACKUP, RESTORE]}
VALID_REQUESTS = [
    hook("velero", BACKUP),
    hook("velero", LIST),
    hook("velero", {"type": "ADDED", "object": RESTORE}),
]


def changed(tree: dict[str, Any], part: str, **changes: Any) -> dict[str, Any]:
    return tree | {part: tree[part] | changes}


def taken(body: Any, query: str = "") -> tuple[BackupReport, ...]:
    return decoded(VeleroDecoder, dataclasses.replace(hook("velero", body), query=query)).backups


def test_a_backup_and_its_restore() -> None:
    backup, restore = taken(LIST)
    assert backup == BackupReport(
        entity="namespace:shop", tool="velero", backup_id="nightly-1", kind=BackupKind.BACKUP,
        started_unix_nano=RECEIVED - 800 * SECOND, finished_unix_nano=RECEIVED - 500 * SECOND,
        size_bytes=0, ok=True, proves="", source="ci", detail="Completed",
    )  # fmt: skip
    assert (restore.kind, restore.entity, restore.backup_id) == (
        BackupKind.RESTORE_TEST,
        "namespace:shop",
        "drill-1",
    )
    assert (restore.proves, restore.ok) == ("nightly-1", True)


@pytest.mark.parametrize(
    "phase", ["Failed", "PartiallyFailed", "FailedValidation", "FinalizingPartiallyFailed"]
)
def test_phases_of_failure(phase: str) -> None:
    (report,) = taken(changed(BACKUP, "status", phase=phase, errors=3, failureReason="no room"))
    assert (report.ok, report.detail) == (False, f"{phase}; 3 errors; no room")


def test_completed_with_errors_is_no_success() -> None:
    assert not taken(changed(BACKUP, "status", errors=1))[0].ok
    assert taken(changed(BACKUP, "status", errors=0))[0].ok


@pytest.mark.parametrize(
    "phase", ["New", "InProgress", "WaitingForPluginOperations", "Deleting", "", None, 7]
)
def test_what_is_not_finished_is_answered_with_success(phase: Any) -> None:
    outcome = decoded(VeleroDecoder, hook("velero", changed(BACKUP, "status", phase=phase)))
    assert (outcome.backups, refused(outcome), outcome.status) == ((), {"not_finished": 1}, 200)


@pytest.mark.parametrize(
    ("names", "query", "entities"),
    [
        (["a", "b", "a"], "", ["namespace:a", "namespace:b"]),
        (["a", "b"], "entity=service:shop", ["service:shop"]),
        (["*"], "", ["cluster:ci"]),
        (None, "cluster=prod", ["cluster:prod"]),
        ([], "cluster=prod", ["cluster:prod"]),
    ],
)
def test_whose_it_is(names: Any, query: str, entities: list[str]) -> None:
    assert [one.entity for one in taken(changed(BACKUP, "spec", includedNamespaces=names), query)] == entities


def test_too_many_namespaces_are_refused() -> None:
    with pytest.raises(DecodeError, match="too_many_names"):
        taken(changed(BACKUP, "spec", includedNamespaces=[f"n{number}" for number in range(101)]))


def test_many_objects_of_many_namespaces_are_refused() -> None:
    wide = changed(BACKUP, "spec", includedNamespaces=[f"n{number}" for number in range(100)])
    with pytest.raises(TooLargeError):
        taken([wide] * 101)


@pytest.mark.parametrize(
    "body",
    [{}, 7, [], {"kind": "Backup"}, BACKUP | {"kind": "Pod"}, BACKUP | {"apiVersion": "v1"}, {"items": [7]}],
)
def test_what_is_not_veleros_is_refused(body: Any) -> None:
    if body == []:
        assert taken(body) == ()
        return
    outcome = None
    try:
        outcome = decoded(VeleroDecoder, hook("velero", body))
    except DecodeError as error:
        assert "not_velero" in str(error)  # noqa: PT017 - one of two answers
    assert outcome is None or outcome.backups == ()


def test_a_restore_of_no_backup_is_refused() -> None:
    with pytest.raises(DecodeError, match="no_snapshot"):
        taken(changed(RESTORE, "spec", backupName=""))
