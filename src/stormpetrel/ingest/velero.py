"""Velero's Backup and Restore objects to reports.

Specification: https://velero.io/docs/main/api-types/backup/ and …/restore/.
"""

from __future__ import annotations

from typing import Any

from stormpetrel.ingest.backup_rows import Asked, bounded, span_of, told
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook import Webhook, answered, check_records, each, read_webhook
from stormpetrel.ingest.webhook_values import RowRefusedError, dig, shown, text_at
from stormpetrel.model.backup import BackupKind, BackupReport
from stormpetrel.model.push import Decoded, PushRequest

TOOL = "velero"
_MOST_NAMESPACES = 100
_FAILED = frozenset({"Failed", "PartiallyFailed", "FailedValidation", "FinalizingPartiallyFailed"})


class VeleroDecoder:
    """Decodes one object, a List, what a watch writes (`{"type": …, "object": …}`), or a line each.

    A Backup is a report for each namespace that it names, as `namespace:NAME`, and for `cluster:NAME` when it
    holds all (`?cluster=`, else the sender's name); `?entity=` says otherwise. A Restore is a test of the
    backup that it names, for the same entities. Only the phase `Completed` without errors succeeded; objects
    that are not finished, or are being deleted, are answered with success and counted as `not_finished`.
    Velero does not say how large a backup is.

    Args:
        registry: not used by reports; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed, never more than 16 MiB.
    """

    name = TOOL
    paths = ("/hooks/velero",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """Reports of one request; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked, or too many reports.
            UnsupportedError: another content type than JSON's.
            DecodeError: no JSON, or no object of Velero.
        """
        asked = Asked(request)
        webhook = read_webhook(request, self._limit, asked.text)
        objects = _objects(webhook.tree)
        check_records(len(objects))
        tally, waits = RejectTally(), RejectTally()
        finished = [one for one in objects if not _unfinished(one, waits)]
        found = each(finished, lambda one: _reports(one, webhook, asked), tally)
        reports = [report for some in found for report in some]
        check_records(len(reports))
        if tally.rows and not reports:
            return told(reports, tally)
        for one in waits.rejected():
            tally.add(one.reason, one.rows, one.example)
        return answered(Decoded(backups=tuple(reports)), tally, len(reports))


def _objects(tree: Any) -> list[Any]:
    """Each object, out of lists and of what a watch wraps it in."""
    outer = tree if isinstance(tree, list) else [tree]
    found = []
    for one in outer:
        wrapped = dig(one, "object")
        inner = wrapped if wrapped is not None else one
        listed = dig(inner, "items")
        found += listed if isinstance(listed, list) else [inner]
    return found


def _unfinished(tree: Any, tally: RejectTally) -> bool:
    phase = text_at(tree, "status", "phase")
    over = phase == "Completed" or phase in _FAILED
    if dig(tree, "kind") not in ("Backup", "Restore") or over:
        return False
    tally.add("not_finished", 1, f"{text_at(tree, 'metadata', 'name', letters=60)!r} is {phase[:40]!r}")
    return True


def _reports(tree: Any, webhook: Webhook, asked: Asked) -> list[BackupReport]:
    kind = dig(tree, "kind")
    if kind not in ("Backup", "Restore") or not text_at(tree, "apiVersion").startswith("velero.io/"):
        raise RowRefusedError("not_velero", f"a Backup or Restore of velero.io is wanted, not {shown(kind)}")
    status = dig(tree, "status")
    started, finished = span_of(
        webhook,
        dig(status, "startTimestamp"),
        dig(status, "completionTimestamp") or dig(tree, "metadata", "creationTimestamp"),
    )
    phase, errors = text_at(status, "phase"), dig(status, "errors")
    reason = text_at(status, "failureReason") or text_at(status, "validationErrors")
    restore = kind == "Restore"
    return [
        bounded(
            BackupReport(
                entity=entity,
                tool=TOOL,
                backup_id=text_at(tree, "metadata", "name"),
                kind=BackupKind.RESTORE_TEST if restore else BackupKind.BACKUP,
                started_unix_nano=started,
                finished_unix_nano=finished,
                size_bytes=0,
                ok=phase == "Completed" and errors in (None, 0),
                proves=text_at(tree, "spec", "backupName") if restore else "",
                source=webhook.source,
                detail=f"{phase}; {text_at(errors)} errors; {reason}" if errors or reason else phase,
            )
        )
        for entity in _entities(tree, asked)
    ]


def _entities(tree: Any, asked: Asked) -> list[str]:
    named = dig(tree, "spec", "includedNamespaces")
    names = [one for one in named if isinstance(one, str)] if isinstance(named, list) else []
    if len(names) > _MOST_NAMESPACES:
        raise RowRefusedError(
            "too_many_names", f"{len(names)} namespaces, at most {_MOST_NAMESPACES} are taken: say ?entity="
        )
    if asked.get("entity") or not names or "*" in names:
        return [asked.entity(lambda: f"cluster:{asked.get('cluster') or asked.sender}")]
    return [f"namespace:{name}" for name in dict.fromkeys(names)]
