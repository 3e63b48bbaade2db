"""The service map: columns, trouble and who needs it, and circles."""

from __future__ import annotations

import dataclasses

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.web import content
from tests.web.estate import Estate
from tests.web.serve import run, sign_in

from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.topology import Edge, EdgeKind, Node, NodeRole, Topology
from stormpetrel.web.pages.service_map import MOST_DEPTH, MOST_NODES, depths, draw, lasted


def edge(caller: str, callee: str) -> Edge:
    return Edge(caller, callee, EdgeKind.CALLS, 0, 1)


def about(*entities: str) -> Incident:
    return dataclasses.replace(content.INCIDENTS[0], entities=entities)


def topology(*edges: Edge) -> Topology:
    names = sorted({name for one in edges for name in (one.caller, one.callee)})
    return Topology(1, tuple(Node(name, NodeRole.SERVICE) for name in names), edges)


def test_what_is_in_trouble_marks_who_needs_it_and_no_other() -> None:
    entity = content.INCIDENTS[0].entities[0]
    graph = topology(
        edge("service:web", entity), edge("service:app", "service:web"), edge(entity, "service:below")
    )
    drawing = draw(graph, [about(entity)])
    states = {node.entity: node.state for node in drawing.nodes}
    assert states == {entity: "trouble", "service:web": "hit", "service:app": "hit", "service:below": "quiet"}
    assert [line.callee for line in drawing.lines if line.hot] == [entity]
    at = {node.entity: node.x for node in drawing.nodes}
    assert at["service:app"] < at["service:web"] < at[entity] < at["service:below"]


def test_who_is_of_one_workload_or_connected_is_beside_it_and_not_hit() -> None:
    entity = content.INCIDENTS[0].entities[0]
    graph = topology(
        Edge("deployment:a/web", entity, EdgeKind.OWNS, 0, 1),
        Edge("host:other", entity, EdgeKind.CONNECTS, 0, 1),
    )
    drawing = draw(graph, [about(entity)])
    assert [node.state for node in drawing.nodes if node.entity != entity] == ["quiet", "quiet"]
    assert not any(line.hot for line in drawing.lines)


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=60))
@settings(deadline=None)
def test_circles_and_anything_else_are_drawn_within_bounds(pairs: list[tuple[int, int]]) -> None:
    graph = topology(*(edge(f"service:{a}", f"service:{b}") for a, b in pairs))
    found = depths(graph.edges, {node.entity for node in graph.nodes})
    assert all(0 <= depth <= MOST_DEPTH for depth in found.values())
    drawing = draw(graph, [])
    assert len({(node.x, node.y) for node in drawing.nodes}) == len(drawing.nodes)


def test_a_large_estate_is_cut_and_says_so() -> None:
    graph = topology(*(edge("service:hub", f"service:{k}") for k in range(MOST_NODES + 30)))
    drawing = draw(graph, [])
    assert len(drawing.nodes) == MOST_NODES
    assert (drawing.left_out, drawing.left_in_trouble) == (31, 0)


def test_what_is_in_trouble_is_drawn_also_where_the_topology_does_not_know_it() -> None:
    graph = topology(edge("service:web", "service:app"))
    drawing = draw(graph, [about("host:lonely/disk:x", "service:app")])
    found = {node.entity: (node.role, node.state) for node in drawing.nodes}
    assert found["host:lonely"] == ("", "trouble")
    assert found["service:app"] == (NodeRole.SERVICE, "trouble")
    assert (len(found), drawing.left_out) == (3, 0)


def test_where_more_are_in_trouble_than_are_drawn_it_is_told_how_many() -> None:
    graph = topology(*(edge("service:hub", f"service:{k}") for k in range(MOST_NODES)))
    drawing = draw(graph, [about(*(f"host:{k}" for k in range(MOST_NODES + 5)))])
    assert {node.state for node in drawing.nodes} == {"trouble"}
    assert (drawing.left_out, drawing.left_in_trouble) == (MOST_NODES + 6, 5)


def test_the_page_does_not_call_well_what_nobody_knows_of(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = Estate()
    many = about(*(f"host:{k}" for k in range(MOST_NODES + 5)), f"host:{content.HOSTILE}")
    estate.incidents = {
        many.incident_id: dataclasses.replace(many, state=IncidentState.OPEN, resolved_unix_nano=0)
    }
    monkeypatch.setattr(estate, "topology", lambda _at: topology(edge("service:web", "service:app")))

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        page = (await client.get("/map")).text
        assert "128 entities, 8 of them not drawn, 6 of those in trouble" in page
        assert "not in the topology, in trouble" in page
        legend = page.split('class="legend">')[1].split("</p>")[0]
        assert "what is silent is drawn so too" in legend
        assert "#i-healthy" not in legend
        assert "<script>window.owned" not in page

    run(test, estate)


def test_an_incident_lasts_from_its_start_until_it_is_resolved() -> None:
    one = content.INCIDENTS[0]
    assert not lasted(one, one.start_unix_nano - 1)
    assert lasted(one, one.start_unix_nano)


def test_of_thousands_that_are_over_none_pushes_out_what_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    estate = Estate()
    old = dataclasses.replace(
        content.INCIDENTS[0], state=IncidentState.OPEN, resolved_unix_nano=0, start_unix_nano=content.NOW // 2
    )
    over = dataclasses.replace(content.INCIDENTS[0], state=IncidentState.RESOLVED)
    estate.incidents = {f"r{n}": dataclasses.replace(over, incident_id=f"r{n}") for n in range(2000)}
    estate.incidents[old.incident_id] = old
    graph = topology(edge("service:web", old.entities[0]))
    monkeypatch.setattr(estate, "topology", lambda _at: graph)

    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        page = (await client.get("/map")).text
        assert f'href="/incidents/{old.incident_id}" class="node map-trouble"' in page

    run(test, estate)


def test_the_page_and_its_past() -> None:
    async def test(client: httpx.AsyncClient) -> None:
        await sign_in(client, "vera")
        page = (await client.get("/map")).text
        assert "Service map" in page
        assert (await client.get("/map?back=60")).status_code == 200
        assert (await client.get("/map?back=-1")).status_code in (400, 422)
        assert "<script>window.owned" not in page

    run(test)
