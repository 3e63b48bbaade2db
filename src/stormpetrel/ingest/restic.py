"""restic's JSON to reports: backups, snapshots, checks and restores.

Specification: https://restic.readthedocs.io/en/stable/075_scripting.html.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest.backup_rows import Asked, bounded, told, whole_bytes
from stormpetrel.ingest.body import unpack
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook import MAX_BODY_BYTES, Webhook, answered, check_records, each, parse, token_of
from stormpetrel.ingest.webhook_values import RowRefusedError, dig, shown, text_at
from stormpetrel.model.backup import BackupKind, BackupReport
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.time import from_seconds

TOOL = "restic"
_MOST_LINES, _MOST_MESSAGES = 1_000_000, 1_000
_LONGEST_SECONDS = 86_400.0 * 365
# Of what a backup of many files prints, only these lines are looked at.
_TELLING = (b'"summary"', b'"exit_error"', b'"error"')


@dataclass(slots=True)
class _Run:
    """What one run of restic printed: its last summary, what ended it, and how many errors it met."""

    summary: dict[str, Any] | None = None
    fatal: str = ""
    errors: int = 0


class ResticDecoder:
    """Decodes the output of one command with `--json`; lines that are no JSON are passed over.

    | command | report |
    | --- | --- |
    | `backup` | a backup; it failed when restic met errors or `?exit=` says so |
    | `snapshots` | a good backup each, of the host that it names |
    | `restore` | a test of the backup that `?snapshot=` names: an id, or `latest` |
    | `check` | a failed test of the newest backup, or with `?read_data=yes` a passed one |

    A check that did not read the data proves nothing of a restore: it is answered with success and counted
    as `check_without_data`. The entity is `?entity=`, else `host:` and `?host=` or the sender's name. `?ran=`
    (`backup`, `restore`, `check`) says what ran where restic died without a summary.

    Args:
        registry: not used by reports; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed, never more than 16 MiB.
    """

    name = TOOL
    paths = ("/hooks/restic",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = min(max_unpacked_bytes, MAX_BODY_BYTES)

    def decode(self, request: PushRequest) -> Decoded:
        """Reports of one request; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked, or too many lines or snapshots.
            UnsupportedError: an encoding that is not known.
            DecodeError: nothing in it tells of a backup, a check or a restore.
        """
        body = unpack(request.body, request.content_encoding, self._limit)
        asked = Asked(request)
        token = token_of(request.source, body, asked.text)
        webhook = Webhook(None, request.source, request.received_unix_nano, token)
        tally = RejectTally()
        snapshots = _snapshots(body)
        if snapshots is not None:
            return told(each(snapshots, lambda one: _snapshot(one, webhook, asked), tally), tally)
        run = _run_of(body)
        if run.summary is None and not run.fatal and not asked.failed():
            raise DecodeError(
                "nothing in it tells of a backup: send the output of restic backup, snapshots, check or"
                " restore with --json, or say ?exit= and ?ran= when it failed"
            )
        reports = each([run], lambda one: _outcome(one, webhook, asked), tally)
        if not reports and tally.text().startswith("check_without_data"):
            return answered(Decoded(), tally, 0)
        return told(reports, tally)


def _snapshots(body: bytes) -> list[Any] | None:
    """The list that `restic snapshots` prints; None when it is another's output."""
    if not body.lstrip().startswith(b"["):
        return None
    try:
        found = parse(body)
    except TooLargeError:
        raise
    except DecodeError:
        return None
    listed = found if isinstance(found, list) else []
    grouped = [one.get("snapshots") for one in listed if isinstance(one, dict) and "group_key" in one]
    flat = [one for some in grouped if isinstance(some, list) for one in some] if grouped else listed
    check_records(len(flat))
    return flat


def _run_of(body: bytes) -> _Run:
    run = _Run()
    if body.count(b"\n") > _MOST_LINES:
        raise TooLargeError(f"the output has more than {_MOST_LINES} lines: run restic with --quiet")
    read = 0
    for line in io.BytesIO(body):
        if not any(word in line for word in _TELLING):
            continue
        read += 1
        if read > _MOST_MESSAGES and b'"error"' in line:
            run.errors += 1
            continue
        try:
            message = parse(line)
        except DecodeError:
            continue
        _take(run, message)
    return run


def _take(run: _Run, message: Any) -> None:
    kind = dig(message, "message_type")
    if kind == "summary":
        run.summary = message
    elif kind == "exit_error":
        run.fatal = text_at(message, "message") or "restic ended with an error"
    elif kind == "error":
        run.errors += 1


