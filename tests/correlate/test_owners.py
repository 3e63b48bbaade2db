"""Workloads: what Kubernetes says of owners makes a pod, its Deployment and its service one thing."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.correlate.test_topology import DAY, HOUR, T0, call, edges, out, roles

from stormpetrel.correlate.topology import LiveTopology, TopologyLimits
from stormpetrel.correlate.workloads import workload_of
from stormpetrel.model.columns import build_logs
from stormpetrel.model.signal import LogBatch, SeriesInfo
from stormpetrel.model.topology import NodeRole


def said(body: str, at: int = T0, entity: str = "", **attributes: str) -> LogBatch:
    text = json.dumps({key.replace("__", "."): value for key, value in attributes.items()})
    return build_logs([at], [body], source="t", entity=entity, attributes=[text])


def event(reason: str, body: str, kind: str, name: str, namespace: str = "shop", at: int = T0) -> LogBatch:
    return said(
        body, at, k8s__event__reason=reason, k8s__object__kind=kind, k8s__object__name=name,
        k8s__namespace__name=namespace,
    )  # fmt: skip


def owner(kind: str, name: str, owner_kind: str, owner_name: str, at: int = T0, **more: str) -> LogBatch:
    return said(
        "x", at, k8s__object__kind=kind, k8s__object__name=name, k8s__namespace__name="shop",
        k8s__owner__kind=owner_kind, k8s__owner__name=owner_name, **more,
    )  # fmt: skip


def shop(topology: LiveTopology, pods: int = 2, at: int = T0, rollout: str = "r1") -> None:
    """A Deployment with one ReplicaSet and its pods, as its objects tell."""
    topology.learn_hosts(owner("ReplicaSet", f"cart-{rollout}", "Deployment", "cart", at))
    for n in range(pods):
        topology.learn_hosts(owner("Pod", f"cart-{rollout}-{n}", "ReplicaSet", f"cart-{rollout}", at))


def test_events_of_controllers_say_whom_they_made() -> None:
    topology = LiveTopology()
    for batch in (
        event("ScalingReplicaSet", "Scaled up replica set cart-7d to 3 from 2", "Deployment", "cart"),
        event("SuccessfulCreate", "Created pod: cart-7d-x", "ReplicaSet", "cart-7d"),
        event("SuccessfulCreate", "create Pod db-0 in StatefulSet db successful", "StatefulSet", "db"),
        event("SuccessfulCreate", "Created job nightly-1", "CronJob", "nightly"),
        event("Scheduled", "Successfully assigned shop/cart-7d-x to node-1", "Pod", "cart-7d-x"),
        event("BackOff", "Created pod: nobody", "ReplicaSet", "cart-7d"),
    ):
        topology.learn_hosts(batch)
    assert edges(topology) == [
        ("cronjob:shop/nightly", "job:shop/nightly-1", "owns"),
        ("deployment:shop/cart", "replicaset:shop/cart-7d", "owns"),
        ("pod:cart-7d-x", "host:node-1", "runs_on"),
        ("replicaset:shop/cart-7d", "pod:cart-7d-x", "owns"),
        ("statefulset:shop/db", "pod:db-0", "owns"),
    ]


def test_resources_of_spans_and_labels_of_series_say_it_too() -> None:
    topology = LiveTopology()
    names = {
        "resource__k8s__namespace__name": "shop",
        "resource__k8s__deployment__name": "cart",
        "resource__k8s__replicaset__name": "cart-7d",
        "resource__k8s__pod__name": "cart-7d-x",
    }
    topology.learn_spans(out("service:cart", 2, **names))
    assert edges(topology) == [
        ("deployment:shop/cart", "replicaset:shop/cart-7d", "owns"),
        ("deployment:shop/cart", "service:cart", "owns"),
        ("replicaset:shop/cart-7d", "pod:cart-7d-x", "owns"),
    ]
    labels = (("namespace", "shop"), ("owner_kind", "Job"), ("owner_name", "mail-1"), ("pod", "mail-1-z"))
    topology.learn_series([SeriesInfo(4, "kube_pod_owner", labels, "pod:mail-1-z", "test")], T0)
    assert ("job:shop/mail-1", "pod:mail-1-z", "owns") in edges(topology)
    topology.refresh(np.array([0, 0, 0, 0, T0 + 9 * DAY]), T0 + 9 * DAY)
    assert edges(topology, T0 + 9 * DAY) == [("job:shop/mail-1", "pod:mail-1-z", "owns")]


@pytest.mark.parametrize(
    "attributes",
    [
        {"k8s__owner__kind": "<b>", "k8s__owner__name": "x"},
        {"k8s__owner__kind": "Deployment", "k8s__owner__name": "a/pod:b"},
        {"k8s__owner__kind": "Deployment", "k8s__owner__name": "x" * 300},
        {"k8s__owner__kind": "Deployment", "k8s__owner__name": ""},
        {"k8s__owner__kind": "Pod", "k8s__owner__name": "p"},
    ],
)
def test_what_is_no_name_in_kubernetes_owns_nothing(attributes: dict[str, Any]) -> None:
    topology = LiveTopology()
    topology.learn_hosts(said("x", k8s__object__kind="Pod", k8s__object__name="p", **attributes))
    topology.learn_hosts(build_logs([T0], ["x"], source="t", attributes=['{"k8s.owner.name":"a"']))
    assert edges(topology) == []


def test_a_workload_is_one_thing_and_counts_as_nobody_more_that_is_hit() -> None:
    topology = LiveTopology()
    shop(topology)
    topology.learn_hosts(said("x", entity="service:cart", resource__k8s__deployment__name="cart",
                              resource__k8s__namespace__name="shop"))  # fmt: skip
    assert set(topology.neighbours("pod:cart-r1-0")) == {
        "deployment:shop/cart", "replicaset:shop/cart-r1", "pod:cart-r1-1", "service:cart",
    }  # fmt: skip
    assert topology.related("service:cart", "pod:cart-r1-1")
    assert topology.reach(["pod:cart-r1-0"], T0).dependents == 0
    assert topology.services_of(["deployment:shop/cart", "service:cart", "host:x"]) == {
        "deployment:shop/cart": "service:cart"
    }
    assert set(roles(topology).values()) == {NodeRole.SERVICE}


def test_pods_take_no_caller_away() -> None:
    topology = LiveTopology(TopologyLimits(neighbours=3))
    topology.learn_spans(call("service:web", "service:cart"))
    shop(topology, pods=9)
    topology.learn_hosts(said("x", entity="service:cart", resource__k8s__deployment__name="cart",
                              resource__k8s__namespace__name="shop"))  # fmt: skip
    assert list(topology.neighbours("service:cart")) == ["service:web"]


def test_after_many_rollouts_those_of_the_last_hour_are_the_workload() -> None:
    topology = LiveTopology(TopologyLimits(neighbours=6))
    for n in range(5):
        shop(topology, pods=3, at=T0 + n * 2 * HOUR, rollout=f"r{n}")
    assert set(topology.neighbours("pod:cart-r4-0")) == {
        "deployment:shop/cart", "replicaset:shop/cart-r4", "pod:cart-r4-1", "pod:cart-r4-2",
    }  # fmt: skip
    assert list(topology.neighbours("pod:cart-r0-0")) == []


def test_what_two_own_is_nobodys() -> None:
    topology = LiveTopology()
    topology.learn_hosts(owner("Pod", "redis-0", "StatefulSet", "redis"))
    topology.learn_hosts(event("SuccessfulCreate", "create Pod redis-0 in StatefulSet redis successful",
                               "StatefulSet", "redis", "other"))  # fmt: skip
    assert list(topology.neighbours("pod:redis-0")) == []
    assert list(topology.neighbours("statefulset:shop/redis")) == []


names = st.sampled_from("abcdefg")


@given(st.sets(st.tuples(names, names), max_size=14), st.integers(1, 6))
def test_a_workload_is_the_same_from_each_of_its_members(pairs: set[tuple[str, str]], most: int) -> None:
    def owners(one: str) -> list[str]:
        return sorted(a for a, b in pairs if b == one)

    def owned(one: str) -> list[str]:
        return sorted(b for a, b in pairs if a == one)

    told = {one: workload_of(one, owners, owned, most) for one in "abcdefg"}
    for one, others in told.items():
        assert len(others) <= most
        assert one not in others
        assert all(one in told[other] for other in others)
