"""Evidence from metrics: what left its place on which entity."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from stormpetrel.explain.effects import Effects, effects_of
from stormpetrel.explain.kinds import MetricClass, falls_when_bad, kind_of
from stormpetrel.explain.onset import Split
from stormpetrel.explain.situation import Situation
from stormpetrel.explain.weights import Weights
from stormpetrel.model.cause import EvidenceItem
from stormpetrel.model.resource import root_of

_SYMPTOMS = (MetricClass.LATENCY, MetricClass.ERROR)
_RESOURCES = (MetricClass.CPU, MetricClass.MEMORY)
_LEAST_SAID = 0.02  # what adds less is not worth a line
_HOSTS = ("host", "node", "instance")


def metric_evidence(situation: Situation, split: Split, weights: Weights) -> list[EvidenceItem]:
    """For each entity and kind of metric the metric that moved most; O(points)."""
    if not situation.values.shape[1]:
        return []
    effects = effects_of(situation.values, split.before, split.during)
    symptom = _symptom(situation)
    called = {callee for _, callee in situation.calls}
    entries = {caller for caller, _ in situation.calls} - called
    best: dict[str, dict[MetricClass, tuple[float, int]]] = defaultdict(dict)
    for k in np.flatnonzero(effects.size > 0.0).tolist():
        entity = situation.entities[k]
        if entity in situation.front_door:
            continue
        kind = kind_of(situation.metrics[k], of_host=entity.partition(":")[0] in _HOSTS)
        worth = float(effects.size[k]) * _worth(situation.metrics[k], kind, effects, k, symptom, weights)
        if kind is MetricClass.LOAD and effects.up[k] and entity in entries:
            worth *= weights.load_of_entry
        if worth > best[entity].get(kind, (_LEAST_SAID, -1))[0]:
            best[entity][kind] = (worth, k)
    return [
        item for entity in sorted(best) for item in _items(situation, entity, best[entity], effects, weights)
    ]


def _symptom(situation: Situation) -> MetricClass | None:
    """The kind of metric in which the trouble hurts, where a service and not the front door says so."""
    if situation.entry < 0 or situation.entities[situation.entry] in situation.front_door:
        return None
    if situation.lead_seconds > situation.slack_seconds:  # an alert fires on whatever it watches
        return None
    kind = kind_of(situation.metrics[situation.entry])
    return kind if kind in _SYMPTOMS else None


def _worth(
    metric: str, kind: MetricClass, effects: Effects, k: int, symptom: MetricClass | None, weights: Weights
) -> float:
    worth = weights.of_kind[kind]
    up = bool(effects.up[k])
    if kind is MetricClass.LATENCY and not up:
        worth *= weights.unlikely_direction
    if kind is MetricClass.ERROR and up == falls_when_bad(metric):
        worth *= weights.unlikely_direction
    if kind in _RESOURCES and not up:
        worth *= weights.idle
    if kind is MetricClass.LOAD and symptom is not None:
        worth *= weights.load_of_symptom
    if kind in _SYMPTOMS and symptom is not None and kind is not symptom:
        worth *= weights.other_symptom
    return worth


def _items(
    situation: Situation,
    entity: str,
    found: dict[MetricClass, tuple[float, int]],
    effects: Effects,
    weights: Weights,
) -> list[EvidenceItem]:
    """Evidence of one entity, strongest kind first; each further kind repeats the story in part."""
    ordered = sorted(found.items(), key=lambda pair: (-pair[1][0], pair[0]))
    return [
        EvidenceItem(
            kind=f"metric:{kind}",
            entity=entity,
            text=_sentence(situation, k, effects),
            weight=worth * weights.second_kind**place,
            signal="metric",
            name=situation.metrics[k],
        )
        for place, (kind, (worth, k)) in enumerate(ordered)
    ]


def _sentence(situation: Situation, k: int, effects: Effects) -> str:
    way = "rose" if effects.up[k] else "fell"
    root = root_of(situation.entities[k])
    when = "at once" if effects.first[k] < 0.2 else "later" if effects.first[k] < 1.0 else "a little"
    return (
        f"{situation.metrics[k]} of {root} {way} {when}:"
        f" {effects.worst[k]:.4g} where {effects.usual[k]:.4g} is usual"
    )
