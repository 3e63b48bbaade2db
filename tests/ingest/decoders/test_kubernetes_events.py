"""Kubernetes' events of both APIs, in every wrapping: log records, and changes among them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.ingest.decoders.hooks import RECEIVED, SECOND, decoded, hook, refused, rows

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest.kubernetes_events import KubernetesEventsDecoder
from stormpetrel.ingest.webhook import MAX_RECORDS
from stormpetrel.model.push import Decoded

BACK_OFF: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Event",
    "metadata": {"name": "cart-0.17a", "namespace": "shop", "uid": "u-1", "resourceVersion": "100"},
    "involvedObject": {
        "kind": "Pod",
        "namespace": "shop",
        "name": "cart-0",
        "uid": "p-1",
        "apiVersion": "v1",
        "fieldPath": "spec.containers{cart}",
    },
    "reason": "BackOff",
    "message": "Back-off restarting failed container",
    "source": {"component": "kubelet", "host": "node-1"},
    "firstTimestamp": "2023-11-14T22:00:00Z",
    "lastTimestamp": "2023-11-14T22:13:10Z",
    "count": 14,
    "type": "Warning",
    "eventTime": None,
}
SCALING: dict[str, Any] = {
    "apiVersion": "events.k8s.io/v1",
    "kind": "Event",
    "metadata": {"name": "cart.17b", "namespace": "shop", "uid": "u-2", "resourceVersion": "101"},
    "regarding": {"kind": "Deployment", "namespace": "shop", "name": "cart", "apiVersion": "apps/v1"},
    "reason": "ScalingReplicaSet",
    "note": "Scaled up replica set cart-7d4b9 to 3 from 2",
    "reportingController": "deployment-controller",
    "reportingInstance": "",
    "eventTime": "2023-11-14T22:13:00.000001Z",
    "type": "Normal",
    "action": "Scaling",
}
WATCHED = {"type": "ADDED", "object": BACK_OFF}
LIST = {"kind": "List", "apiVersion": "v1", "items": [BACK_OFF, SCALING]}
VALID_REQUESTS = [
    hook("kubernetes-events", BACK_OFF),
    hook("kubernetes-events", LIST),
    hook("kubernetes-events", WATCHED),
    hook("kubernetes-events", [WATCHED, SCALING]),
]


def taken(body: Any, content_type: str = "application/json") -> Decoded:
    return decoded(KubernetesEventsDecoder, hook("kubernetes-events", body, content_type=content_type))


def test_fields_of_a_core_event() -> None:
    outcome = taken(BACK_OFF)
    (row,) = rows(outcome.logs)
    assert row.pop("request_token") > 0
    assert row.pop("pattern") == 0
    assert row == {
        "time_unix_nano": RECEIVED - 10 * SECOND,
        "observed_unix_nano": RECEIVED,
        "entity": "pod:cart-0",
        "source": "ci",
        "severity_number": 13,
        "body": "Back-off restarting failed container",
        "trace_id": "",
        "span_id": "",
        "attributes": {
            "k8s.event.reason": "BackOff",
            "k8s.event.name": "cart-0.17a",
            "k8s.event.uid": "u-1",
            "k8s.event.count": "14",
            "k8s.event.component": "kubelet",
            "k8s.namespace.name": "shop",
            "k8s.node.name": "node-1",
            "k8s.object.kind": "Pod",
            "k8s.object.name": "cart-0",
            "k8s.object.uid": "p-1",
            "k8s.object.fieldpath": "spec.containers{cart}",
            "k8s.object.api_version": "v1",
        },
    }
    assert outcome.changes is None


def test_an_event_of_the_newer_api_that_is_a_change() -> None:
    outcome = taken(SCALING)
    (log,), (change,) = rows(outcome.logs), rows(outcome.changes)
    assert (log["entity"], log["severity_number"]) == ("deployment:shop/cart", 9)
    assert log["time_unix_nano"] == change["time_unix_nano"] == RECEIVED - 20 * SECOND + 1000
    assert log["attributes"]["k8s.event.action"] == "Scaling"
    assert change.pop("request_token") not in (0, log["request_token"])
    assert change.pop("attributes") == log["attributes"]
    assert change == {
        "time_unix_nano": RECEIVED - 20 * SECOND + 1000,
        "entity": "deployment:shop/cart",
        "source": "ci",
        "change_id": "u-2/1",
        "kind": "scaling",
        "state": "succeeded",
        "title": "Deployment cart: Scaled up replica set cart-7d4b9 to 3 from 2",
        "environment": "shop",
        "version": "",
        "actor": "deployment-controller",
        "url": "",
    }


@pytest.mark.parametrize(
    ("reason", "kind", "state"),
    [
        ("SuccessfulRescale", "scaling", "succeeded"),
        ("FailedRescale", "scaling", "failed"),
        ("RolloutAborted", "deploy", "failed"),
        ("BackoffLimitExceeded", "job", "failed"),
        ("Issuing", "certificate", "unknown"),
    ],
)
def test_reasons_that_are_changes(reason: str, kind: str, state: str) -> None:
    (row,) = rows(taken(SCALING | {"reason": reason}).changes)
    assert (row["kind"], row["state"]) == (kind, state)


def test_every_wrapping_holds_the_same() -> None:
    lines = b"\n".join(json.dumps(one).encode() for one in (WATCHED, SCALING))
    wanted = rows(taken(LIST).logs)
    assert len(wanted) == 2
    assert rows(taken([BACK_OFF, SCALING]).logs) == wanted
    assert rows(taken([WATCHED, {"type": "MODIFIED", "object": SCALING}]).logs) == wanted
    assert rows(taken(lines, "application/x-ndjson").logs) == wanted


def test_an_event_is_known_by_its_uid_and_version() -> None:
    (one,) = rows(taken(BACK_OFF).logs)
    again, counted = rows(taken([WATCHED, BACK_OFF, changed(resourceVersion="102")]).logs)
    assert again["request_token"] == one["request_token"], "known in another request, and once in it"
    assert counted["request_token"] != one["request_token"]


def changed(**metadata: Any) -> dict[str, Any]:
    return BACK_OFF | {"metadata": BACK_OFF["metadata"] | metadata}


def test_events_without_identity_carry_the_token_of_their_request() -> None:
    bare = {"involvedObject": {"kind": "Node", "name": "node-1"}, "reason": "Rebooted", "type": "Odd"}
    first, second = rows(taken([bare, bare]).logs)
    assert first == second
    assert (first["entity"], first["body"], first["severity_number"]) == ("host:node-1", "Rebooted", 0)
    assert first["time_unix_nano"] == RECEIVED


def test_the_newest_time_counts() -> None:
    series = {"count": 40, "lastObservedTime": "2023-11-14T22:13:19.5Z"}
    (row,) = rows(taken(SCALING | {"series": series}).logs)
    assert (row["time_unix_nano"], row["attributes"]["k8s.event.count"]) == (RECEIVED - SECOND // 2, "40")


def test_a_watch_that_says_nothing_happened() -> None:
    outcome = taken([{"type": "DELETED", "object": BACK_OFF}, {"type": "BOOKMARK", "object": {}}])
    assert (outcome.logs, outcome.changes, outcome.rejected) == (None, None, ())


def test_what_is_no_event_is_refused_alone() -> None:
    gone = {"type": "ERROR", "object": {"kind": "Status", "message": "too old resource version"}}
    outcome = taken([BACK_OFF, gone, {"kind": "Pod"}, 7, changed() | {"lastTimestamp": "x"}])
    assert len(rows(outcome.logs)) == 1
    assert refused(outcome) == {"watch_error": 1, "not_an_event": 2, "bad_time": 1}
    with pytest.raises(DecodeError, match="too old"):
        taken(gone)
    with pytest.raises(DecodeError):
        taken({"kind": "Pod", "metadata": {}})
    with pytest.raises(TooLargeError):
        taken({"items": [{}] * (MAX_RECORDS + 1)})


POD: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {
        "name": "cart-7d-x",
        "namespace": "shop",
        "uid": "p-1",
        "resourceVersion": "7",
        "ownerReferences": [
            {"kind": "Node", "name": "n9"},
            {"kind": "ReplicaSet", "name": "cart-7d", "controller": True},
        ],
    },
    "spec": {"nodeName": "node-1"},
    "status": {"phase": "Running"},
}


def test_an_object_tells_its_owner_and_its_node_once() -> None:
    bare = {key: value for key, value in POD.items() if key != "kind"}
    listed = {"kind": "PodList", "items": [bare, bare]}
    for body in (POD, {"type": "MODIFIED", "object": POD}, [POD, POD], listed):
        outcome = taken(body)
        (row,) = rows(outcome.logs)
        assert (row["entity"], row["time_unix_nano"], row["severity_number"]) == (
            "pod:cart-7d-x",
            RECEIVED,
            9,
        )
        assert row["body"] == "Pod cart-7d-x, Running, owned by ReplicaSet cart-7d, on node-1"
        said = row["attributes"]
        assert (said["k8s.owner.kind"], said["k8s.owner.name"]) == ("ReplicaSet", "cart-7d")
        assert (said["k8s.node.name"], said["k8s.namespace.name"]) == ("node-1", "shop")
        assert outcome.changes is None


@pytest.mark.parametrize("owners", [None, "x", [7], [], [{"kind": 7, "name": ["a"]}], {"kind": "Pod"}])
def test_an_object_with_strange_owners_is_taken_without(owners: Any) -> None:
    outcome = taken({"kind": "Job", "metadata": {"name": "j", "ownerReferences": owners}})
    (row,) = rows(outcome.logs)
    assert row["entity"] == "job:j"


def test_an_object_without_a_name_is_refused_alone() -> None:
    outcome = taken([POD, {"kind": "Pod", "metadata": {"namespace": "shop"}}])
    assert refused(outcome) == {"no_name": 1}
