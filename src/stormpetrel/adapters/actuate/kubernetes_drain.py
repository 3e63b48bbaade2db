"""Draining a node: every pod that a controller starts again elsewhere is evicted, within disruption budgets.

What `kubectl drain` refuses without a flag is refused here: pods that no controller owns, which would be gone
for good, and pods with local storage. Pods of daemon sets, mirror pods and finished ones stay.
"""

from __future__ import annotations

import threading
from typing import Any

from stormpetrel.adapters.actuate.base import Deadline, NotDoneError
from stormpetrel.adapters.actuate.kubernetes_api import Cluster, RefusedError
from stormpetrel.errors import ActuatorError

_POLL_SECONDS = 0.25
_MIRROR = "kubernetes.io/config.mirror"


def remaining(cluster: Cluster, node: str, local_storage: bool, deadline: Deadline) -> list[dict[str, Any]]:
    """The pods that a drain has to evict.

    Raises:
        NotDoneError: one of them would be lost, or loses its local storage where `local_storage` is False.
    """
    found = []
    for pod in cluster.pods_on(node, deadline):
        owner = next(
            (one for one in pod["metadata"].get("ownerReferences") or () if one.get("controller")), None
        )
        if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
            continue
        if _MIRROR in (pod["metadata"].get("annotations") or {}) or (owner or {}).get("kind") == "DaemonSet":
            continue
        name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        if owner is None:
            raise NotDoneError(f"the pod {name} has no controller, and would be gone for good")
        if not local_storage and any("emptyDir" in one for one in pod["spec"].get("volumes") or ()):
            raise NotDoneError(f"the pod {name} has local storage; allow it by drain_local_storage")
        found.append(pod)
    return found


def drain(cluster: Cluster, node: str, local_storage: bool, deadline: Deadline) -> int:
    """Evict until no pod remains; how many were.

    Raises:
        ActuatorError: disruption budgets or slow pods did not let it end in time; the node stays cordoned.
    """
    evicted: set[str] = set()
    remain = 0
    try:
        while pods := remaining(cluster, node, local_storage, deadline):
            remain = len(pods)
            for pod in pods:
                uid = pod["metadata"]["uid"]
                leaving = uid in evicted or pod["metadata"].get("deletionTimestamp")
                if not leaving and _evicted(cluster, pod, deadline):
                    evicted.add(uid)
                    remain -= 1
            deadline.check()
            threading.Event().wait(_POLL_SECONDS)
    except ActuatorError as error:  # the node is cordoned by now: this is no longer "nothing was done"
        said = f"cordoned, {len(evicted)} pods evicted, {remain} remain: {error}"
        raise ActuatorError(said) from None
    return len(evicted)


def _evicted(cluster: Cluster, pod: dict[str, Any], deadline: Deadline) -> bool:
    """Whether it is on its way out; False while a disruption budget does not allow it."""
    try:
        cluster.evict(pod, deadline)
    except RefusedError as refusal:
        if refusal.status == 429:
            return False
        if refusal.status != 404:
            raise
    return True
