"""One Event object of Kubernetes, whichever of the two APIs wrote it, as one flat value."""

from __future__ import annotations

from typing import Any, NamedTuple

from stormpetrel.ingest.severity import severity_of
from stormpetrel.ingest.webhook import Webhook
from stormpetrel.ingest.webhook_values import RowRefusedError, dig, shown, text_at
from stormpetrel.model.resource import UNKNOWN_ENTITY, entity_of

_NAME_LETTERS = 256
_MESSAGE_LETTERS = 16_384

# Kinds that signals of other senders name alike: their entity is spelled as `entity_of` spells theirs.
_COMMON = {"Pod": "k8s.pod.name", "Node": "host.name", "Service": "service.name"}

# When it happened last, in both APIs, the most exact first.
_TIMES = (
    ("series", "lastObservedTime"), ("lastTimestamp",), ("deprecatedLastTimestamp",), ("eventTime",),
    ("firstTimestamp",), ("deprecatedFirstTimestamp",), ("metadata", "creationTimestamp"),
)  # fmt: skip


class KubernetesEvent(NamedTuple):
    """What both APIs say; a text that is not there is empty."""

    time_unix_nano: int
    entity: str
    kind: str
    namespace: str
    name: str
    severity_number: int
    reason: str
    message: str
    component: str
    counted: int  # how often it was observed
    uid: str
    version: str  # of the Event object: another one when it was counted up
    attributes: dict[str, str]


def read_event(tree: Any, webhook: Webhook) -> KubernetesEvent:
    """An Event of core/v1 or events.k8s.io/v1.

    Raises:
        RowRefusedError: no Event, or a time that cannot be read.
    """
    about = dig(tree, "involvedObject") or dig(tree, "regarding")
    if not isinstance(tree, dict) or not isinstance(about, dict) or tree.get("kind", "Event") != "Event":
        raise RowRefusedError("not_an_event", f"no Event with involvedObject or regarding: {shown(tree)}")
    kind, name, namespace = (
        text_at(about, part, letters=_NAME_LETTERS) for part in ("kind", "name", "namespace")
    )
    reason = text_at(tree, "reason", letters=_NAME_LETTERS)
    message = text_at(tree, "message", letters=_MESSAGE_LETTERS) or text_at(
        tree, "note", letters=_MESSAGE_LETTERS
    )
    component = _first(tree, ("reportingComponent",), ("reportingController",), ("source", "component"),
                       ("deprecatedSource", "component"))  # fmt: skip
    counts = [dig(tree, *path) for path in (("series", "count"), ("count",), ("deprecatedCount",))]
    count = next((found for found in counts if isinstance(found, int) and 0 < found < 1 << 31), 1)
    uid = text_at(tree, "metadata", "uid", letters=_NAME_LETTERS)
    return KubernetesEvent(
        time_unix_nano=webhook.time_of(next(filter(None, (dig(tree, *path) for path in _TIMES)), None)),
        entity=entity_name(kind, namespace, name),
        kind=kind,
        namespace=namespace,
        name=name,
        severity_number=_severity(text_at(tree, "type", letters=40)),
        reason=reason,
        message=message,
        component=component,
        counted=count,
        uid=uid,
        version=text_at(tree, "metadata", "resourceVersion", letters=_NAME_LETTERS),
        attributes={
            "k8s.event.reason": reason,
            "k8s.event.uid": uid,
            "k8s.event.count": str(count),
            "k8s.event.component": component,
            "k8s.namespace.name": namespace,
            "k8s.object.kind": kind,
            "k8s.object.name": name,
            **_more(tree, about),
        },
    )


def _more(tree: Any, about: Any) -> dict[str, str]:
    """Attributes that are only passed on."""
    return {
        "k8s.event.action": text_at(tree, "action", letters=_NAME_LETTERS),
        "k8s.event.name": text_at(tree, "metadata", "name", letters=_NAME_LETTERS),
        "k8s.node.name": _first(tree, ("source", "host"), ("deprecatedSource", "host")),
        "k8s.object.uid": text_at(about, "uid", letters=_NAME_LETTERS),
        "k8s.object.fieldpath": text_at(about, "fieldPath", letters=_NAME_LETTERS),
        "k8s.object.api_version": text_at(about, "apiVersion", letters=_NAME_LETTERS),
    }


def _severity(type_: str) -> int:
    return 9 if type_ == "Normal" else severity_of(type_)


def _first(tree: Any, *paths: tuple[str, ...]) -> str:
    return next(filter(None, (text_at(tree, *path, letters=_NAME_LETTERS) for path in paths)), "")


def entity_name(kind: str, namespace: str, name: str) -> str:
    """The entity of an object: pods, nodes and services as other senders spell them, else with namespace.

    >>> entity_name("Pod", "shop", "cart-0"), entity_name("Deployment", "shop", "cart")
    ('pod:cart-0', 'deployment:shop/cart')
    """
    if not name:
        return UNKNOWN_ENTITY
    if kind in _COMMON:
        return entity_of({_COMMON[kind]: name})
    word = "".join(letter for letter in kind.lower() if "a" <= letter <= "z") or "object"
    return f"{word}:{namespace}/{name}" if namespace else f"{word}:{name}"
