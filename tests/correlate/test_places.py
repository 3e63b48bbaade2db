"""Where things run: told by the resources of spans and log records too; bounded, and forgotten in time."""

from __future__ import annotations

import json

import numpy as np
from tests.correlate.test_topology import HOUR, T0, call, edges, out, series

from stormpetrel.correlate.topology import LiveTopology, TopologyLimits
from stormpetrel.model.columns import build_logs
from stormpetrel.model.signal import LogBatch, SpanBatch


def placed(entity: str, host: str, at: int = T0, name: str = "resource.host.name") -> LogBatch:
    """A log record whose resource names a host."""
    return build_logs(
        [at], ["x"], source="t", entity=entity, attributes=[json.dumps({name: host}, separators=(",", ":"))]
    )


def test_the_resource_of_a_span_or_a_log_record_says_where_it_runs() -> None:
    topology = LiveTopology()
    topology.learn_hosts(placed("service:db", "db-1"))
    topology.learn_hosts(placed("service:web", "n-2", name="resource.k8s.node.name"))
    topology.learn_hosts(placed("host:db-1", "db-1"))
    topology.learn_spans(out("service:cart", 2, resource__host__name="h-3"))
    assert topology.related("service:db", "host:db-1/disk:sda")
    assert edges(topology) == [
        ("service:cart", "host:h-3", "runs_on"),
        ("service:db", "host:db-1", "runs_on"),
        ("service:web", "host:n-2", "runs_on"),
    ]


def test_a_batch_without_rows_says_nothing() -> None:
    topology = LiveTopology()
    topology.learn_spans(SpanBatch(call("service:a", "service:b").records.slice(0, 0)))
    assert edges(topology) == []


def test_a_text_that_only_looks_like_a_resource_places_nobody() -> None:
    topology = LiveTopology()
    said = json.dumps(
        {"note": '"resource.host.name":"evil"', "x.resource.host.name": "evil"}, separators=(",", ":")
    )
    topology.learn_hosts(build_logs([T0], ["x"], source="t", entity="service:a", attributes=[said]))
    assert edges(topology) == []


def test_many_hosts_take_no_caller_away_and_old_ones_are_forgotten() -> None:
    topology = LiveTopology(TopologyLimits(neighbours=3, fade_seconds=3600.0))
    topology.learn_spans(call("service:web", "service:cart"))
    for n in range(5):
        topology.learn_hosts(placed("service:cart", f"h{n}", T0 + n * HOUR))
    assert list(topology.neighbours("service:cart")) == ["service:web"]
    topology.refresh(np.zeros(0, np.int64), T0 + 5 * HOUR)
    assert list(topology.neighbours("service:cart")) == ["service:web", "host:h3", "host:h4"]
    topology.learn_series([series(1, "service:cart", service="cart", host="h9")], T0)
    topology.refresh(np.array([0, T0]), T0 + 50 * HOUR)
    assert list(topology.neighbours("service:cart")) == ["service:web", "host:h9"]
