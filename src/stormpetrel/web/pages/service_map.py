"""The service map: who calls whom, what is in trouble, and who is hit by it, now or at an earlier moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from fastapi import Query, Request
from starlette.responses import Response

from stormpetrel.model.incident import Incident, IncidentLine, IncidentState
from stormpetrel.model.resource import root_of
from stormpetrel.model.time import NANOS_PER_SECOND
from stormpetrel.model.topology import NEEDS, Edge, EdgeKind, NodeRole, Topology
from stormpetrel.web.access import guarded_router
from stormpetrel.web.site import SiteOf

router = guarded_router()

MOST_NODES, MOST_DEPTH, LONGEST_MINUTES = 120, 8, 1440
_INCIDENTS = 500
_UNRESOLVED = tuple(one for one in IncidentState if one is not IncidentState.RESOLVED)
_ACROSS, _DOWN, _WIDE, _HIGH, _MARGIN = 250, 62, 196, 44, 20


@dataclass(frozen=True, slots=True)
class Placed:
    """One entity on the map.

    Attributes:
        role: "" where it is in trouble and the topology does not know it.
        state: "trouble", "hit" (it needs something in trouble), or "quiet": no incident is about it, which
            says nothing of how it is: what is silent is quiet too.
    """

    entity: str
    role: NodeRole | Literal[""]
    state: str
    x: int
    y: int
    incidents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Line:
    """One edge on the map, from border to border. `hot`: what is needed at its end is in trouble."""

    caller: str
    callee: str
    kind: EdgeKind
    x1: int
    y1: int
    x2: int
    y2: int
    hot: bool


@dataclass(frozen=True, slots=True)
class Drawing:
    """The map, and how much of the estate is not on it, in all and of what is in trouble."""

    nodes: tuple[Placed, ...]
    lines: tuple[Line, ...]
    width: int
    height: int
    left_out: int
    left_in_trouble: int


@router.get("/map")
def service_map(
    request: Request, site: SiteOf, back: Annotated[int, Query(ge=0, le=LONGEST_MINUTES)] = 0
) -> Response:
    """The map as it was `back` minutes ago."""
    now = site.service.now_unix_nano()
    at = now - back * 60 * NANOS_PER_SECOND
    topology = site.service.topology(at)
    # Those that are not over first: of thousands that are, an old one must not push out what lasts.
    lines = [*site.service.list_incident_lines(_UNRESOLVED, "", _INCIDENTS, 0),
             *site.service.list_incident_lines((), "", _INCIDENTS, 0)]  # fmt: skip
    incidents = [one for one in {one.incident_id: one for one in lines}.values() if lasted(one, at)]
    drawing = draw(topology, incidents)
    calls: dict[str, list[str]] = defaultdict(list)
    beside: dict[str, list[str]] = defaultdict(list)
    for edge in topology.edges:
        if edge.kind in NEEDS:
            calls[edge.caller].append(edge.callee)
        else:
            beside[edge.caller].append(f"{edge.kind.value} {edge.callee}")
    context = {
        "drawing": drawing, "back": back, "at": at, "longest": LONGEST_MINUTES, "calls": calls,
        "beside": beside, "entities": len(drawing.nodes) + drawing.left_out,
        "known": bool(topology.nodes), "wide": _WIDE, "high": _HIGH,
    }  # fmt: skip
    return site.page(request, "service_map.html", context)


def lasted(incident: Incident | IncidentLine, at: int) -> bool:
    """Whether an incident had begun and was not over at a moment."""
    return incident.start_unix_nano <= at and not 0 < incident.resolved_unix_nano <= at


def draw(topology: Topology, incidents: Sequence[Incident | IncidentLine]) -> Drawing:
    """Columns from those that nobody calls to those that call nobody.

    What is in trouble comes first, also where the topology does not know it: of more than `MOST_NODES` of
    those, it is told how many are left out.
    """
    troubled = _troubled(incidents)
    hit = _needing(topology.edges, set(troubled))
    busy: dict[str, int] = defaultdict(int)  # pods and who merely connects come last
    for edge in topology.edges:
        if edge.kind in NEEDS:
            busy[edge.caller] += 1
            busy[edge.callee] += 1
    roles = {one.entity: one.role for one in topology.nodes}
    order = sorted(
        roles.keys() | troubled.keys(), key=lambda one: (one not in troubled, one not in hit, -busy[one], one)
    )
    shown = order[:MOST_NODES]
    depth = depths(topology.edges, set(shown))
    rows: dict[int, int] = defaultdict(int)
    nodes: dict[str, Placed] = {}
    for one in sorted(shown, key=lambda one: (depth[one], roles.get(one) is NodeRole.PLATFORM, one)):
        column = depth[one]
        state = "trouble" if one in troubled else "hit" if one in hit else "quiet"
        nodes[one] = Placed(
            one, roles.get(one, ""), state,
            _MARGIN + column * _ACROSS, _MARGIN + rows[column] * _DOWN,
            tuple(troubled.get(one, ())),
        )  # fmt: skip
        rows[column] += 1
    lines = [
        _line(edge, nodes, troubled)
        for edge in topology.edges
        if edge.caller in nodes and edge.callee in nodes
    ]
    return Drawing(
        tuple(nodes.values()),
        tuple(lines),
        2 * _MARGIN + max((one.x for one in nodes.values()), default=0) + _WIDE,
        2 * _MARGIN + max((one.y for one in nodes.values()), default=0) + _HIGH,
        len(order) - len(shown),
        len(troubled.keys() - nodes.keys()),
    )


def _troubled(incidents: Sequence[Incident | IncidentLine]) -> dict[str, list[str]]:
    """The ids of the incidents about each root entity."""
    found: dict[str, list[str]] = defaultdict(list)
    for incident in incidents:
        for root in {root_of(entity) for entity in incident.entities}:
            found[root].append(incident.incident_id)
    return found


def _line(edge: Edge, nodes: Mapping[str, Placed], troubled: Mapping[str, object]) -> Line:
    start, end = nodes[edge.caller], nodes[edge.callee]
    forward = end.x > start.x
    return Line(
        edge.caller, edge.callee, edge.kind,
        start.x + (_WIDE if forward else 0), start.y + _HIGH // 2,
        end.x + (0 if forward else _WIDE), end.y + _HIGH // 2,
        edge.callee in troubled and edge.kind in NEEDS,
    )  # fmt: skip


def depths(edges: Sequence[Edge], entities: set[str]) -> dict[str, int]:
    """How many steps below the outermost caller each entity lies, at most `MOST_DEPTH`; circles end there."""
    found = dict.fromkeys(entities, 0)
    for _ in range(MOST_DEPTH):
        moved = False
        for edge in edges:
            if edge.caller in found and edge.callee in found and edge.caller != edge.callee:
                below = min(found[edge.caller] + 1, MOST_DEPTH)
                if below > found[edge.callee]:
                    found[edge.callee] = below
                    moved = True
        if not moved:
            break
    return found


def _needing(edges: Sequence[Edge], troubled: set[str]) -> set[str]:
    """Who needs something in trouble, directly or through others."""
    callers: dict[str, list[str]] = defaultdict(list)
    for edge in edges:
        if edge.kind in NEEDS:
            callers[edge.callee].append(edge.caller)
    found: set[str] = set()
    todo = list(troubled)
    while todo:
        for caller in callers.get(todo.pop(), ()):
            if caller not in found and caller not in troubled:
                found.add(caller)
                todo.append(caller)
    return found
