"""Kubernetes: how many replicas, restart and roll back a deployment; cordon, uncordon and drain nodes.

Works with the APIs apps/v1, autoscaling/v2 and policy/v1, with the extra `kubernetes`. Each order is one
patch that carries the object's resourceVersion, so that a change in between makes it fail instead of
overwriting it, and writes its key into an annotation: the cluster itself knows which order was the last
one done.
`generation` is the object's uid and its spec's generation.

Autoscalers, controllers that own the object, and managers that applied a field (server-side apply) are told
as owners: what they hold is not ours to change. Its service account needs `get` and `patch` on the named
deployments or nodes, `list` on replicasets, autoscalers, nodes and pods, and `create` on pods/eviction.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator
from typing_extensions import override

from stormpetrel.adapters.actuate.base import BaseActuator, Deadline, Effect, NotDoneError, undoing
from stormpetrel.adapters.actuate.kubernetes_api import Cluster
from stormpetrel.adapters.actuate.kubernetes_drain import drain, remaining
from stormpetrel.adapters.actuate.kubernetes_objects import (
    Named,
    annotation,
    condition,
    generation,
    holds_data,
    owners_of,
    replicas,
    revision,
    template_of,
)
from stormpetrel.adapters.actuate.settings import MAX_TARGETS, ActuatorSettings, Place, Settings
from stormpetrel.errors import ConfigError
from stormpetrel.model.action import Action, EffectClass, Target
from stormpetrel.model.facts import Group, LiveTarget, Owner
from stormpetrel.ports.actuate import ActionSchema, Order, ParameterSchema

KEY = "stormpetrel.dev/key"
RESTARTED = "kubectl.kubernetes.io/restartedAt"  # the same as kubectl's, so that its history tells of it
ZONE = "topology.kubernetes.io/zone"
_REPLICAS = (ParameterSchema("replicas", "int", True, least=0, most=10_000),)
_CHANGE = ParameterSchema("change", "text", False, pattern=r"[A-Za-z0-9_][A-Za-z0-9_.:/@-]{0,199}")
_REVISION = ParameterSchema("revision", "int", False, least=1, most=10**9)
_SCALING = ("service.scale", "deployment.scale")


class ReplicaBounds(Settings):
    """How many replicas there may be."""

    least: int = Field(1, ge=0, description="at least")
    most: int = Field(ge=1, description="at most")

    @model_validator(mode="after")
    def _are_bounds(self) -> ReplicaBounds:
        if self.least > self.most:
            raise ValueError("least is above most")
        return self


class KubernetesSettings(ActuatorSettings):
    """A cluster."""

    kubeconfig: Path | None = Field(None, description="how to sign in; empty: the pod's service account")
    context: str = Field("", max_length=200, description="of the kubeconfig; empty: its current one")
    targets: dict[str, str] = Field(
        min_length=1, max_length=MAX_TARGETS,
        description="by entity: deployment/NAMESPACE/NAME, statefulset/NAMESPACE/NAME or node/NAME",
    )  # fmt: skip
    replicas: dict[str, ReplicaBounds] = Field(
        default_factory=dict,
        max_length=MAX_TARGETS,
        description="bounds of scaling, by entity; unsaid: never",
    )
    drain_local_storage: bool = Field(False, description="a drain may end pods with emptyDir volumes")

    @field_validator("targets")
    @classmethod
    def _are_named(cls, targets: dict[str, str]) -> dict[str, str]:
        for text in targets.values():
            Named.read(text)
        return targets


class KubernetesActuator(BaseActuator):
    """Changes deployments and nodes.

    Done means that the cluster has taken the order; whether it helped is for verification. Fails when the
    account lacks a right, and says which. Costs three to five requests an act, more for drains.
    """

    Settings = KubernetesSettings
    schemas = (
        *(ActionSchema(one, EffectClass.REVERSIBLE, "replicas", _REPLICAS, one, True) for one in _SCALING),
        ActionSchema("deployment.restart", EffectClass.DISRUPTIVE, "restart", (), "", True),
        ActionSchema(
            "deployment.rollback", EffectClass.DISRUPTIVE, "template", (_CHANGE, _REVISION),
            "deployment.rollback", True,
        ),
        ActionSchema("node.cordon", EffectClass.REVERSIBLE, "unschedulable", (), "node.uncordon", True),
        ActionSchema("node.uncordon", EffectClass.REVERSIBLE, "unschedulable", (), "node.cordon", True),
        ActionSchema("node.drain", EffectClass.DISRUPTIVE, "unschedulable", (), "node.uncordon", True),
    )  # fmt: skip

    def __init__(self, place: Place, settings: KubernetesSettings) -> None:
        super().__init__(place, settings, settings.targets)
        self._own = settings
        self._named = {entity: Named.read(text) for entity, text in settings.targets.items()}
        try:
            self._cluster = Cluster(settings.kubeconfig, settings.context)
        except ConfigError as error:
            raise ConfigError(f"[actuators.{place.name}] {error}") from None

    def close(self) -> None:
        """Release connections; a later call opens new ones."""
        super().close()
        self._cluster.close()

    def _live(self, entity: str, deadline: Deadline) -> LiveTarget:
        named, found = self._named[entity], self._object(entity, deadline)
        if found is None:
            return LiveTarget(entity, False, "none", False, None)
        if named.kind == "node":
            serves = condition(found, "Ready") and not found["spec"].get("unschedulable")
            return LiveTarget(entity, True, generation(found), serves, None)
        bounds = self._own.replicas.get(entity)
        return LiveTarget(
            entity, True, generation(found), replicas(found).all_up, None, replicas(found).wanted,
            bounds.least if bounds else None, bounds.most if bounds else None, replicas(found).observed,
        )  # fmt: skip

    @override  # the object tells
    def _stateful(self, entity: str, live: LiveTarget) -> bool | None:
        configured = self._settings.stateful.get(entity)
        if configured is not None:
            return configured
        found = self._object(entity, Deadline(self._settings.timeout_seconds))
        return None if found is None else holds_data(self._named[entity], found)

    def _owners(self, entity: str, deadline: Deadline) -> tuple[Owner, ...]:
        named, found = self._named[entity], self._object(entity, deadline)
        if found is None:
            return ()
        scalers = [] if named.kind == "node" else self._cluster.autoscalers(named.namespace, deadline)
        return owners_of(entity, named, found, scalers)

    def _group(self, entity: str, live: LiveTarget, deadline: Deadline) -> Group | None:
        """Nodes are a group of their own, with their zones."""
        configured = super()._group(entity, live, deadline)
        if configured is not None or self._named[entity].kind != "node":
            return configured
        names = {named.name: one for one, named in self._named.items() if named.kind == "node"}
        members, healthy, zones = [], [], dict[str, list[str]]()
        for node in self._cluster.nodes(deadline):
            name = str(node["metadata"]["name"])
            member = names.get(name, f"node:{name}")
            members.append(member)
            if condition(node, "Ready") and not node["spec"].get("unschedulable"):
                healthy.append(member)
            zone = (node["metadata"].get("labels") or {}).get(ZONE)
            if zone:
                zones.setdefault(zone, []).append(member)
        parts = tuple((zone, tuple(sorted(of))) for zone, of in sorted(zones.items()))
        return Group("kubernetes:nodes", tuple(sorted(members)), tuple(sorted(healthy)), 1, 0, parts)

    def _unfit(self, action: Action) -> str:
        for target in action.targets:
            kind, scales = self._named[target.entity].kind, action.kind in _SCALING
            wanted = ("node",) if action.kind.startswith("node.") else ("deployment", "statefulset")
            if action.kind == "deployment.rollback":
                wanted = ("deployment",)
            if kind not in wanted:
                return f"{action.kind} is not for a {kind}"
            bounds = self._own.replicas.get(target.entity)
            if scales and bounds is None:
                return "the target has no bounds of scaling; give `replicas` of its section"
            if (
                scales
                and bounds
                and not bounds.least <= int(action.parameter("replicas") or 0) <= bounds.most
            ):
                return f"the number of replicas is not within {bounds.least} and {bounds.most}"
        return ""

    def _perform(self, order: Order, target: Target, deadline: Deadline) -> Effect:
        found, kind = self._object(target.entity, deadline), order.action.kind
        if found is None:
            raise NotDoneError("there is no such object in the cluster")
        if annotation(found, KEY) == order.key:
            if kind != "node.drain":
                return Effect("done before, as the cluster says")
        else:
            self._patch(target, found, self._change(order, found, deadline), order.key, deadline)
        if kind == "node.drain":
            count = drain(
                self._cluster, self._named[target.entity].name, self._own.drain_local_storage, deadline
            )
            return Effect(f"cordoned, and {count} pods evicted")
        return Effect(f"{kind} was taken by the cluster", (("from", generation(found)),))

    def _change(self, order: Order, found: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
        """The part of the patch that is the order itself."""
        kind = order.action.kind
        if kind in _SCALING:
            return {"spec": {"replicas": order.action.parameter("replicas")}}
        if kind == "deployment.restart":
            if found["spec"].get("paused"):
                raise NotDoneError("the deployment is paused; resume it first")
            now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
            return {"spec": {"template": {"metadata": {"annotations": {RESTARTED: now}}}}}
        if kind == "deployment.rollback":
            return {"spec": {"template": self._template(order, found, deadline)}}
        if kind == "node.drain":
            remaining(self._cluster, found["metadata"]["name"], self._own.drain_local_storage, deadline)
        return {"spec": {"unschedulable": kind != "node.uncordon"}}

    def _patch(
        self, target: Target, found: dict[str, Any], change: dict[str, Any], key: str, deadline: Deadline
    ) -> None:
        named, version = self._named[target.entity], found["metadata"]["resourceVersion"]
        template = change["spec"].get("template")
        body: Any = {**change, "metadata": {"resourceVersion": version, "annotations": {KEY: key}}}
        if template is not None and "spec" in template:  # as a whole: a merge would leave what is to go
            kept = found["metadata"].get("annotations") or {}
            body = [
                {"op": "test", "path": "/metadata/resourceVersion", "value": version},
                {"op": "add", "path": "/metadata/annotations", "value": {**kept, KEY: key}},
                {"op": "replace", "path": "/spec/template", "value": template},
            ]
        self._cluster.patch(named.kind, named.namespace, named.name, body, deadline)

    def _template(self, order: Order, found: dict[str, Any], deadline: Deadline) -> dict[str, Any]:
        """The pod template of the revision that is rolled back to."""
        if found["spec"].get("paused"):
            raise NotDoneError("the deployment is paused; resume it first")
        namespace = str(found["metadata"]["namespace"])
        sets = self._cluster.replica_sets(namespace, found["spec"]["selector"]["matchLabels"], deadline)
        wanted = order.action.parameter("revision")
        return template_of(found, sets, int(wanted) if wanted is not None else None)

    def _happened(self, order: Order, target: Target, before: str, deadline: Deadline) -> bool | None:
        found = self._object(target.entity, deadline)
        if found is None:
            return None
        if annotation(found, KEY) == order.key:
            if order.action.kind != "node.drain":
                return True
            name = found["metadata"]["name"]
            return True if not remaining(self._cluster, name, True, deadline) else None
        return False if generation(found) == before else None

    def _inverse(self, action: Action, deadline: Deadline) -> Action | None:
        objects = [self._object(target.entity, deadline) for target in action.targets]
        found = [one for one in objects if one is not None]
        if len(found) != len(objects):
            return None
        if action.kind in _SCALING:
            counts = {replicas(one).wanted for one in found}
            return undoing(action, action.kind, replicas=counts.pop()) if len(counts) == 1 else None
        if action.kind == "deployment.rollback":
            revisions = {revision(one) for one in found}
            return undoing(action, action.kind, revision=max(revisions)) if len(revisions) == 1 else None
        cordoned = {bool(one["spec"].get("unschedulable")) for one in found}
        if action.kind in ("node.cordon", "node.drain") and cordoned == {False}:
            return undoing(action, "node.uncordon")
        if action.kind == "node.uncordon" and cordoned == {True}:
            return undoing(action, "node.cordon")
        return None

    def _object(self, entity: str, deadline: Deadline) -> dict[str, Any] | None:
        named = self._named[entity]
        return self._cluster.read(named.kind, named.namespace, named.name, deadline)

    def _secrets(self) -> tuple[str, ...]:
        return self._cluster.secrets()
