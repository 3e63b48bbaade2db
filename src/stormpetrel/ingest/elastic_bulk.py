"""Elasticsearch's bulk requests: lines of actions and documents, and the answer item by item.

Specification: https://www.elastic.co/guide/en/elasticsearch/reference/8.19/docs-bulk.html.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest.elastic_document import DocumentRow, read_document
from stormpetrel.ingest.json_body import parse_json
from stormpetrel.ingest.otlp_request import MAX_ROWS
from stormpetrel.ingest.tally import RejectTally

_MAX_INDEX = 255  # bytes, as Elasticsearch's own bound
_MAX_ID = 512

# Why an item was refused, in Elasticsearch's words. Shippers repeat what is not 400: only 400 is said.
_WHY: dict[str, tuple[str, str]] = {
    "unsupported_action": (
        "illegal_argument_exception",
        "only index and create are taken: records are never changed",
    ),
    "no_index": ("action_request_validation_exception", "index is missing"),
    "no_document": ("illegal_argument_exception", "the action has no document behind it"),
    "malformed_document": ("document_parsing_exception", "the document is not a JSON object"),
    "malformed_time": ("document_parsing_exception", "@timestamp is neither RFC 3339 nor milliseconds"),
    "too_many_fields": (
        "illegal_argument_exception",
        "the document has more than 1000 fields, or too long names",
    ),
}


@dataclass(frozen=True, slots=True)
class _Action:
    kind: str  # "index" | "create" | "update" | "delete"
    index: str
    document_id: str


@dataclass(slots=True)
class BulkOutcome:
    """What became of a bulk request: the records, and one answer for each of its items."""

    rows: list[DocumentRow] = field(default_factory=list)
    items: list[bytes] = field(default_factory=list)
    tally: RejectTally = field(default_factory=RejectTally)

    def answer(self) -> bytes:
        """The body of the answer. Shippers match items by position."""
        errors = b"true" if self.tally.rows else b"false"
        return b'{"took":0,"errors":' + errors + b',"items":[' + b",".join(self.items) + b"]}"


def read_bulk(body: bytes, index: str, token: int, received_unix_nano: int) -> BulkOutcome:
    """Read a bulk request. Some 15 microseconds an item.

    Args:
        body: newline-delimited JSON.
        index: of the path; for actions that name none.
        token: of the request; documents without an id get theirs from it, the same in a retry.
        received_unix_nano: the time of documents that have none.

    Raises:
        TooLargeError: more items than a request may have.
        DecodeError: a line that should be an action is none: which documents belong to which action can no
            longer be told.
    """
    if body.count(b"\n") > 2 * MAX_ROWS:
        raise TooLargeError(f"the request has more than {MAX_ROWS} items: send smaller ones")
    outcome = BulkOutcome()
    for action, document in _pairs(body, index):
        row = _row(action, document, received_unix_nano)
        if isinstance(row, str):
            outcome.tally.add(row, 1, action.index[:80])
            outcome.items.append(_refused(action, row))
            continue
        outcome.items.append(_stored(action, f"{token:016x}{len(outcome.rows):08x}"))
        outcome.rows.append(row)
    if not outcome.items:
        raise DecodeError("the bulk request is empty: it takes lines of actions and documents")
    return outcome


def _pairs(body: bytes, index: str) -> Iterator[tuple[_Action, bytes | None]]:
    """Actions, each with its document as it came; None where it has, or may have, none."""
    # Senders write the same action before every document of an index.
    seen: dict[bytes, _Action] = {}
    lines = enumerate(body.split(b"\n"), 1)
    for number, line in lines:
        head = line.strip()
        if not head:
            continue
        action = seen.get(head)
        if action is None:
            action = _action(head, number, index)
            if len(seen) < 1000:
                seen[head] = action
        if action.kind == "delete":
            yield action, None
            continue
        _, document = next(lines, (0, b""))
        yield action, document.strip() or None


def _action(head: bytes, number: int, index: str) -> _Action:
    tree = parse_json(head, f"line {number} of the bulk request, an action,")
    if isinstance(tree, dict) and len(tree) == 1:
        kind, named = next(iter(tree.items()))
        if kind in ("index", "create", "update", "delete") and isinstance(named, dict):
            return _Action(kind, _text(named, "_index", _MAX_INDEX) or index, _text(named, "_id", _MAX_ID))
    raise DecodeError(
        f'line {number} of the bulk request is no action such as {{"create": {{"_index": "logs"}}}}'
    )


def _text(named: dict[str, Any], name: str, longest: int) -> str:
    value = named.get(name, "")
    return str(value)[:longest] if isinstance(value, str | int) else ""


def _row(action: _Action, document: bytes | None, received: int) -> DocumentRow | str:
    if action.kind not in ("index", "create"):
        return "unsupported_action"
    if not action.index:
        return "no_index"
    if document is None:
        return "no_document"
    try:
        tree = parse_json(document)
    except DecodeError:
        return "malformed_document"
    return read_document(tree, action.index, received) if isinstance(tree, dict) else "malformed_document"


def _stored(action: _Action, generated: str) -> bytes:
    return orjson.dumps(
        {
            action.kind: {
                "_index": action.index,
                "_id": action.document_id or generated,
                "_version": 1,
                "result": "created",
                "_shards": {"total": 1, "successful": 1, "failed": 0},
                "status": 201,
            }
        }
    )


def _refused(action: _Action, reason: str) -> bytes:
    kind, text = _WHY[reason]
    answer: dict[str, Any] = {"_index": action.index, "_id": action.document_id or None, "status": 400}
    return orjson.dumps({action.kind: {**answer, "error": {"type": kind, "reason": text}}})
