"""Changes as rows of a change batch, and the words by which senders call their kind and state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from stormpetrel.ingest.webhook import Webhook
from stormpetrel.model.columns import record_batch
from stormpetrel.model.records import CHANGE_SCHEMA, ChangeBatch, ChangeState
from stormpetrel.model.resource import UNKNOWN_ENTITY

URL_LETTERS = 2_048
TITLE_LETTERS = 500
ID_LETTERS = 500
NAME_LETTERS = 256

_STATES: dict[str, ChangeState] = {
    **dict.fromkeys(
        ("started", "start", "running", "in_progress", "pending", "queued", "created", "waiting",
         "requested"),
        ChangeState.STARTED,
    ),
    **dict.fromkeys(
        ("succeeded", "success", "successful", "passed", "completed", "done", "ok", "healthy"),
        ChangeState.SUCCEEDED,
    ),
    **dict.fromkeys(
        ("failed", "failure", "error", "canceled", "cancelled", "cancel", "timed_out", "aborted",
         "terminating", "startup_failure", "action_required"),
        ChangeState.FAILED,
    ),
}  # fmt: skip


class ChangeRow(NamedTuple):
    """One row of `CHANGE_SCHEMA`, without source and token."""

    time_unix_nano: int
    entity: str
    change_id: str
    kind: str
    state: str
    title: str
    environment: str
    version: str
    actor: str
    url: str
    attributes: str


def change_batch(
    rows: list[ChangeRow], webhook: Webhook, tokens: Sequence[int] | None = None
) -> ChangeBatch | None:
    """The rows as a batch of this request; None when there are none.

    Args:
        rows: texts are cut to their bounds here.
        webhook: says the source and, unless `tokens` are given, the request token.
        tokens: one a row, for requests that are known in parts, or that give records of another kind
            besides: each kind needs its own.
    """
    if not rows:
        return None
    columns: dict[str, Any] = dict(zip(ChangeRow._fields, zip(*map(_cut, rows), strict=True), strict=True))
    columns |= {"source": webhook.source, "request_token": webhook.token if tokens is None else tokens}
    return ChangeBatch(record_batch(columns, CHANGE_SCHEMA))


def _cut(row: ChangeRow) -> ChangeRow:
    return row._replace(
        entity=row.entity[:ID_LETTERS],
        change_id=row.change_id[:ID_LETTERS],
        title=" ".join(row.title[:TITLE_LETTERS].split()),
        environment=row.environment[:NAME_LETTERS],
        version=row.version[:NAME_LETTERS],
        actor=row.actor[:NAME_LETTERS],
        url=row.url[:URL_LETTERS],
    )


def state_of(word: Any, otherwise: ChangeState = ChangeState.UNKNOWN) -> ChangeState:
    """The state that a sender's word means, any case.

    >>> state_of("SUCCESS"), state_of("in_progress"), state_of("timed_out"), state_of(7)
    (<ChangeState.SUCCEEDED: 'succeeded'>, <ChangeState.STARTED: 'started'>, <ChangeState.FAILED: 'failed'>, \
<ChangeState.UNKNOWN: 'unknown'>)
    """
    return _STATES.get(word.strip().lower(), otherwise) if isinstance(word, str) else otherwise


def service_entity(name: str) -> str:
    """The entity of a service by its name; unknown when there is none.

    >>> service_entity("shop"), service_entity("")
    ('service:shop', 'unknown:unknown')
    """
    return f"service:{name}" if name else UNKNOWN_ENTITY
