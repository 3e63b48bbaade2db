"""Connections: flows say which hosts talk to one another again and again, whoever tells it and how."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.correlate.test_topology import DAY, T0, edges, roles, series

from stormpetrel.correlate.connections import ConnectionLimits, Connections
from stormpetrel.correlate.topology import LiveTopology, TopologyLimits
from stormpetrel.model.columns import build_logs
from stormpetrel.model.record_columns import build_flows
from stormpetrel.model.records import FlowBatch
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.model.time import from_seconds

MINUTE = from_seconds(60)
WEB, DB = "10.0.0.1", "10.0.0.2"


def flow(source: str, destination: str, at: int = T0, **more: Any) -> FlowBatch:
    """A flow to PostgreSQL that both ends sent bytes in."""
    rest = {"source_port": 40_000, "destination_port": 5432, "protocol": 6, "bytes_received": 9, **more}
    return build_flows([at], [at], source, destination, source="t", **rest)


def lasting(topology: LiveTopology, source: str, destination: str, **more: Any) -> None:
    for minute in (0, 5):
        topology.learn_flows(flow(source, destination, T0 + minute * MINUTE, **more))


def later(topology: LiveTopology) -> list[tuple[str, str, str]]:
    return edges(topology, T0 + 5 * MINUTE)


def test_hosts_that_talk_for_minutes_are_connected_and_needed_by_nobody() -> None:
    topology = LiveTopology()
    topology.learn_flows(flow(WEB, DB))
    topology.learn_flows(flow(WEB, DB, T0 + 5 * MINUTE - 1))
    assert later(topology) == []
    topology.learn_flows(flow(WEB, DB, T0 + 5 * MINUTE))
    assert later(topology) == [("host:10.0.0.1", "host:10.0.0.2", "connects")]
    assert topology.related("host:10.0.0.2/disk:sda", "host:10.0.0.1")
    assert topology.reach(["host:10.0.0.2"], T0).dependents == 0
    assert {role.value for role in roles(topology, T0 + 5 * MINUTE).values()} == {"service"}
    assert edges(topology, T0 + 2 * DAY) == []


def test_who_was_not_answered_is_connected_to_nobody() -> None:
    topology = LiveTopology()
    lasting(topology, WEB, DB, bytes_received=0)
    assert later(topology) == []


def test_records_of_one_direction_each_are_one_connection() -> None:
    topology = LiveTopology()
    lasting(topology, WEB, DB, bytes_received=0)
    lasting(topology, DB, WEB, bytes_received=0, source_port=5432, destination_port=40_000)
    assert later(topology) == [("host:10.0.0.1", "host:10.0.0.2", "connects")]


def test_ports_of_nobody_pings_and_the_outside_say_nothing() -> None:
    topology = LiveTopology()
    lasting(topology, WEB, DB, bytes_received=0, destination_port=50_000)
    lasting(topology, WEB, DB, protocol=1)
    for other in ("8.8.8.8", "127.0.0.1", "224.0.0.1", "fe80::1", "", "no address"):
        lasting(topology, WEB, other)
        lasting(topology, other, DB)
    assert later(topology) == []


def test_an_address_is_written_as_the_host_that_has_it() -> None:
    topology = LiveTopology()
    lasting(topology, WEB, DB, entity="host:web-1", attributes='{"local":"source"}')
    labels = (("instance", "10.0.0.2:9100"), ("nodename", "db-1"))
    topology.learn_series([SeriesInfo(1, "node_uname_info", labels, "host:db-1", "t")], T0)
    said = '{"resource.host.name":"cache-1","resource.host.ip":["10.0.0.3","fe80::9"]}'
    topology.learn_hosts(build_logs([T0], ["x"], source="t", attributes=[said]))
    topology.learn_flows(flow(WEB, DB, T0 + 6 * MINUTE))
    lasting(topology, WEB, "10.0.0.3")
    assert [edge[:2] for edge in edges(topology, T0 + 6 * MINUTE) if edge[2] == "connects"] == [
        ("host:web-1", "host:10.0.0.2"),
        ("host:web-1", "host:cache-1"),
        ("host:web-1", "host:db-1"),
    ]


def test_a_host_outside_that_is_known_counts_and_an_address_of_many_does_not() -> None:
    topology = LiveTopology()
    lasting(topology, "8.8.8.8", DB, entity="host:edge", attributes='{"local":"source"}')
    for host in ("a", "b", "c"):
        lasting(topology, "172.17.0.1", DB, entity=f"host:{host}", attributes='{"local":"source"}')
    assert later(topology)[-1] == ("host:edge", "host:10.0.0.2", "connects")
    assert not topology.related("host:10.0.0.2", "host:b")
    assert not topology.related("host:10.0.0.2", "host:172.17.0.1")


def test_who_talks_to_all_brings_nobody_together() -> None:
    topology = LiveTopology(TopologyLimits(neighbours=3))
    for n in range(5):
        lasting(topology, "10.0.0.100", f"10.0.1.{n}")
    assert len(later(topology)) == 5
    assert not topology.related("host:10.0.0.100", "host:10.0.1.1")


def test_connections_push_out_no_calls() -> None:
    topology = LiveTopology(TopologyLimits(edges=8))
    topology.learn_series([series(1, "service:web", service="web", host="h1")], T0)
    for n in range(20):
        lasting(topology, WEB, f"10.0.1.{n}")
    assert [edge[1] for edge in later(topology)] == ["host:10.0.1.18", "host:10.0.1.19", "host:h1"]


address = st.sampled_from([f"10.0.0.{n}" for n in range(6)])


@given(st.lists(st.tuples(address, address, st.integers(0, 20)), max_size=40))
def test_memory_is_bounded_and_what_is_told_comes_in_order(rows: list[tuple[str, str, int]]) -> None:
    one, other = (
        Connections(ConnectionLimits(pairs=4, names=3)),
        Connections(ConnectionLimits(pairs=4, names=3)),
    )
    for source, destination, minute in rows:
        batch = flow(source, destination, T0 + minute * MINUTE)
        told = one.learn(batch)
        assert told == other.learn(batch)
        assert all(talk.first_unix_nano < talk.last_unix_nano for talk in told)
        one.name(source, f"host:{minute}", T0)
        other.name(source, f"host:{minute}", T0)
        assert len(one) <= 4
