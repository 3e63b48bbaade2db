"""Webhook requests as their senders make them."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.ports.decode import Decoder

RECEIVED = 1_700_000_000_000_000_000  # 2023-11-14T22:13:20Z
SECOND = 1_000_000_000
LIMIT = 1 << 20


def hook(
    path: str, body: Any, headers: dict[str, str] | None = None, content_type: str = "application/json"
) -> PushRequest:
    """A POST of a JSON value, or of bytes as they are."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return PushRequest(raw, content_type, "", f"/hooks/{path}", "ci", RECEIVED, headers=headers or {})


def decoded(decoder: type[Any], request: PushRequest, limit: int = LIMIT) -> Decoded:
    """What a fresh decoder makes of it."""
    fresh: Decoder = decoder(SeriesRegistry(), limit)
    return fresh.decode(request)


def rows(batch: Any) -> list[dict[str, Any]]:
    """A batch as dictionaries, with JSON columns read."""
    assert batch is not None
    records: pa.RecordBatch = batch.records
    found: list[dict[str, Any]] = records.to_pylist()
    for row in found:
        for name in ("labels", "annotations", "attributes"):
            if name in row:
                row[name] = json.loads(row[name])
    return found


def refused(outcome: Decoded) -> dict[str, int]:
    """Refused rows by reason."""
    return {one.reason: one.rows for one in outcome.rejected}
