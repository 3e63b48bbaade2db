"""JSON that other systems push to us (alerts, changes, Kubernetes' events): reading it within bounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import orjson
import xxhash

from stormpetrel.errors import DecodeError, TooLargeError, UnsupportedError
from stormpetrel.ingest.body import unpack
from stormpetrel.ingest.json_body import parse_json
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.timestamps import parse_rfc3339
from stormpetrel.ingest.webhook_values import RowRefusedError, shown
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.time import NANOS_PER_SECOND

# A notification of a thousand alerts is about 1 MB; what a tree of objects takes in memory is a multiple.
MAX_BODY_BYTES = 16 << 20
MAX_OBJECTS = 500_000
MAX_RECORDS = 10_000

# A sender's clock may be wrong; what lies further ahead would stay the newest for ever.
MAX_AHEAD_NANOS = 86_400 * NANOS_PER_SECOND

_LINE_TYPES = (
    "application/x-ndjson",
    "application/jsonl",
    "application/jsonlines",
    "application/x-jsonlines",
)
_JSON_TYPES = ("", "application/json", "text/json", "text/plain", "application/octet-stream")

Entry = TypeVar("Entry")
Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class Webhook:
    """A parsed body: its JSON tree, who sent it when, and the token by which a repeat is known (never 0)."""

    tree: Any
    source: str
    received_unix_nano: int
    token: int

    def time_of(self, said: Any) -> int:
        """A time as a sender says it, in UTC nanoseconds; when it says none, ours.

        RFC 3339 text, or a number of Unix seconds. The year 1, Go's zero time, says nothing.

        Raises:
            RowRefusedError: it cannot be read, or lies more than a day ahead of our clock.
        """
        if said is None or said == "" or (isinstance(said, str) and said.startswith("0001-01-01T00:00:00")):
            return self.received_unix_nano
        if isinstance(said, int | float) and not isinstance(said, bool) and 0 <= said < 1 << 33:
            whole = int(said)
            time: int | None = whole * NANOS_PER_SECOND + round((said - whole) * NANOS_PER_SECOND)
        else:
            time = parse_rfc3339(said) if isinstance(said, str) and len(said) <= 64 else None
        if time is None:
            raise RowRefusedError(
                "bad_time", f"{shown(said)} is no time: write one as in 2024-01-02T03:04:05Z"
            )
        if time > self.received_unix_nano + MAX_AHEAD_NANOS:
            raise RowRefusedError(
                "time_in_future", f"{shown(said)} is more than a day ahead of this host's clock"
            )
        return time


def read_webhook(request: PushRequest, limit: int, *said: str) -> Webhook:
    """Unpack and parse a body that is JSON, or a JSON value a line, which is a list of them; O(bytes).

    Args:
        request: any JSON content type, or none, will do; many senders are careless about it. Lines are
            told by application/x-ndjson or application/jsonl.
        limit: largest body once unpacked, in bytes; never more than `MAX_BODY_BYTES`.
        said: what was said outside of the body (headers) and makes the request another one.

    Raises:
        TooLargeError: too many bytes once unpacked, or too many objects.
        UnsupportedError: a form or another content type.
        DecodeError: no JSON.
    """
    media_type = request.content_type.partition(";")[0].strip().lower()
    lines = media_type in _LINE_TYPES
    if not lines and media_type not in _JSON_TYPES and not media_type.endswith("+json"):
        raise UnsupportedError(f"send application/json, this is {request.content_type[:60]!r}")
    body = unpack(request.body, request.content_encoding, min(limit, MAX_BODY_BYTES))
    tree = _parse_lines(body) if lines else parse(body)
    return Webhook(tree, request.source, request.received_unix_nano, token_of(request.source, body, *said))


def _parse_lines(body: bytes) -> list[Any]:
    check_records(body.count(b"\n"))
    return [parse(line) for line in body.split(b"\n") if line.strip()]


def parse(body: bytes) -> Any:
    """JSON text as a tree. What is no Unicode is replaced; nesting ends at orjson's 1,024 levels.

    Raises:
        TooLargeError: more than `MAX_OBJECTS` objects and lists.
        DecodeError: no JSON.
    """
    if body.count(b"{") + body.count(b"[") > MAX_OBJECTS:
        raise TooLargeError(f"the body holds more than {MAX_OBJECTS} objects: send smaller requests")
    return parse_json(body)


def token_of(source: str, body: bytes, *said: str) -> int:
    """The 64-bit token by which a repeat is known: of the source, the body, and what was said beside it."""
    digest = xxhash.xxh64(f"{source}\0".encode())
    for one in said:
        digest.update(f"{one}\0".encode("utf-8", "replace"))
    digest.update(body)
    return digest.intdigest() or 1


def each(entries: Iterable[Entry], row: Callable[[Entry], Row], tally: RejectTally) -> list[Row]:
    """The rows of the entries that can be taken; the others are counted."""
    rows: list[Row] = []
    for entry in entries:
        try:
            rows.append(row(entry))
        except RowRefusedError as error:
            tally.add(error.reason, 1, str(error))
    return rows


def check_records(count: int) -> None:
    """Refuse a request of more than `MAX_RECORDS` records.

    Raises:
        TooLargeError: naming the limit.
    """
    if count > MAX_RECORDS:
        raise TooLargeError(f"the request holds {count} records, at most {MAX_RECORDS} are taken: send fewer")


def accepted(decoded: Decoded, tally: RejectTally, rows: int) -> Decoded:
    """The signals with what was refused, and an answer that says both.

    Raises:
        DecodeError: everything was refused.
    """
    if tally.rows and not rows:
        raise DecodeError(f"nothing of the request can be taken: {tally.text()[:1000]}")
    return answered(decoded, tally, rows)


def answered(decoded: Decoded, tally: RejectTally, rows: int) -> Decoded:
    """Like `accepted`, for senders that push more than we ask for: nothing taken is fine, too."""
    rejected = tally.rejected()
    said = {"accepted": rows, "rejected": {one.reason: one.rows for one in rejected}}
    return Decoded(
        logs=decoded.logs,
        alerts=decoded.alerts,
        changes=decoded.changes,
        backups=decoded.backups,
        rejected=rejected,
        answer=orjson.dumps(said),
        answer_type="application/json",
    )
