"""One workload under several names: a Deployment, its ReplicaSets, their pods, and the service they are."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

Ask = Callable[[str], Sequence[str]]
_HIGHEST = 8  # owners above one another, at most


def workload_of(root: str, owners: Ask, owned: Ask, most: int) -> list[str]:
    """The others of an entity's workload: up to its outermost owner, and all that this one owns.

    What has several owners (a service that two Deployments serve, pods of one name in two namespaces) is
    nobody's: it ends the way up, and is met by no way down, so that the answer is the same from either end.

    Args:
        root: the entity.
        owners: who owns an entity.
        owned: what an entity owns, in a fixed order.
        most: of a workload with more others than that nobody is named; it says as little as a shared host.

    >>> own = {"deployment:d": ["replicaset:r"], "replicaset:r": ["pod:1", "pod:2"]}
    >>> by = {"replicaset:r": ["deployment:d"], "pod:1": ["replicaset:r"], "pod:2": ["replicaset:r"]}
    >>> workload_of("pod:1", lambda one: by.get(one, []), lambda one: own.get(one, []), 50)
    ['deployment:d', 'replicaset:r', 'pod:2']
    """
    top, climbed = root, {root}
    for _ in range(_HIGHEST):
        above = owners(top)
        if len(above) != 1 or above[0] in climbed:
            break
        top = above[0]
        climbed.add(top)
    found = {top: None}
    queue = deque([top])
    while queue:
        for one in owned(queue.popleft()):
            if one not in found and len(owners(one)) == 1:
                found[one] = None
                queue.append(one)
                if len(found) > most + 1:
                    return []
    return [one for one in found if one != root] if root in found else []
