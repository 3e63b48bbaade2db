"""The estate as a directed graph: who calls whom, what runs on what, and since when that is known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EdgeKind(StrEnum):
    """What an edge says of its two ends."""

    CALLS = "calls"  # seen in spans: the caller needs the callee
    RUNS_ON = "runs_on"  # seen in labels: the one is on the other and fails with it
    DECLARED = "declared"  # a person wrote it down; it means `calls`
    OWNS = "owns"  # told by Kubernetes: both are one workload under two names
    CONNECTS = "connects"  # seen on the network: the one talks to the other, again and again


# Edges whose caller is hit when the callee is in trouble; of these, the ones that are calls.
NEEDS = (EdgeKind.CALLS, EdgeKind.DECLARED, EdgeKind.RUNS_ON)
CALLS = (EdgeKind.CALLS, EdgeKind.DECLARED)


class NodeRole(StrEnum):
    """What place an entity has; it follows from the graph, from what spans say, or from a person.

    Never from its name: a service called `gateway` is one like any other.
    """

    ENTRY = "entry"  # nobody calls it, it calls others
    TRANSIT = "transit"  # nearly everything goes through it
    SERVICE = "service"
    STORE = "store"  # a database or a cache
    QUEUE = "queue"
    PLATFORM = "platform"  # others run on it, and it takes part in no call


@dataclass(frozen=True, slots=True)
class Edge:
    """One directed edge between root entities.

    Attributes:
        caller: who needs the other: the calling service, or what runs on the other; the owner; who connects.
        callee: who is needed: the called service, or the host; what is owned; who is connected to.
        kind: how it is known.
        first_unix_nano: when it was seen first; 0 when it was there before this process began, and for an
            edge that a person declared.
        last_unix_nano: when it was seen last; 0 when it was only declared.
    """

    caller: str
    callee: str
    kind: EdgeKind
    first_unix_nano: int
    last_unix_nano: int


@dataclass(frozen=True, slots=True)
class Node:
    """One root entity with its place in the graph. `declared`: a person gave it that role."""

    entity: str
    role: NodeRole
    declared: bool = False


@dataclass(frozen=True, slots=True)
class Topology:
    """The graph as it was at a moment: nodes by name, edges by caller, callee and kind."""

    time_unix_nano: int
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()


@dataclass(frozen=True, slots=True)
class DeclaredTopology:
    """What a person wrote down: roles by entity, and pairs of caller and callee."""

    roles: tuple[tuple[str, NodeRole], ...] = ()
    edges: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Reach:
    """Who is hit when some entities are in trouble.

    Attributes:
        dependents: how many other entities need them, directly or through others.
        entries: entry points among them and those that need them, by name, at most a few.
        complete: False when there are more than were looked at.
    """

    dependents: int = 0
    entries: tuple[str, ...] = ()
    complete: bool = True
