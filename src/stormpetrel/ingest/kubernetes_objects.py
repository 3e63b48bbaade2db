"""Objects of Kubernetes that own one another, as its API server writes them: read for who owns them.

Specification: `metadata.ownerReferences`,
https://kubernetes.io/docs/concepts/overview/working-with-objects/owners-dependents/.
"""

from __future__ import annotations

from typing import Any

from stormpetrel.ingest.kubernetes_events_object import KubernetesEvent, entity_name
from stormpetrel.ingest.webhook import Webhook
from stormpetrel.ingest.webhook_values import RowRefusedError, dig, shown, text_at

KINDS = ("Pod", "ReplicaSet", "Deployment", "StatefulSet", "DaemonSet", "Job", "CronJob")
_LETTERS = 256
_INFO = 9


def is_object(tree: Any) -> bool:
    """Whether this is an object of one of `KINDS`, and no event about one."""
    return dig(tree, "kind") in KINDS and isinstance(dig(tree, "metadata"), dict)


def read_object(tree: Any, webhook: Webhook) -> KubernetesEvent:
    """An object as what is told of it now: its phase, its owner, its node.

    Its time is that of the request: an object says how things are. Its owner is the controller among its
    owners.

    Raises:
        RowRefusedError: `no_name`.
    """
    kind, name = str(tree["kind"]), text_at(tree, "metadata", "name", letters=_LETTERS)
    if not name:
        raise RowRefusedError("no_name", f"a {kind} without metadata.name: {shown(tree)}")
    namespace = text_at(tree, "metadata", "namespace", letters=_LETTERS)
    owner = _owner(dig(tree, "metadata", "ownerReferences"))
    owner_kind, owner_name = (text_at(owner, part, letters=_LETTERS) for part in ("kind", "name"))
    node = text_at(tree, "spec", "nodeName", letters=_LETTERS)
    phase = text_at(tree, "status", "phase", letters=40)
    uid = text_at(tree, "metadata", "uid", letters=_LETTERS)
    told = [f"{kind} {name}", phase, f"owned by {owner_kind} {owner_name}" if owner_name else ""]
    return KubernetesEvent(
        time_unix_nano=webhook.received_unix_nano,
        entity=entity_name(kind, namespace, name),
        kind=kind,
        namespace=namespace,
        name=name,
        severity_number=_INFO,
        reason="",
        message=", ".join([*filter(None, told), *([f"on {node}"] if node else [])]),
        component="",
        counted=1,
        uid=uid,
        version=text_at(tree, "metadata", "resourceVersion", letters=_LETTERS),
        attributes={
            "k8s.namespace.name": namespace,
            "k8s.node.name": node,
            "k8s.object.kind": kind,
            "k8s.object.name": name,
            "k8s.object.uid": uid,
            "k8s.owner.kind": owner_kind,
            "k8s.owner.name": owner_name,
        },
    )


def _owner(references: Any) -> Any:
    """Its controller, else the first of its owners."""
    owners = [one for one in references if isinstance(one, dict)] if isinstance(references, list) else []
    return next((one for one in owners if one.get("controller") is True), owners[0] if owners else None)
