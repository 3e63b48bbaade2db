"""Kubernetes: the real client library against a small API server with the rules that matter."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from tests.actuate.acts import action, place
from tests.actuate.fake_kubernetes import TOKEN, ApiServer

from stormpetrel.adapters.actuate.kubernetes import KubernetesActuator, KubernetesSettings
from stormpetrel.errors import ConfigError
from stormpetrel.model.action import Action
from stormpetrel.model.run import ActOutcome
from stormpetrel.ports.actuate import Order
from stormpetrel.testing.check_actuator import ActuatorCase, check_actuator

CHECKOUT, STOCK, NODE, OTHER = "service:checkout", "deployment:stock", "node:n1", "node:n2"


def template(image: str) -> dict[str, Any]:
    return {
        "metadata": {"labels": {"app": "checkout"}},
        "spec": {"containers": [{"name": "c", "image": image}]},
    }


@pytest.fixture
def cluster() -> Iterator[ApiServer]:
    found = ApiServer()
    selector = {"matchLabels": {"app": "checkout"}}
    spec = {"replicas": 2, "selector": selector, "template": template("shop:1")}
    found.put("Deployment", "checkout", spec, annotations={"team": "shop"})
    stock = {**template("stock:1"), "metadata": {"labels": {"app": "stock"}}}
    stock["spec"] = {**stock["spec"], "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "v"}}]}
    found.put(
        "Deployment",
        "stock",
        {"replicas": 1, "selector": {"matchLabels": {"app": "stock"}}, "template": stock},
    )
    for number in (1, 2, 3):
        node = found.put(
            "Node", f"n{number}", {}, "", labels={"topology.kubernetes.io/zone": "ab"[number % 2]}
        )
        node["status"] = {"conditions": [{"type": "Ready", "status": "True"}]}
    yield found
    found.close()


def make(cluster: ApiServer, journal: Path, token: str = TOKEN) -> KubernetesActuator:
    kubeconfig = journal.parent / f"kubeconfig-{token[:7]}"
    content = {
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "k", "cluster": {"server": cluster.url}}],
        "users": [{"name": "u", "user": {"token": token}}],
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u"}}],
    }  # fmt: skip
    kubeconfig.write_text(json.dumps(content))
    section = {
        "type": "kubernetes", "kubeconfig": str(kubeconfig),
        "targets": {
            CHECKOUT: "deployment/shop/checkout", STOCK: "deployment/shop/stock",
            NODE: "node/n1", OTHER: "node/n2",
        },
        "replicas": {CHECKOUT: {"least": 1, "most": 8}},
    }  # fmt: skip
    return KubernetesActuator(place(journal), KubernetesSettings.model_validate(section))


def put_back(cluster: ApiServer) -> None:
    """As at the start, behind the actuator's back."""
    cluster.find("Deployment", "checkout")["spec"]["replicas"] = 2
    for number in (1, 2):
        cluster.find("Node", f"n{number}")["spec"].pop("unschedulable", None)


@pytest.mark.parametrize(
    ("kind", "entity", "given", "undoes"),
    [
        ("service.scale", CHECKOUT, {"replicas": 3}, True),
        ("deployment.restart", CHECKOUT, {}, False),
        ("node.cordon", NODE, {}, True),
        ("node.drain", NODE, {}, True),
    ],
)
def test_contract(
    cluster: ApiServer, tmp_path: Path, kind: str, entity: str, given: dict[str, int], undoes: bool
) -> None:
    actuator = make(cluster, tmp_path / "look")

    def fresh() -> Action:
        put_back(cluster)
        return action(actuator, kind, entity, **given)

    check_actuator(
        ActuatorCase(
            make=lambda folder: make(cluster, folder), folder=tmp_path / "journal", action=fresh,
            effects=cluster.count, hang=cluster.mute, secrets=(TOKEN,), undoes=undoes,
        )
    )  # fmt: skip
    assert {manager for _, manager, _ in cluster.patches} == {"stormpetrel"}


def test_contract_of_rolling_back(cluster: ApiServer, tmp_path: Path) -> None:
    actuator = make(cluster, tmp_path / "look")
    number = iter(range(2, 1000))

    def deployed() -> Action:
        found = cluster.find("Deployment", "checkout")
        found["spec"]["template"] = template(f"shop:{next(number)}")
        found["metadata"]["generation"] += 1
        cluster._controller(found)
        return action(actuator, "deployment.rollback", CHECKOUT, change="deploy/17")

    check_actuator(
        ActuatorCase(
            make=lambda folder: make(cluster, folder), folder=tmp_path / "journal", action=deployed,
            effects=cluster.count, hang=cluster.mute, secrets=(TOKEN,), undoes=True,
        )
    )  # fmt: skip


