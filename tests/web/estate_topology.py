"""The estate's topology; partly hostile."""

from __future__ import annotations

from tests.web import content

from stormpetrel.model.topology import Edge, EdgeKind, Node, NodeRole, Topology

SINCE = content.NOW - 86_400_000_000_000


class TopologyEstate:
    """One part of the `Service` protocol, deterministic: the edge to the database is an hour old."""

    empty = False

    def topology(self, time_unix_nano: int) -> Topology:
        if self.empty:
            return Topology(time_unix_nano)
        nodes = (
            Node("database:orders", NodeRole.STORE),
            Node(f"service:{content.HOSTILE}", NodeRole.SERVICE),
            Node("service:shop", NodeRole.ENTRY, declared=True),
        )
        edges = (
            Edge("service:shop", f"service:{content.HOSTILE}", EdgeKind.DECLARED, 0, 0),
            Edge(
                "service:shop",
                "database:orders",
                EdgeKind.CALLS,
                content.NOW - 3_600_000_000_000,
                content.NOW,
            ),
        )
        shown = tuple(edge for edge in edges if edge.first_unix_nano <= time_unix_nano)
        return Topology(time_unix_nano, nodes, shown)
