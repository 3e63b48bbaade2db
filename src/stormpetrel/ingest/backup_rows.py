"""What the decoders of backup tools share: what stands beside a body, and bounded reports."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook import Webhook, accepted
from stormpetrel.ingest.webhook_values import RowRefusedError, shown
from stormpetrel.model.backup import BackupKind, BackupReport
from stormpetrel.model.push import Decoded, PushRequest

NAME_LETTERS, ID_LETTERS, DETAIL_LETTERS = 256, 256, 500
MOST_BYTES = 1 << 62
_ENTITY = re.compile(r"[a-z_]+:\S.*")


class Asked:
    """The query of a request: what a sender says that the tool's output does not.

    Args:
        request: its `?entity=`, `?host=` and others, each once and short.
    """

    def __init__(self, request: PushRequest) -> None:
        found = parse_qs(request.query, max_num_fields=50) if request.query.count("&") < 50 else {}
        self._said = {name: values[0][:NAME_LETTERS] for name, values in found.items()}
        self.sender = request.source.partition("/")[0]
        self.text = "\0".join(f"{name}={value}" for name, value in sorted(self._said.items()))

    def get(self, name: str) -> str:
        """One value; "" when it is not said."""
        return self._said.get(name, "").strip()

    def yes(self, name: str) -> bool:
        """Whether something is said to be so."""
        return self.get(name).lower() in ("yes", "true", "1", "on")

    def entity(self, otherwise: Callable[[], str]) -> str:
        """`?entity=kind:name`, else `?host=name`, else what the decoder thinks.

        Raises:
            RowRefusedError: it is not written so.
        """
        said, host = self.get("entity"), self.get("host")
        return checked_entity(said) if said else f"host:{host}" if host else otherwise()

    def failed(self) -> bool:
        """Whether `?exit=` says that the tool failed; anything but a zero does.

        >>> from stormpetrel.model.push import PushRequest
        >>> Asked(PushRequest(b"", "", "", "", "t", 0, query="exit=3")).failed()
        True
        """
        return self.get("exit") not in ("", "0")


def checked_entity(said: Any) -> str:
    """An entity as a sender writes it.

    Raises:
        RowRefusedError: it is none.
    """
    if not isinstance(said, str) or len(said) > NAME_LETTERS or not _ENTITY.fullmatch(said):
        raise RowRefusedError(
            "bad_entity", f"an entity is written kind:name, as in database:orders, not {shown(said)}"
        )
    return one_line(said, NAME_LETTERS)


def one_line(text: str, letters: int) -> str:
    """A stranger's text without control characters, cut.

    >>> one_line("a\\tb\\x00c", 4)
    'a b '
    """
    cut = text[:letters]
    return cut if cut.isprintable() else "".join(one if one.isprintable() else " " for one in cut)


def whole_bytes(value: Any) -> int:
    """A size as a tool says it; 0 for what is none.

    >>> whole_bytes(7), whole_bytes(7.9), whole_bytes(-1), whole_bytes("7"), whole_bytes(True)
    (7, 7, 0, 0, 0)
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < MOST_BYTES:
        return 0
    return int(value)


def bounded(report: BackupReport) -> BackupReport:
    """A report with its texts cut and its times in order.

    Raises:
        RowRefusedError: it has no id, or it is a test of no backup.
    """
    backup_id = one_line(report.backup_id, ID_LETTERS).strip()
    proves = one_line(report.proves, ID_LETTERS).strip()
    if report.kind is BackupKind.RESTORE_TEST and not proves:
        raise RowRefusedError(
            "no_snapshot", "a restore test says which backup it restored: its id, or latest"
        )
    if not backup_id:
        raise RowRefusedError("no_id", "a report needs an id: what the tool calls the backup")
    return BackupReport(
        entity=checked_entity(report.entity),
        tool=one_line(report.tool, NAME_LETTERS),
        backup_id=backup_id,
        kind=report.kind,
        started_unix_nano=min(report.started_unix_nano, report.finished_unix_nano),
        finished_unix_nano=report.finished_unix_nano,
        size_bytes=report.size_bytes,
        ok=report.ok,
        proves=proves if report.kind is BackupKind.RESTORE_TEST else "",
        source=report.source,
        detail=one_line(report.detail, DETAIL_LETTERS).strip(),
    )


def told(reports: list[BackupReport], tally: RejectTally) -> Decoded:
    """The answer of a request.

    Raises:
        DecodeError: everything was refused.
    """
    return accepted(Decoded(backups=tuple(reports)), tally, len(reports))


def span_of(webhook: Webhook, start: Any, end: Any) -> tuple[int, int]:
    """Start and end as a tool says them; without an end it is now, without a start it is the end.

    Raises:
        RowRefusedError: one of them cannot be read, or lies in the future.
    """
    finished = webhook.time_of(end)
    return (finished if start in (None, "") else webhook.time_of(start), finished)