def test_a_rollback_brings_the_template_before_and_its_undoing_the_one_after(
    cluster: ApiServer, tmp_path: Path
) -> None:
    actuator = make(cluster, tmp_path)
    found = cluster.find("Deployment", "checkout")
    found["spec"]["template"] = template("shop:2")
    found["spec"]["template"]["spec"]["nodeSelector"] = {"only": "in 2"}
    found["metadata"]["generation"] += 1
    cluster._controller(found)
    back = action(actuator, "deployment.rollback", CHECKOUT)
    forth = actuator.inverse(back)
    assert forth is not None
    assert actuator.act(Order("back", back, 20, 1)).outcome is ActOutcome.DONE
    now = cluster.find("Deployment", "checkout")
    assert now["spec"]["template"] == template("shop:1")
    assert now["metadata"]["annotations"]["team"] == "shop"
    assert actuator.act(Order("forth", forth, 20, 1)).outcome is ActOutcome.DONE
    containers = cluster.find("Deployment", "checkout")["spec"]["template"]["spec"]["containers"]
    assert containers[0]["image"] == "shop:2"


def test_without_an_earlier_revision_nothing_is_rolled_back(cluster: ApiServer, tmp_path: Path) -> None:
    actuator = make(cluster, tmp_path)
    result = actuator.act(Order("k", action(actuator, "deployment.rollback", CHECKOUT), 20, 1))
    assert (result.outcome, "no revision" in result.text) == (ActOutcome.NOT_DONE, True)


