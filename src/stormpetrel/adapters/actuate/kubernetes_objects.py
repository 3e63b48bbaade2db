"""What objects of Kubernetes say: names, generations, health, owners, revisions. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from stormpetrel.adapters.actuate.base import NotDoneError
from stormpetrel.adapters.actuate.kubernetes_api import MANAGER
from stormpetrel.model.facts import Owner

REVISION = "deployment.kubernetes.io/revision"
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")  # Kubernetes' own rule
_KINDS = {"deployment": 2, "statefulset": 2, "node": 1}  # how many names follow
# The parts of a spec that are told apart as fields, as server-side apply names them.
_FIELDS = {"f:replicas": "replicas", "f:template": "template", "f:unschedulable": "unschedulable"}


@dataclass(frozen=True, slots=True)
class Named:
    """An object as a section names it."""

    kind: str
    namespace: str
    name: str

    @staticmethod
    def read(text: str) -> Named:
        """From `deployment/NAMESPACE/NAME` or `node/NAME`; ValueError for anything else.

        >>> Named.read("deployment/shop/cart").name
        'cart'
        """
        kind, *names = text.split("/")
        if len(names) != _KINDS.get(kind) or not all(_NAME.fullmatch(one) for one in names):
            raise ValueError(f"{text[:80]!r}: name it deployment/NAMESPACE/NAME, statefulset/… or node/NAME")
        return Named(kind, names[0] if len(names) == 2 else "", names[-1])


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many are wanted, whether they are all available, and whether the controller saw the newest spec."""

    wanted: int
    all_up: bool
    observed: bool


def replicas(found: dict[str, Any]) -> Replicas:
    """Of a deployment or stateful set."""
    spec, status = found["spec"], found.get("status") or {}
    wanted = int(spec.get("replicas", 1))
    observed = int(status.get("observedGeneration", 0)) >= int(found["metadata"].get("generation", 0))
    updated = int(status.get("updatedReplicas", 0)) >= wanted
    available = int(status.get("availableReplicas", 0)) >= wanted
    return Replicas(wanted, observed and updated and available and wanted > 0, observed)


def generation(found: dict[str, Any]) -> str:
    """The uid, and the spec's generation; of a node, which has none, whether it is cordoned."""
    metadata = found["metadata"]
    state = metadata.get("generation")
    if state is None or found.get("kind") == "Node" or "unschedulable" in found["spec"]:
        state = "cordoned" if found["spec"].get("unschedulable") else "open"
    return f"{metadata['uid']}:{state}"


def annotation(found: dict[str, Any], name: str) -> str:
    """The value of an annotation; "" when it has none of the name."""
    return str((found["metadata"].get("annotations") or {}).get(name, ""))


def condition(found: dict[str, Any], kind: str) -> bool:
    """Whether a condition of its status is true; what is not said is not."""
    conditions = (found.get("status") or {}).get("conditions") or ()
    return any(one.get("type") == kind and one.get("status") == "True" for one in conditions)


def holds_data(named: Named, found: dict[str, Any]) -> bool:
    """Stateful sets, and pods with claims or folders of their host, do; nodes do for what runs there."""
    if named.kind != "deployment":
        return True
    volumes = found["spec"]["template"]["spec"].get("volumes") or ()
    return any("persistentVolumeClaim" in one or "hostPath" in one or "ephemeral" in one for one in volumes)


def owners_of(
    entity: str, named: Named, found: dict[str, Any], scalers: list[dict[str, Any]]
) -> tuple[Owner, ...]:
    """Controllers that hold the object or a field of it.

    Autoscalers hold the number of replicas; who owns the object holds all of it; whoever *applied* a field by
    server-side apply holds that. Managers that only once updated a field hold nothing.
    """
    owners = set()
    for scaler in scalers:
        aim = scaler["spec"]["scaleTargetRef"]
        if (str(aim["kind"]).lower(), aim["name"]) == (named.kind, named.name):
            owners.add((f"hpa:{scaler['metadata']['name']}", "replicas"))
    for reference in found["metadata"].get("ownerReferences") or ():
        if reference.get("controller"):
            owners.add((f"{str(reference['kind']).lower()}:{reference['name']}", ""))
    for entry in found["metadata"].get("managedFields") or ():
        if entry.get("operation") == "Apply" and entry.get("manager") != MANAGER:
            held = (entry.get("fieldsV1") or {}).get("f:spec") or {}
            owners |= {(str(entry["manager"]), _FIELDS[one]) for one in held if one in _FIELDS}
    return tuple(Owner(entity, field, owner) for owner, field in sorted(owners))


def revision(found: dict[str, Any]) -> int:
    """The revision of a deployment or replica set; 0 when it has none."""
    text = annotation(found, REVISION)
    return int(text) if text.isascii() and text.isdigit() else 0


def template_of(found: dict[str, Any], sets: list[dict[str, Any]], wanted: int | None) -> dict[str, Any]:
    """The pod template of a revision; of the newest one before the present when none is wanted.

    Raises:
        NotDoneError: there is no such revision.
    """
    uid, now = found["metadata"]["uid"], revision(found)
    own = [
        one
        for one in sets
        if any(ref.get("uid") == uid for ref in one["metadata"].get("ownerReferences") or ())
        and (revision(one) == wanted if wanted is not None else 0 < revision(one) < now)
    ]
    if not own:
        raise NotDoneError("there is no revision to roll back to; look at revisionHistoryLimit")
    template = dict(max(own, key=revision)["spec"]["template"])
    metadata = dict(template.get("metadata") or {})
    labels = {
        name: text for name, text in (metadata.get("labels") or {}).items() if name != "pod-template-hash"
    }
    return {**template, "metadata": {**metadata, "labels": labels}}
