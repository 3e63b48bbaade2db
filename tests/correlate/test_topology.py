"""The topology: learnt from spans and labels, or declared; directed, with roles and a history; bounded."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.correlate.roles import held_by
from stormpetrel.correlate.topology import LiveTopology, TopologyLimits
from stormpetrel.model.columns import build_spans
from stormpetrel.model.signal import SeriesInfo, SpanBatch
from stormpetrel.model.time import from_seconds
from stormpetrel.model.topology import DeclaredTopology, EdgeKind, NodeRole

T0 = 1_700_000_000_000_000_000
HOUR, DAY = from_seconds(3600), from_seconds(86_400)


def spans(*rows: tuple[str, str, str], at: int = T0) -> SpanBatch:
    """(span id, parent span id, entity) of one trace."""
    return build_spans(
        [at] * len(rows),
        [at + 1] * len(rows),
        "call",
        ["t"] * len(rows),
        [row[0] for row in rows],
        parent_span_id=[row[1] for row in rows],
        entity=[row[2] for row in rows],
    )


def call(caller: str, callee: str, at: int = T0) -> SpanBatch:
    return spans((f"{caller}{at}", "", caller), (f"{callee}{at}", f"{caller}{at}", callee), at=at)


def out(entity: str, kind: int, name: str = "call", **said: Any) -> SpanBatch:
    """One span of an entity with attributes."""
    text = json.dumps({key.replace("__", "."): value for key, value in said.items()})
    return build_spans([T0], [T0], name, "t", ["s"], entity=entity, kind=kind, attributes=[text])


def series(number: int, entity: str, **labels: str) -> SeriesInfo:
    return SeriesInfo(number, "m", tuple(sorted(labels.items())), entity, "test")


def edges(topology: LiveTopology, at: int = T0) -> list[tuple[str, str, str]]:
    return [(edge.caller, edge.callee, edge.kind.value) for edge in topology.at(at).edges]


def roles(topology: LiveTopology, at: int = T0) -> dict[str, NodeRole]:
    return {node.entity: node.role for node in topology.at(at).nodes}


# ------------------------------------------------------------------------------- who has to do with whom


def test_parts_of_one_host_are_related_without_learning() -> None:
    assert LiveTopology().related("host:a/disk:sda", "host:a/filesystem:/")
    assert not LiveTopology().related("host:a", "host:b")


def test_a_call_relates_caller_and_callee_both_ways_and_nobody_else() -> None:
    topology = LiveTopology()
    topology.learn_spans(spans(("1", "", "service:web"), ("2", "1", "service:db"), ("3", "", "service:mail")))
    assert topology.related("service:web", "service:db")
    assert topology.related("service:db", "service:web")
    assert not topology.related("service:web", "service:mail")


def test_the_parent_may_come_in_an_earlier_batch_or_later_in_the_same() -> None:
    topology = LiveTopology()
    topology.learn_spans(spans(("1", "", "service:a")))
    topology.learn_spans(spans(("3", "2", "service:c"), ("2", "1", "service:b")))
    assert topology.related("service:a", "service:b")
    assert topology.related("service:b", "service:c")
    assert not topology.related("service:a", "service:c")


def test_labels_that_name_a_service_and_a_host_relate_them() -> None:
    topology = LiveTopology()
    topology.learn_series([series(1, "service:web", service="web", host="h1", job="shop")])
    assert topology.related("service:web", "host:h1/disk:sda")
    assert not topology.related("service:web", "job:shop")


def test_a_host_and_what_alone_runs_on_it_are_twins() -> None:
    topology = LiveTopology()
    topology.learn_series([series(1, "service:queue", service="queue", host="q1")])
    assert topology.twin("service:queue") == "host:q1"
    assert topology.twin("host:q1") == "service:queue"
    assert topology.twin("host:unheard") == ""
    topology.learn_series([series(2, "service:other", service="other", host="q1")])
    assert topology.twin("service:queue") == topology.twin("host:q1") == topology.twin("service:other") == ""


def test_a_service_on_two_hosts_has_no_twin() -> None:
    topology = LiveTopology()
    for host in ("h1", "h2"):
        topology.learn_series([series(len(host), "service:web", service="web", host=host)])
    assert topology.twin("service:web") == topology.twin("host:h1") == ""


def test_what_has_too_many_neighbours_relates_to_nothing_but_stays_in_the_graph() -> None:
    topology = LiveTopology(TopologyLimits(neighbours=3))
    for n in range(3):
        topology.learn_series([series(n, f"service:s{n}", service=f"s{n}", host="shared")], T0)
    assert topology.related("service:s0", "host:shared")
    assert list(topology.neighbours("service:s0")) == ["host:shared"]
    topology.learn_series([series(3, "service:s3", service="s3", host="shared")], T0)
    assert not topology.related("service:s0", "host:shared")
    assert list(topology.neighbours("service:s0")) == []
    assert list(topology.neighbours("host:shared")) == []
    assert len(edges(topology)) == 4


entity_names = st.sampled_from([f"service:{n}" for n in range(8)])


@given(st.lists(st.tuples(entity_names, entity_names), max_size=60), st.integers(1, 4))
def test_neighbours_are_exactly_those_that_are_related(pairs: list[tuple[str, str]], most: int) -> None:
    topology = LiveTopology(TopologyLimits(neighbours=most))
    for caller, callee in pairs:
        topology.learn_spans(call(caller, callee))
    everyone = [f"service:{n}" for n in range(8)]
    for one in everyone:
        told = set(topology.neighbours(one))
        assert len(told) <= most
        assert told == {other for other in everyone if other != one and topology.related(one, other)}


# -------------------------------------------------------------------------------- direction and history


def test_edges_have_a_direction() -> None:
    topology = LiveTopology()
    topology.learn_spans(call("service:web", "service:cart"))
    topology.learn_series(
        [
            series(1, "service:cart", service="cart", pod="cart-0"),
            series(2, "pod:cart-0", pod="cart-0", node="n1"),
            series(3, "host:n1", host="n1", instance="10.0.0.1:9100"),
        ],
        T0,
    )
    assert edges(topology) == [
        ("instance:10.0.0.1:9100", "host:n1", "runs_on"),
        ("pod:cart-0", "host:n1", "runs_on"),
        ("service:cart", "pod:cart-0", "runs_on"),
        ("service:web", "service:cart", "calls"),
    ]


def test_the_label_node_means_a_host_only_where_a_pod_is_named() -> None:
    topology = LiveTopology()
    topology.learn_series([series(1, "service:search", service="search", node="data-3")], T0)
    assert edges(topology) == []


def test_the_graph_of_a_moment_has_what_was_seen_by_then_and_not_long_before() -> None:
    topology = LiveTopology(TopologyLimits(fade_seconds=3600.0))
    topology.learn_spans(call("service:a", "service:b", T0))
    topology.learn_spans(call("service:a", "service:b", T0 + 2 * HOUR))
    topology.learn_spans(call("service:a", "service:c", T0 + 10 * HOUR))
    assert edges(topology, T0 - 1) == []
    assert edges(topology, T0 + HOUR) == [("service:a", "service:b", "calls")]
    assert edges(topology, T0 + 3 * HOUR) == [("service:a", "service:b", "calls")]
    assert edges(topology, T0 + 3 * HOUR + 1) == []
    assert edges(topology, T0 + 10 * HOUR) == [("service:a", "service:c", "calls")]
    (edge,) = topology.at(T0 + 2 * HOUR).edges
    assert (edge.first_unix_nano, edge.last_unix_nano) == (T0, T0 + 2 * HOUR)


def test_spans_that_come_late_make_an_edge_older_not_younger() -> None:
    topology = LiveTopology()
    topology.learn_spans(call("service:a", "service:b", T0))
    topology.learn_spans(call("service:a", "service:b", T0 - HOUR))
    (edge,) = topology.at(T0).edges
    assert (edge.first_unix_nano, edge.last_unix_nano) == (T0 - HOUR, T0)


def test_what_runs_on_what_is_there_as_long_as_one_of_its_series_speaks() -> None:
    topology = LiveTopology()
    told = [series(n, "service:web", service="web", host="h1") for n in range(3)]
    topology.learn_series(told)  # known before: nobody has seen it yet
    assert edges(topology) == []
    topology.refresh(np.array([0, T0, 5], np.int64))
    assert edges(topology) == [("service:web", "host:h1", "runs_on")]
    topology.refresh(np.array([0, T0, T0 + 3 * DAY], np.int64))
    assert edges(topology, T0 + 4 * DAY) == [("service:web", "host:h1", "runs_on")]
    assert edges(topology, T0 + 4 * DAY + 1) == []


# ------------------------------------------------------------------------------------------------ roles


def test_roles_follow_from_the_graph_and_not_from_names() -> None:
    topology = LiveTopology()
    topology.learn_spans(call("service:database", "service:entry"))  # names that mislead
    for callee in ("service:queue", "service:gateway", "service:web", "service:x"):
        topology.learn_spans(call("service:entry", callee))
    topology.learn_series([series(1, "service:x", service="x", host="h")], T0)
    assert roles(topology) == {
        "host:h": NodeRole.PLATFORM,
        "service:database": NodeRole.ENTRY,
        "service:entry": NodeRole.TRANSIT,
        "service:gateway": NodeRole.SERVICE,
        "service:queue": NodeRole.SERVICE,
        "service:web": NodeRole.SERVICE,
        "service:x": NodeRole.SERVICE,
    }


def test_what_can_be_passed_by_is_not_in_transit() -> None:
    topology = LiveTopology()
    topology.learn_spans(call("service:web", "service:gate"))
    for callee in ("service:a", "service:b", "service:c"):
        topology.learn_spans(call("service:gate", callee))
    assert roles(topology)["service:gate"] is NodeRole.TRANSIT
    for callee in ("service:a", "service:b", "service:c"):
        topology.learn_spans(call("service:web", callee))
    assert roles(topology)["service:gate"] is NodeRole.SERVICE


def test_calls_in_a_circle_without_an_entry_have_roles_too() -> None:
    topology = LiveTopology()
    for caller, callee in (("a", "b"), ("b", "c"), ("c", "a"), ("b", "b")):
        topology.learn_spans(call(f"service:{caller}", f"service:{callee}"))
    assert set(roles(topology).values()) == {NodeRole.SERVICE}


@given(st.lists(st.tuples(entity_names, entity_names), max_size=60))
def test_whoever_holds_others_is_passed_on_every_way_to_them(pairs: list[tuple[str, str]]) -> None:
    """`held_by` against its meaning: take an entity out, and see who can no longer be reached."""
    callees: dict[str, list[str]] = {}
    for caller, callee in pairs:
        callees.setdefault(caller, []).append(callee)
    called = {callee for _, callee in pairs}
    everyone = sorted(callees.keys() | called)

    def reached(sources: set[str], without: str) -> set[str]:
        seen = sources - {without}
        path = list(seen)
        while path:
            for one in callees.get(path.pop(), ()):
                if one not in seen and one != without:
                    seen.add(one)
                    path.append(one)
        return seen

    sources = set(everyone) - called
    for one in everyone:  # a circle that no entry leads into begins somewhere
        if one not in reached(sources, ""):
            sources.add(one)
    held = held_by(callees, called)
    for one in everyone:
        assert held[one] == len(everyone) - len(reached(sources, one)) - 1


def test_databases_and_queues_are_told_by_the_attributes_of_calling_spans() -> None:
    topology = LiveTopology()
    topology.learn_spans(out("service:cart", 3, db__system="postgresql", server__address="orders-db"))
    topology.learn_spans(out("service:cart", 3, db__system__name="redis", server__address="10.0.0.7"))
    topology.learn_spans(
        out("service:cart", 4, messaging__system="kafka", messaging__destination__name="paid")
    )
    topology.learn_spans(
        out("service:mail", 5, messaging__system="kafka", messaging__destination__name="paid")
    )
    topology.learn_spans(out("service:cart", 3, db__system="mysql", peer__service="legacy"))
    topology.learn_spans(out("service:db", 2, db__system="none of its own"))  # a receiving span says nothing
    found = roles(topology)
    assert found == {
        "database:orders-db": NodeRole.STORE,
        "database:redis": NodeRole.STORE,
        "queue:paid": NodeRole.QUEUE,
        "service:legacy": NodeRole.STORE,
        "service:cart": NodeRole.ENTRY,
        "service:mail": NodeRole.ENTRY,
    }


@pytest.mark.parametrize(
    "text", ["", "[]", "db.system", '{"db.system": 5}', '{"db.system": ""}', '"db.system"']
)
def test_attributes_that_say_nothing_usable_are_passed_over(text: str) -> None:
    topology = LiveTopology()
    topology.learn_spans(
        build_spans([T0], [T0], "c", "t", ["s"], entity="service:a", kind=3, attributes=[text])
    )
    assert len(topology) == 0


# --------------------------------------------------------------------------------------------- declared


def test_what_a_person_declared_is_always_there_and_its_roles_stand() -> None:
    declared = DeclaredTopology(
        roles=(("service:shop", NodeRole.QUEUE), ("service:alone", NodeRole.ENTRY)),
        edges=(("service:shop", "service:cart"),),
    )
    topology = LiveTopology(declared=declared)
    assert edges(topology, 1) == [("service:shop", "service:cart", "declared")]
    assert roles(topology, 1) == {
        "service:alone": NodeRole.ENTRY,
        "service:cart": NodeRole.SERVICE,
        "service:shop": NodeRole.QUEUE,
    }
    assert topology.related("service:cart", "service:shop/part:x")


def test_more_declared_than_fits_is_an_error() -> None:
    declared = DeclaredTopology(edges=tuple((f"service:{n}", f"service:{n + 1}") for n in range(10)))
    with pytest.raises(ValueError, match="too many"):
        LiveTopology(TopologyLimits(entities=12), declared)


# --------------------------------------------------------------------------------------------- reaching


def test_reach_goes_against_the_calls_up_to_the_entries() -> None:
    topology = LiveTopology()
    for caller, callee in (("web", "cart"), ("app", "cart"), ("cart", "stock"), ("web", "mail")):
        topology.learn_spans(call(f"service:{caller}", f"service:{callee}"))
    topology.learn_series([series(1, "service:stock", service="stock", host="h")], T0)
    reach = topology.reach(["host:h/disk:sda"], T0)
    assert (reach.dependents, reach.entries) == (4, ("service:app", "service:web"))
    assert reach.complete
    assert topology.reach(["service:mail"], T0).entries == ("service:web",)
    assert topology.reach(["service:web"], T0).dependents == 0
    assert topology.reach(["service:web"], T0).entries == ("service:web",)
    assert topology.reach(["host:h"], T0 + 3 * DAY).dependents == 0
    assert topology.reach(["service:never-seen"], T0).dependents == 0


def test_reach_stops_after_enough_and_says_so() -> None:
    topology = LiveTopology()
    rows = [("hub", "", "service:hub")]
    for n in range(2_500):
        rows += [(f"c{n}", "", f"service:c{n}"), (f"h{n}", f"c{n}", "service:hub")]
    topology.learn_spans(spans(*rows))
    reach = topology.reach(["service:hub"], T0)
    assert not reach.complete
    assert reach.dependents >= 2_000
    assert len(reach.entries) <= 5


# ---------------------------------------------------------------------------------------------- bounds


def test_memory_is_bounded_and_the_longest_unseen_goes_first() -> None:
    topology = LiveTopology(TopologyLimits(entities=10, spans=10, edges=4))
    for n in range(100):
        topology.learn_series([series(n, f"service:s{n}", service=f"s{n}", host=f"h{n}")])
        topology.learn_spans(spans((f"a{n}", "", f"service:x{n}"), (f"b{n}", f"a{n}", f"service:y{n}")))
    assert len(topology) <= 10
    assert len(topology._span_entity) <= 10
    assert topology.related("service:x99", "service:y99")
    assert not topology.related("service:x90", "service:y90")
    assert len(edges(topology)) <= 4


@given(st.lists(st.tuples(entity_names, entity_names), max_size=200))
def test_forgetting_leaves_no_loose_ends(pairs: list[tuple[str, str]]) -> None:
    declared = DeclaredTopology(edges=(("service:0", "service:1"),))
    topology = LiveTopology(TopologyLimits(entities=5, edges=4), declared)
    for caller, callee in pairs:
        topology.learn_spans(call(caller, callee))
        held = {(key[0], key[1]) for key in topology._edges}
        needs = {(one, other) for one, ends in topology._entities.items() for other in ends.needs}
        needed = {(other, one) for one, ends in topology._entities.items() for other in ends.needed_by}
        assert held == needs == needed
        assert len(topology) <= 5
        assert len(topology._edges) <= 4
        assert ("service:0", "service:1", EdgeKind.DECLARED) in topology._edges