def _snapshot(tree: Any, webhook: Webhook, asked: Asked) -> BackupReport:
    if not isinstance(tree, dict) or not tree.get("id"):
        raise RowRefusedError("not_a_snapshot", f"a snapshot has an id, this is {shown(tree)}")
    host = text_at(tree, "hostname")
    made = dig(tree, "summary")
    start = webhook.time_of(dig(made, "backup_start") or tree.get("time"))
    return bounded(
        BackupReport(
            entity=asked.entity(lambda: f"host:{host or asked.sender}"),
            tool=TOOL,
            backup_id=text_at(tree, "id"),
            kind=BackupKind.BACKUP,
            started_unix_nano=start,
            finished_unix_nano=webhook.time_of(dig(made, "backup_end") or tree.get("time")),
            size_bytes=whole_bytes(dig(made, "total_bytes_processed")),
            ok=True,  # restic writes a snapshot at the very end
            source=webhook.source,
            detail=text_at(tree, "paths"),
        )
    )


def _outcome(run: _Run, webhook: Webhook, asked: Asked) -> BackupReport:
    """The report of one run."""
    summary = run.summary or {}
    ran = asked.get("ran") or _kind_of(summary)
    ok = run.summary is not None and not run.fatal and not run.errors and not asked.failed()
    if ran == "backup":
        return _backup(run, ok, webhook, asked)
    if ran not in ("restore", "check"):
        raise RowRefusedError("bad_kind", f"?ran= is backup, restore or check, not {shown(ran)}")
    proves = asked.get("snapshot")
    if ran == "check":
        ok = ok and not whole_bytes(summary.get("num_errors")) and not summary.get("broken_packs")
        if ok and not asked.yes("read_data"):
            raise RowRefusedError(
                "check_without_data",
                "a check that passed proves something when it read the data: --read-data",
            )
        proves = proves or "latest"
    seconds = _seconds(summary.get("seconds_elapsed"))
    finished = webhook.received_unix_nano
    return bounded(
        BackupReport(
            entity=asked.entity(lambda: f"host:{asked.sender}"),
            tool=TOOL,
            backup_id=f"{ran} of {proves}" if proves else "",
            kind=BackupKind.RESTORE_TEST,
            started_unix_nano=finished - from_seconds(seconds),
            finished_unix_nano=finished,
            size_bytes=whole_bytes(summary.get("bytes_restored", summary.get("total_bytes"))),
            ok=ok,
            proves=proves,
            source=webhook.source,
            detail=_said(run, asked),
        )
    )


def _backup(run: _Run, ok: bool, webhook: Webhook, asked: Asked) -> BackupReport:
    summary = run.summary or {}
    if summary.get("dry_run") is True:
        raise RowRefusedError("dry_run", "a dry run is no backup")
    finished = webhook.time_of(summary.get("backup_end"))
    seconds = _seconds(summary.get("total_duration"))
    start = summary.get("backup_start")
    # Without a snapshot nothing had changed, or it failed: known by the output, so that a repeat is one.
    otherwise = f"{'unchanged' if ok else 'failed'} {webhook.token:016x}"
    return bounded(
        BackupReport(
            entity=asked.entity(lambda: f"host:{asked.sender}"),
            tool=TOOL,
            backup_id=text_at(summary, "snapshot_id") or otherwise,
            kind=BackupKind.BACKUP,
            started_unix_nano=webhook.time_of(start) if start else finished - from_seconds(seconds),
            finished_unix_nano=finished,
            size_bytes=whole_bytes(summary.get("total_bytes_processed")),
            ok=ok,
            source=webhook.source,
            detail=_said(run, asked),
        )
    )


def _kind_of(summary: dict[str, Any]) -> str:
    if "num_errors" in summary:
        return "check"
    if "files_restored" in summary or "bytes_restored" in summary:
        return "restore"
    return "backup"


def _seconds(value: Any) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _LONGEST_SECONDS
    return float(value) if good else 0.0


def _said(run: _Run, asked: Asked) -> str:
    parts = [run.fatal] if run.fatal else []
    found = whole_bytes((run.summary or {}).get("num_errors")) or run.errors
    if found:
        parts.append(f"{found} errors")
    if asked.failed():
        parts.append(f"exit code {asked.get('exit')}")
    return "; ".join(parts)
