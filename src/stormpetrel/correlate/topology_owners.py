"""What Kubernetes says of ownership: a Deployment owns its ReplicaSets, these their pods, all one service.

Told by the labels of series (OpenTelemetry's `k8s.*.name`, the `kube_*_owner` series of kube-state-metrics),
by the resources of spans and log records, and by log records that are events or objects of Kubernetes. A pod
is named without its namespace, as everywhere; all else with it, as `deployment:shop/cart`.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping

import pyarrow as pa
import pyarrow.compute as pc

from stormpetrel.model.signal import LogBatch, SeriesInfo, SpanBatch
from stormpetrel.model.topology import EdgeKind

Told = dict[tuple[str, str, EdgeKind], int]  # caller, callee, kind; the newest time of it

# Who owns whom by the attributes of one resource, from the outside in.
_CHAIN = (("deployment", "statefulset", "daemonset", "cronjob"), ("replicaset", "job"), ("pod",))
_KUBE_STATE = {"kube_pod_owner": "pod", "kube_replicaset_owner": "replicaset", "kube_job_owner": "job_name"}
# Names as Kubernetes allows them: nothing else is taken for one.
_NAME = re.compile(r"[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?")
_KIND = re.compile(r"[A-Za-z]{1,60}")
_SAID = re.compile(
    r'"(?:resource\.)?k8s\.(namespace|deployment|statefulset|daemonset|cronjob|replicaset|job|pod)\.name"'
    r': ?"([^"\\]{1,253})"'
)
_SAMPLED_ROWS, _EVENT_ROWS, _LETTERS = 100, 5000, 4000

# What events say in words, by reason: the kind of what is owned, and its name.
_WORDS = {
    "ScalingReplicaSet": re.compile(r"scaled (?:up|down) (replica set) ([-a-z0-9.]+)\b", re.IGNORECASE),
    "SuccessfulCreate": re.compile(r"created? (pod|job):? ([-a-z0-9.]+)\b", re.IGNORECASE),
}
_ASSIGNED = re.compile(r"Successfully assigned (?:\S+/)?([-a-z0-9.]+) to ([-a-z0-9.]+)\b")
_TELLING = (*_WORDS, "Scheduled", "k8s.owner.name")


def owners_of_series(info: SeriesInfo) -> list[tuple[str, str]]:
    """Owner and owned, as the labels of one series have it.

    >>> labels = (("k8s.deployment.name", "cart"), ("k8s.namespace.name", "shop"), ("service.name", "cart"))
    >>> owners_of_series(SeriesInfo(1, "m", labels, "service:cart", "test"))
    [('deployment:shop/cart', 'service:cart')]
    """
    labels = dict(info.labels)
    owned_by = _KUBE_STATE.get(info.metric)
    if owned_by:
        kind = "job" if owned_by == "job_name" else owned_by
        namespace = labels.get("exported_namespace") or labels.get("namespace", "")
        name = labels.get(f"exported_{owned_by}") or labels.get(owned_by, "")
        owner = _entity(labels.get("owner_kind", ""), namespace, labels.get("owner_name", ""))
        owned = _entity(kind, namespace, name)
        return [(owner, owned)] if owner and owned else []
    if not any(name.startswith("k8s") for name in labels):
        return []
    names = {
        kind: labels.get(f"k8s.{kind}.name") or labels.get(f"k8s_{kind}_name", "")
        for kind in ("namespace", *(kind for row in _CHAIN for kind in row))
    }
    return list(_chained(names, info.entity))


def told_of(batch: SpanBatch | LogBatch) -> Told:
    """What resources of spans and log records, and events and objects of Kubernetes among them, say.

    Of resources at most `_SAMPLED_ROWS` rows of a batch are looked at, evenly spread, since each says it
    again and again; of events, which say it once, `_EVENT_ROWS`.
    """
    records = batch.records
    attributes = records.column("attributes")
    found: Told = {}
    if not pc.any(pc.match_substring(attributes, "k8s."), min_count=0).as_py():
        return found
    time = "start_unix_nano" if isinstance(batch, SpanBatch) else "time_unix_nano"
    step = max(1, -(-records.num_rows // _SAMPLED_ROWS))
    rows = records.select(["entity", "attributes", time]).take(
        pa.array(range(0, records.num_rows, step), pa.int64())
    )
    for entity, text, at in zip(*rows.to_pydict().values(), strict=True):
        for owner, owned in _chained(dict(_SAID.findall(text[:_LETTERS])), entity):
            _add(found, (owner, owned, EdgeKind.OWNS), at)
    if isinstance(batch, LogBatch):
        _add_events(found, batch)
    return found


def _add_events(found: Told, batch: LogBatch) -> None:
    records = batch.records
    attributes = records.column("attributes")
    telling = pc.match_substring(attributes, f'"{_TELLING[0]}"')
    for word in _TELLING[1:]:
        telling = pc.or_(telling, pc.match_substring(attributes, f'"{word}"'))
    rows = records.filter(telling).select(["body", "attributes", "time_unix_nano"]).slice(0, _EVENT_ROWS)
    for body, text, at in zip(*rows.to_pydict().values(), strict=True):
        try:
            said = json.loads(text)
        except ValueError:
            continue
        if isinstance(said, dict):
            for edge in _event(said, body[:_LETTERS]):
                _add(found, edge, at)


def _event(said: Mapping[str, object], body: str) -> Iterator[tuple[str, str, EdgeKind]]:
    """What one event or object says, in its attributes and, of owners, in its words."""
    namespace = _text(said, "k8s.namespace.name")
    about = _entity(_text(said, "k8s.object.kind"), namespace, _text(said, "k8s.object.name"))
    owner = _entity(_text(said, "k8s.owner.kind"), namespace, _text(said, "k8s.owner.name"))
    if about and owner:
        yield owner, about, EdgeKind.OWNS
    if about.startswith("pod:") and owner and _NAME.fullmatch(_text(said, "k8s.node.name")):
        yield about, f"host:{_text(said, 'k8s.node.name')}", EdgeKind.RUNS_ON
    reason = _text(said, "k8s.event.reason")
    words = _WORDS[reason].search(body) if reason in _WORDS else None
    if about and words is not None:
        owned = _entity(words[1].replace(" ", ""), namespace, words[2])
        if owned:
            yield about, owned, EdgeKind.OWNS
    assigned = _ASSIGNED.match(body) if reason == "Scheduled" else None
    if assigned is not None and _NAME.fullmatch(assigned[1]) and _NAME.fullmatch(assigned[2]):
        yield f"pod:{assigned[1]}", f"host:{assigned[2]}", EdgeKind.RUNS_ON


def _text(said: Mapping[str, object], name: str) -> str:
    found = said.get(name) or said.get(f"resource.{name}")
    return found if isinstance(found, str) else ""


def _chained(names: Mapping[str, str], entity: str) -> Iterator[tuple[str, str]]:
    """Each level of the chain owns the next one that is named; the outermost owns the service as well."""
    named = [
        next(
            (one for kind in row if (one := _entity(kind, names.get("namespace", ""), names.get(kind, "")))),
            "",
        )
        for row in _CHAIN
    ]
    chain = [one for one in named if one]
    yield from itertools.pairwise(chain)
    if chain and entity.startswith("service:") and not chain[0].startswith("pod:"):
        yield chain[0], entity.partition("/")[0]


def _entity(kind: str, namespace: str, name: str) -> str:
    """The entity of an object; "" where one of its names is none."""
    if (
        not _NAME.fullmatch(name)
        or not _KIND.fullmatch(kind)
        or (namespace and not _NAME.fullmatch(namespace))
    ):
        return ""
    kind = kind.lower()
    return f"{kind}:{namespace}/{name}" if namespace and kind != "pod" else f"{kind}:{name}"


def _add(found: Told, edge: tuple[str, str, EdgeKind], at: int) -> None:
    if edge[0] != edge[1]:
        found[edge] = max(at, found.get(edge, 0))