def test_a_change_in_between_is_not_overwritten(
    cluster: ApiServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    actuator = make(cluster, tmp_path)
    what = action(actuator, "service.scale", CHECKOUT, replicas=4)
    patch = actuator._cluster.patch

    def after_somebody_else(*rest: Any) -> Any:
        cluster.find("Deployment", "checkout")["metadata"]["resourceVersion"] = "999"
        return patch(*rest)

    monkeypatch.setattr(actuator._cluster, "patch", after_somebody_else)
    result = actuator.act(Order("k", what, 20, 1))
    assert (result.outcome, "409" in result.text) == (ActOutcome.NOT_DONE, True)
    assert cluster.find("Deployment", "checkout")["spec"]["replicas"] == 2


def test_the_cluster_knows_what_another_node_of_ours_did(cluster: ApiServer, tmp_path: Path) -> None:
    actuator = make(cluster, tmp_path / "a")
    order = Order("run/1/scale", action(actuator, "service.scale", CHECKOUT, replicas=4), 1, 1)
    with cluster.mute():
        assert actuator.act(order).outcome is ActOutcome.IN_DOUBT
    elsewhere = make(cluster, tmp_path / "b")
    assert elsewhere.resolve(order).outcome is ActOutcome.DONE
    assert cluster.count() == 1


def test_owners_are_told(cluster: ApiServer, tmp_path: Path) -> None:
    actuator = make(cluster, tmp_path)
    aim = {"kind": "Deployment", "name": "checkout"}
    cluster.put("HorizontalPodAutoscaler", "scaler", {"scaleTargetRef": aim})
    cluster.put("HorizontalPodAutoscaler", "other", {"scaleTargetRef": {**aim, "name": "cart"}})
    metadata = cluster.find("Deployment", "checkout")["metadata"]
    metadata["managedFields"] = [
        {"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {"f:spec": {"f:template": {}}}},
        {"manager": "kubectl-edit", "operation": "Update", "fieldsV1": {"f:spec": {"f:replicas": {}}}},
    ]
    metadata["ownerReferences"] = [{"kind": "Rollout", "name": "r", "uid": "1", "controller": True}]
    owners = {(one.owner, one.field) for one in actuator.read(CHECKOUT).owners}
    assert owners == {("hpa:scaler", "replicas"), ("argocd-controller", "template"), ("rollout:r", "")}


def test_what_holds_data_and_how_many_there_may_be(cluster: ApiServer, tmp_path: Path) -> None:
    actuator = make(cluster, tmp_path)
    reading = actuator.read(CHECKOUT)
    assert (reading.stateful, reading.live.count, reading.live.least, reading.live.most) == (False, 2, 1, 8)
    assert actuator.read(STOCK).stateful is True
    for entity, replicas in ((CHECKOUT, 9), (STOCK, 2), (CHECKOUT, 0)):
        what = action(actuator, "service.scale", entity, replicas=replicas)
        assert actuator.act(Order(f"{entity}{replicas}", what, 20, 1)).outcome is ActOutcome.NOT_DONE
    cluster.find("Deployment", "checkout")["status"]["availableReplicas"] = 1
    assert actuator.read(CHECKOUT).live.healthy is False


def put_pod(cluster: ApiServer, name: str, owner: str = "ReplicaSet", **spec: Any) -> None:
    owners = [{"kind": owner, "name": "o", "uid": "1", "controller": True}] if owner else []
    cluster.put("Pod", name, {"nodeName": "n1", **spec}, ownerReferences=owners)


def test_a_drain_evicts_what_starts_again_elsewhere_and_waits_for_budgets(
    cluster: ApiServer, tmp_path: Path
) -> None:
    actuator = make(cluster, tmp_path)
    for name, owner in (("a", "ReplicaSet"), ("b", "StatefulSet"), ("daemon", "DaemonSet")):
        put_pod(cluster, name, owner)
    cluster.budget = 1
    order = Order("k", action(actuator, "node.drain", NODE), 1, 1)
    result = actuator.act(order)
    assert (result.outcome, "1 pods evicted, 1 remain" in result.text) == (ActOutcome.IN_DOUBT, True)
    assert actuator.resolve(order).outcome is ActOutcome.IN_DOUBT
    cluster.budget = 5
    result = actuator.act(Order("l", action(actuator, "node.drain", NODE), 20, 1))
    assert (result.outcome, sorted(cluster.evicted)) == (ActOutcome.DONE, ["a", "b"])
    group = actuator.read(NODE).group
    assert group is not None
    assert (group.members, group.healthy) == ((NODE, OTHER, "node:n3"), (OTHER, "node:n3"))
    assert group.zones == (("a", (OTHER,)), ("b", (NODE, "node:n3")))


@pytest.mark.parametrize(
    ("owner", "spec", "said"),
    [("", {}, "no controller"), ("ReplicaSet", {"volumes": [{"emptyDir": {}}]}, "local storage")],
)
def test_a_drain_that_would_lose_something_does_not_begin(
    cluster: ApiServer, tmp_path: Path, owner: str, spec: dict[str, Any], said: str
) -> None:
    actuator = make(cluster, tmp_path)
    put_pod(cluster, "a", owner, **spec)
    result = actuator.act(Order("k", action(actuator, "node.drain", NODE), 20, 1))
    assert (result.outcome, said in result.text) == (ActOutcome.NOT_DONE, True)
    assert (cluster.evicted, cluster.patches) == ([], [])


def test_a_missing_right_is_told_and_tokens_are_not(cluster: ApiServer, tmp_path: Path) -> None:
    actuator = make(cluster, tmp_path / "a")
    what = action(actuator, "deployment.restart", CHECKOUT)
    cluster.forbidden = True
    result = actuator.act(Order("k", what, 20, 1))
    assert (result.outcome, "is forbidden" in result.text) == (ActOutcome.NOT_DONE, True)
    wrong = make(cluster, tmp_path / "b", "another-token")
    assert "401" in wrong.act(Order("k", what, 20, 1)).text


def test_a_server_that_is_away_leaves_nothing_in_doubt(cluster: ApiServer, tmp_path: Path) -> None:
    actuator = make(cluster, tmp_path)
    what = action(actuator, "deployment.restart", CHECKOUT)
    cluster.close()
    actuator.close()
    result = actuator.act(Order("k", what, 5, 1))
    assert (result.outcome, "cannot be reached" in result.text) == (ActOutcome.NOT_DONE, True)


@pytest.mark.parametrize(
    "name", ["deployment/shop", "pod/shop/a", "node/a/b", "deployment/shop/../x", "node/A"]
)
def test_names_are_checked(name: str) -> None:
    with pytest.raises(ValidationError, match="name it deployment"):
        KubernetesSettings.model_validate({"type": "kubernetes", "targets": {CHECKOUT: name}})


def test_no_way_to_sign_in_stops_the_start(tmp_path: Path) -> None:
    section = {"type": "kubernetes", "kubeconfig": str(tmp_path / "none"), "targets": {NODE: "node/a"}}
    with pytest.raises(ConfigError, match=r"\[actuators.it\] no way to sign in"):
        KubernetesActuator(place(tmp_path), KubernetesSettings.model_validate(section))
