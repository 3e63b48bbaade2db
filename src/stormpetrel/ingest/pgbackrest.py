"""pgBackRest's `info --output=json` to reports.

Specification: https://pgbackrest.org/command.html#command-info; the JSON is kept stable by its makers.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stormpetrel.ingest.backup_rows import Asked, bounded, told, whole_bytes
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook import Webhook, check_records, each, read_webhook
from stormpetrel.ingest.webhook_values import RowRefusedError, dig, shown, text_at
from stormpetrel.model.backup import BackupKind, BackupReport
from stormpetrel.model.push import Decoded, PushRequest

TOOL = "pgbackrest"
_NO_BACKUPS = 2


class PgbackrestDecoder:
    """Decodes the list of stanzas. Each backup is a report, known by its label (and its repository, from the
    second on).

    The entity is `database:STANZA`, or what `?entity=` says when there is one stanza. A backup with errors in
    its pages (`error`) did not succeed. A stanza without any usable backup is a backup that failed, now.

    Args:
        registry: not used by reports; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed, never more than 16 MiB.
    """

    name = TOOL
    paths = ("/hooks/pgbackrest",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """Reports of one request; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked, or too many backups.
            UnsupportedError: another content type than JSON's.
            DecodeError: no list of stanzas, or nothing of it can be taken.
        """
        asked = Asked(request)
        webhook = read_webhook(request, self._limit, asked.text)
        stanzas = webhook.tree if isinstance(webhook.tree, list) else [webhook.tree]
        tally = RejectTally()
        one = len(stanzas) == 1
        found = each(stanzas, lambda stanza: list(_backups(stanza, asked, one)), tally)
        backups = [backup for some in found for backup in some]
        check_records(len(backups))
        return told(each(backups, lambda place: _report(*place, webhook), tally), tally)


def _backups(stanza: Any, asked: Asked, one: bool) -> Iterator[tuple[str, dict[str, Any]]]:
    """The entity and each backup of a stanza; one that says what is wrong where there is none."""
    name = text_at(stanza, "name")
    if not isinstance(stanza, dict) or not name:
        raise RowRefusedError(
            "not_a_stanza", f"send the output of pgbackrest info --output=json, not {shown(stanza)}"
        )
    entity = asked.entity(lambda: f"database:{name}") if one else f"database:{name}"
    held = dig(stanza, "backup")
    backups = [backup for backup in held if isinstance(backup, dict)] if isinstance(held, list) else []
    for backup in backups:
        yield entity, backup
    code, message = dig(stanza, "status", "code"), text_at(stanza, "status", "message")
    if not backups or code == _NO_BACKUPS:
        yield entity, {"label": "none", "error": True, "annotation": message or "no backup"}


def _report(entity: str, backup: dict[str, Any], webhook: Webhook) -> BackupReport:
    times = dig(backup, "timestamp")
    finished = webhook.time_of(dig(times, "stop"))
    start = dig(times, "start")
    repository = dig(backup, "database", "repo-key")
    label = text_at(backup, "label")
    return bounded(
        BackupReport(
            entity=entity,
            tool=TOOL,
            backup_id=label if repository in (None, 1) else f"{label} in repository {text_at(repository)}",
            kind=BackupKind.BACKUP,
            started_unix_nano=finished if start is None else webhook.time_of(start),
            finished_unix_nano=finished,
            size_bytes=whole_bytes(dig(backup, "info", "size")),
            ok=dig(backup, "error") in (False, None),
            source=webhook.source,
            detail=_detail(backup),
        )
    )


def _detail(backup: dict[str, Any]) -> str:
    kind = text_at(backup, "type")
    said = text_at(backup, "annotation") if "type" not in backup else ""
    return said or (f"{kind}; errors in its pages" if dig(backup, "error") else kind)
