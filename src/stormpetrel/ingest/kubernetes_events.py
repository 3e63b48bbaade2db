"""Kubernetes' events and objects, as its API server writes them, to log records; some are changes, too.

Specification: the kinds Event of core/v1 and of events.k8s.io/v1,
https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/event-v1/. Attribute names are those
of OpenTelemetry's receiver `k8s_events`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from stormpetrel.ingest.changes_rows import change_batch
from stormpetrel.ingest.kubernetes_events_change import change_row
from stormpetrel.ingest.kubernetes_events_object import KubernetesEvent, read_event
from stormpetrel.ingest.kubernetes_objects import KINDS, is_object, read_object
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.webhook import Webhook, accepted, check_records, each, read_webhook, token_of
from stormpetrel.ingest.webhook_values import RowRefusedError, dig, filled, shown
from stormpetrel.model.columns import build_logs
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.signal import LogBatch

# What a watch tells besides: an event has expired, or the watch itself goes on. Nothing has happened.
_SILENT = ("DELETED", "BOOKMARK")


class KubernetesEventsDecoder:
    """Decodes Event objects: one, a List of them, a watch's `{"type", "object"}`, or a JSON list of any.

    Objects that own one another (see `kubernetes_objects.KINDS`) are taken in the same wrappings, and tell
    who owns them.

    With the content type application/x-ndjson each line is one of these. A record's time is when the event
    was last observed, its entity the object it is about (a pod, node or service is spelled as in other
    signals), its severity 9 for Normal and 13 for Warning, its body the message. An event that comes again
    unchanged, as with a list posted every minute, is known by its uid and resourceVersion and stored once.

    Events with the reason of a rollout, of scaling, of a job's end or of a certificate are changes as well;
    see `kubernetes_events_change.REASONS`. Reasons for refusing one alone: `not_an_event`, `bad_time`,
    `time_in_future`, `watch_error`, `no_name`.

    Args:
        registry: not used by logs; every decoder is constructed alike.
        max_unpacked_bytes: largest body once decompressed, never more than 16 MiB.
    """

    name = "kubernetes_events"
    paths = ("/hooks/kubernetes-events",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes

    def decode(self, request: PushRequest) -> Decoded:
        """Log records and changes of one request; thread-safe.

        Raises:
            TooLargeError: too many bytes once unpacked, or too many events.
            UnsupportedError: another content type than JSON's.
            DecodeError: no JSON, or nothing of it can be taken.
        """
        webhook = read_webhook(request, self._limit)
        trees = list(_objects(webhook.tree))
        check_records(len(trees))
        tally = RejectTally()
        watched = each(trees, _watched, tally)
        events = each(
            [tree for tree in watched if tree is not None], lambda tree: _read(tree, webhook), tally
        )
        once = {_identity(told, place): told for place, told in enumerate(events)}
        decoded = _decoded(list(once.values()), webhook)
        return accepted(decoded, tally, len(once))


def _objects(tree: Any) -> Iterator[Any]:
    """Every object, or what is wrapped around one; lists are opened, one in another not.

    What a `PodList` holds says only there what it is.
    """
    for one in tree if isinstance(tree, list) else [tree]:
        inner, kind = dig(one, "items"), dig(one, "kind")
        if isinstance(inner, list):
            listed = kind.removesuffix("List") if isinstance(kind, str) else ""
            bare = listed in KINDS
            yield from (
                {"kind": listed, **entry} if bare and isinstance(entry, dict) else entry for entry in inner
            )
        else:
            yield one


def _read(tree: Any, webhook: Webhook) -> KubernetesEvent:
    return read_object(tree, webhook) if is_object(tree) else read_event(tree, webhook)


def _watched(tree: Any) -> Any:
    """What a watch is about, where it is one; None where nothing has happened."""
    inside, what = dig(tree, "object"), dig(tree, "type")
    if not isinstance(inside, dict):
        return tree
    if what in _SILENT:
        return None
    if what == "ERROR":
        raise RowRefusedError("watch_error", f"the watch ended: {shown(dig(inside, 'message'))}")
    return inside


def _identity(told: KubernetesEvent, place: int) -> tuple[str, str, int]:
    return (told.uid, told.version, 0) if told.uid and told.version else ("", "", place)


def _decoded(events: list[KubernetesEvent], webhook: Webhook) -> Decoded:
    logs = _logs(events, webhook) if events else None
    rows, tokens = [], []
    for told in events:
        row = change_row(told)
        if row is not None:
            rows.append(row)
            tokens.append(_token(told, webhook, "change"))
    return Decoded(logs=logs, changes=change_batch(rows, webhook, tokens))


def _logs(events: list[KubernetesEvent], webhook: Webhook) -> LogBatch:
    return build_logs(
        [told.time_unix_nano for told in events],
        [told.message or told.reason for told in events],
        source=webhook.source,
        observed_unix_nano=webhook.received_unix_nano,
        entity=[told.entity for told in events],
        severity_number=[told.severity_number for told in events],
        attributes=[filled(told.attributes) for told in events],
        request_token=[_token(told, webhook, "log") for told in events],
    )


def _token(told: KubernetesEvent, webhook: Webhook, kind: str) -> int:
    """Of the event where it says which it is, else of the request; log records and changes have their own."""
    if told.uid and told.version:
        return token_of(webhook.source, b"", kind, told.uid, told.version)
    return token_of(webhook.source, webhook.token.to_bytes(8, "little"), kind)
