"""Backups that anybody posts, as plain JSON."""

from __future__ import annotations

from typing import Any

from stormpetrel.ingest.backup_rows import Asked, bounded, checked_entity, span_of, told, whole_bytes
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook import Webhook, check_records, each, read_webhook
from stormpetrel.ingest.webhook_values import RowRefusedError, shown, text_at
from stormpetrel.model.backup import BackupKind, BackupReport
from stormpetrel.model.push import Decoded, PushRequest

_GOOD = frozenset({"ok", "success", "succeeded", "successful", "completed", "done", "passed"})
_BAD = frozenset(
    {"failed", "failure", "error", "partial", "partiallyfailed", "aborted", "timeout", "canceled"}
)


class BackupsDecoder:
    """Decodes one report or a list of them.

    Members: `id` (what the tool calls the backup; needed, a restore test may leave it out), `kind`
    (`backup`, the default, or `restore_test`), `entity` (`kind:name`), `service` or `host`, `tool`, `started`
    and `finished` (RFC 3339 or Unix seconds; left out they are now), `bytes`, `ok` (true or false) or `state`
    (a word), `proves` (of a restore test: the id of the backup, or `latest`) and `detail`.

    A report that cannot be taken is refused alone, with the reasons `no_id`, `no_snapshot`, `bad_kind`,
    `bad_state`, `bad_entity`, `bad_time`, `time_in_future` and `not_an_object`.

    Args:
        registry: not used by reports; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed, never more than 16 MiB.
    """

    name = "backups"
    paths = ("/hooks/backups",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """Reports of one request; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked, or too many reports.
            UnsupportedError: another content type than JSON's.
            DecodeError: no JSON, or nothing of it can be taken.
        """
        asked = Asked(request)
        webhook = read_webhook(request, self._limit, asked.text)
        entries = webhook.tree if isinstance(webhook.tree, list) else [webhook.tree]
        check_records(len(entries))
        tally = RejectTally()
        return told(each(entries, lambda one: _report(one, webhook, asked), tally), tally)


def _report(tree: Any, webhook: Webhook, asked: Asked) -> BackupReport:
    if not isinstance(tree, dict):
        raise RowRefusedError("not_an_object", f"a report must be an object, not {shown(tree)}")
    started, finished = span_of(webhook, tree.get("started"), tree.get("finished"))
    kind, proves = _kind(tree.get("kind")), text_at(tree, "proves")
    otherwise = f"restore of {proves}" if kind is BackupKind.RESTORE_TEST else ""
    return bounded(
        BackupReport(
            entity=_entity(tree, asked),
            tool=text_at(tree, "tool") or "other",
            backup_id=text_at(tree, "id") or otherwise,
            kind=kind,
            started_unix_nano=started,
            finished_unix_nano=finished,
            size_bytes=whole_bytes(tree.get("bytes")),
            ok=_ok(tree),
            proves=proves,
            source=webhook.source,
            detail=text_at(tree, "detail"),
        )
    )


def _entity(tree: dict[str, Any], asked: Asked) -> str:
    if tree.get("entity") is not None:
        return checked_entity(tree["entity"])
    for kind in ("service", "host"):
        name = text_at(tree, kind)
        if name:
            return checked_entity(f"{kind}:{name}")
    return asked.entity(lambda: f"host:{asked.sender}")


def _kind(said: Any) -> BackupKind:
    kinds = [kind.value for kind in BackupKind]
    if said is None:
        return BackupKind.BACKUP
    if said not in kinds:
        raise RowRefusedError("bad_kind", f"a report is of kind {' or '.join(kinds)}, not {shown(said)}")
    return BackupKind(said)


def _ok(tree: dict[str, Any]) -> bool:
    """What is said of the outcome; nothing said is no success."""
    said = tree.get("ok", tree.get("state"))
    if isinstance(said, bool):
        return said
    word = said.strip().lower() if isinstance(said, str) else ""
    if word in _GOOD or word in _BAD:
        return word in _GOOD
    raise RowRefusedError(
        "bad_state", f"a report says ok (true or false) or state (ok or failed), not {shown(said)}"
    )
