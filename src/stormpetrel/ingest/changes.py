"""Changes that anybody posts: plain JSON, or CloudEvents with CDEvents among them."""

from __future__ import annotations

import re
from typing import Any

from stormpetrel.ingest.changes_cloud import BATCH_TYPE, cloud_headers, cloud_row, is_cloud_event
from stormpetrel.ingest.changes_rows import ChangeRow, change_batch, service_entity, state_of
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook import Webhook, accepted, check_records, each, read_webhook
from stormpetrel.ingest.webhook_values import RowRefusedError, filled, shown, text_at, texts_of
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.records import ChangeKind

_ENTITY = re.compile(r"[a-z_]+:\S.*")


class ChangesDecoder:
    """Decodes one change or a list of them.

    Plain JSON has the members `title` (needed), `kind` (a `ChangeKind`), `service` or `entity`
    (`kind:name`), `environment`, `version`, `state` (a `ChangeState`, or what others call it), `actor`,
    `url`, `time` (RFC 3339, or Unix seconds; left out it is now), `id` (the same for all messages about
    one change; left out every message is a change of its own) and `attributes` (an object). CloudEvents
    1.0 are understood in structured, batch and binary mode; see `changes_cloud`.

    A change that cannot be taken is refused alone, with the reasons `no_title`, `bad_kind`, `bad_state`,
    `bad_entity`, `bad_time`, `time_in_future`, `too_many_names`, `not_an_object`, `bad_cloud_event` and
    `not_a_change`.

    Args:
        registry: not used by changes; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed, never more than 16 MiB.
    """

    name = "changes"
    paths = ("/hooks/changes",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """Changes of one request; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked, or too many changes.
            UnsupportedError: another content type than JSON's.
            DecodeError: no JSON, or nothing of it can be taken.
        """
        outside = cloud_headers(request.headers)
        webhook = read_webhook(request, self._limit, *outside.values())
        tally = RejectTally()
        if outside:
            rows = each([{**outside, "data": webhook.tree}], lambda one: cloud_row(one, webhook), tally)
        else:
            entries = webhook.tree if isinstance(webhook.tree, list) else [webhook.tree]
            check_records(len(entries))
            cloud = request.content_type.strip().lower().startswith(BATCH_TYPE)
            places = list(enumerate(entries))
            rows = each(places, lambda place: _row(place[1], place[0], webhook, cloud), tally)
        return accepted(Decoded(changes=change_batch(rows, webhook)), tally, len(rows))


def _row(change: Any, place: int, webhook: Webhook, cloud: bool) -> ChangeRow:
    if not isinstance(change, dict):
        raise RowRefusedError("not_an_object", f"a change must be an object, not {shown(change)}")
    if cloud or is_cloud_event(change):
        return cloud_row(change, webhook)
    return plain_row(change, webhook, f"{webhook.token:016x}/{place}")


def plain_row(change: dict[str, Any], webhook: Webhook, otherwise_id: str) -> ChangeRow:
    """One change in plain JSON.

    Args:
        change: the object.
        webhook: the request it came in.
        otherwise_id: the change id when the object has no `id`.

    Raises:
        RowRefusedError: see `ChangesDecoder`.
    """
    title = text_at(change, "title").strip()
    if not title:
        raise RowRefusedError("no_title", "a change needs a `title`: one line for people")
    return ChangeRow(
        time_unix_nano=webhook.time_of(change.get("time")),
        entity=_entity(change),
        change_id=text_at(change, "id") or otherwise_id,
        kind=_kind(change.get("kind")),
        state=_state(change.get("state")),
        title=title,
        environment=text_at(change, "environment"),
        version=text_at(change, "version"),
        actor=text_at(change, "actor"),
        url=text_at(change, "url"),
        attributes=filled(texts_of(change.get("attributes"), "attributes")),
    )


def _entity(change: dict[str, Any]) -> str:
    entity = change.get("entity")
    if entity is None or entity == "":
        return service_entity(text_at(change, "service"))
    if not isinstance(entity, str) or not _ENTITY.fullmatch(entity):
        raise RowRefusedError(
            "bad_entity", f"an entity is written kind:name, as in host:web-1, not {shown(entity)}"
        )
    return entity


def _kind(said: Any) -> str:
    if said is None:
        return ChangeKind.OTHER.value
    kinds = [kind.value for kind in ChangeKind]
    if said not in kinds:
        raise RowRefusedError("bad_kind", f"a change is of kind {', '.join(kinds)}, not {shown(said)}")
    return str(said)


def _state(said: Any) -> str:
    state = state_of(said)
    if said not in (None, "", "unknown") and state.value == "unknown":
        raise RowRefusedError(
            "bad_state", f"a change is started, succeeded, failed or unknown, not {shown(said)}"
        )
    return state.value
