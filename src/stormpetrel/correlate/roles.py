"""The place of each entity in the graph of calls: entry, transit, store, queue, service or platform."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from stormpetrel.model.topology import CALLS, Edge, EdgeKind, NodeRole

# Whoever has fewer callees hands on to somebody, not to everybody.
LEAST_CALLEES = 3
# Of what is reachable, the share that can only be reached through an entity in transit.
TRANSIT_SHARE = 0.5

Graph = Mapping[str, Sequence[str]]


def roles_of(
    entities: Iterable[str], edges: Sequence[Edge], said: Mapping[str, NodeRole]
) -> dict[str, NodeRole]:
    """The role of every entity.

    What a person declared, or spans say (a database, a queue), stands. Of the rest: who is called by nobody
    and calls is an entry; who is called, has three callees at least and must be passed on the way to half
    of all that is reachable is in transit; who takes part in no call and carries others is a platform; all
    others are services, those that call nobody too: a graph alone cannot tell a store from a small service.

    Args:
        entities: all of them.
        edges: all edges between them.
        said: roles that are known otherwise.

    Cost: O(edges), a few rounds of it where calls run in circles.
    """
    callees: dict[str, list[str]] = {}
    called: set[str] = set()
    carriers: set[str] = set()
    for edge in edges:
        if edge.kind is EdgeKind.RUNS_ON:
            carriers.add(edge.callee)
        elif edge.kind in CALLS:
            callees.setdefault(edge.caller, []).append(edge.callee)
            called.add(edge.callee)
    held = held_by(callees, called)
    reachable = len(callees.keys() | called)
    roles: dict[str, NodeRole] = {}
    for entity in entities:
        calls = len(set(callees.get(entity, ())))
        if entity in said:
            roles[entity] = said[entity]
        elif calls and entity not in called:
            roles[entity] = NodeRole.ENTRY
        elif calls >= LEAST_CALLEES and held.get(entity, 0) >= TRANSIT_SHARE * (reachable - 1):
            roles[entity] = NodeRole.TRANSIT
        elif entity in carriers and not calls and entity not in called:
            roles[entity] = NodeRole.PLATFORM
        else:
            roles[entity] = NodeRole.SERVICE
    return roles


def held_by(callees: Graph, called: set[str]) -> dict[str, int]:
    """How many others can only be reached from the entries through each entity.

    These are the sizes of the subtrees of the dominator tree, by the iteration of Cooper, Harvey and
    Kennedy, *A Simple, Fast Dominance Algorithm* (2001), from a root above all entries.

    >>> held_by({"web": ["gate"], "gate": ["a", "b"], "a": ["b"]}, {"gate", "a", "b"})["gate"]
    2
    """
    order, starts = _postorder(callees, called)
    number = {entity: place for place, entity in enumerate(order)}  # the root is len(order)
    root = len(order)
    callers: list[list[int]] = [[] for _ in order]
    for caller, others in callees.items():
        for callee in others:
            callers[number[callee]].append(number[caller])
    for place, entity in enumerate(order):
        if entity in starts:
            callers[place].append(root)
    above = _dominators(callers, root)
    below = [0] * (root + 1)
    for place in range(root):  # in postorder whoever is above comes later
        below[above[place]] += below[place] + 1
    return {entity: below[place] for place, entity in enumerate(order)}


def _dominators(callers: list[list[int]], root: int) -> list[int]:
    """The immediate dominator of each number in postorder."""
    above = [-1] * root + [root]
    changed = True
    while changed:
        changed = False
        for place in range(root - 1, -1, -1):
            best = -1
            for caller in callers[place]:
                if above[caller] >= 0:
                    best = caller if best < 0 else _meet(above, best, caller)
            if above[place] != best:
                above[place], changed = best, True
    return above


def _meet(above: list[int], left: int, right: int) -> int:
    while left != right:
        while left < right:
            left = above[left]
        while right < left:
            right = above[right]
    return left


def _postorder(callees: Graph, called: set[str]) -> tuple[list[str], set[str]]:
    """Every entity of the call graph, each after those it calls, and where one has to begin to meet all.

    That is at the entries, and somewhere in each circle that no entry leads into. Without recursion, in a
    fixed order.
    """
    everyone = sorted(callees.keys() | called)
    first = [entity for entity in everyone if entity not in called]
    starts: set[str] = set()
    seen: set[str] = set()
    order: list[str] = []
    for start in [*first, *everyone]:
        if start in seen:
            continue
        seen.add(start)
        starts.add(start)
        path = [(start, iter(sorted(set(callees.get(start, ())))))]
        while path:
            entity, rest = path[-1]
            following = next((one for one in rest if one not in seen), None)
            if following is None:
                order.append(entity)
                path.pop()
            else:
                seen.add(following)
                path.append((following, iter(sorted(set(callees.get(following, ()))))))
    return order, starts
