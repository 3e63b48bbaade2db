"""Evidence from the graph: what is a symptom of a callee, what the entry does not reach, what only passes on.

Who merely passes on what others do is told by role, never by name: an entity that has nothing of its own
(no processor, no memory), and whose traffic is that of its one callee, or of a neighbour that goes on
to call others, is a balancer, a client or an alias of that one.

Who is slow because its host is busy is told by what runs on what.

Works as far as calls are known; with none it says nothing. Cost: O(entities + calls) and O(points of load).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

import numpy as np

from stormpetrel.explain.effects import last_known
from stormpetrel.explain.kinds import MetricClass, kind_of
from stormpetrel.explain.onset import Split
from stormpetrel.explain.situation import F64, Situation
from stormpetrel.explain.spans import untraced
from stormpetrel.explain.weights import Weights
from stormpetrel.model.cause import EvidenceItem

_OF_METRICS = ("metric:latency", "metric:error", "metric:load")
_OF_CALLS = ("self time", "log", "missing log")  # what a caller may show because of a callee, too
_COUNTS = ("missing call", "extra call")  # what an entity may show because of its callers
_OF_HOST = ("metric:cpu", "metric:memory", "metric:io", "metric:other")
_FELT = ("metric:latency", "metric:error", "self time")  # what an entity may show because of its host
_LEFT = 0.85  # of a symptom, at most, is explained by a callee
_SAME_TRAFFIC = 0.1  # two loads this close, as a share, at most moments are the same one
MINOR = 0.2  # of the traffic of its busiest caller: less cannot be why that one suffers
_OWN = (MetricClass.CPU, MetricClass.MEMORY, MetricClass.IO)
Calls = Mapping[str, set[str]]


def graph_evidence(
    situation: Situation, split: Split, evidence: Iterable[EvidenceItem], weights: Weights
) -> list[EvidenceItem]:
    """What the graph takes from the evidence of each entity: negative items, entity by entity."""
    callees: dict[str, set[str]] = defaultdict(set)
    for caller, callee in situation.calls:
        if caller != callee:
            callees[caller].add(callee)
    told: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for item in evidence:
        told[item.entity][item.kind] += item.weight
    taken = _idle(untraced(situation, split), told, weights)
    taken += _placed(situation.places, told, weights)
    if not callees:
        return taken
    for item in taken:
        told[item.entity]["graph"] += item.weight
    taken += _explained(told, callees, weights)
    taken += _asked_otherwise(told, callees, weights)
    totals = {entity: sum(kinds.values()) for entity, kinds in told.items()}
    for item in taken:
        totals[item.entity] += item.weight if item.kind != "idle" else 0.0
    far = _out_of_reach(situation, totals, callees, weights)
    for item in far:
        totals[item.entity] += item.weight
    return taken + far + _passed_on(situation, split, totals, callees, weights)


def _idle(
    idle: frozenset[str], told: Mapping[str, Mapping[str, float]], weights: Weights
) -> list[EvidenceItem]:
    """A latency of an entity that nobody asked anything of says nothing of the trouble of those who ask."""
    items = []
    for entity in sorted(idle & set(told)):
        shown = sum(max(told[entity].get(kind, 0.0), 0.0) for kind in _OF_METRICS)
        if shown > 0.0 and weights.untraced > 0.0:
            text = "no traced request of the trouble came through it"
            items.append(EvidenceItem("idle", entity, text, -weights.untraced * shown))
    return items


def _placed(
    places: Iterable[tuple[str, str]], told: Mapping[str, Mapping[str, float]], weights: Weights
) -> list[EvidenceItem]:
    """What an entity shows as latency or errors may come from its host, where that one's resources moved."""
    busiest: dict[str, tuple[float, str]] = {}
    for entity, host in sorted(places):
        busy = sum(max(told[host].get(kind, 0.0), 0.0) for kind in _OF_HOST) if host in told else 0.0
        busiest[entity] = max(busiest.get(entity, (0.0, "")), (busy, host))
    items = []
    for entity, (most, host) in sorted(busiest.items()):
        own = sum(max(told[entity].get(kind, 0.0), 0.0) for kind in _FELT) if entity in told else 0.0
        lost = min(weights.explained * most, _LEFT * own)
        if lost > 0.0:
            text = f"{host}, which it runs on, left its place as well"
            items.append(EvidenceItem("graph", entity, text, -lost))
    return items


def _explained(
    told: Mapping[str, Mapping[str, float]], callees: Calls, weights: Weights
) -> list[EvidenceItem]:
    """A symptom that a callee shows as well may come from there."""
    items = []
    for entity in sorted(told):
        for kind in (*_OF_METRICS, *_OF_CALLS):
            share = weights.explained if kind in _OF_METRICS else weights.explained_calls
            own = told[entity].get(kind, 0.0)
            below = [(told[one].get(kind, 0.0), one) for one in callees.get(entity, ()) if one in told]
            most, whose = max(below, default=(0.0, ""))
            if own > 0.0 and most > 0.0 and share > 0.0:
                lost = min(share * most, _LEFT * own)
                text = f"{whose}, which it calls, shows {kind.rpartition(':')[2]} as well"
                items.append(EvidenceItem("graph", entity, text, -lost))
    return items


def _asked_otherwise(
    told: Mapping[str, Mapping[str, float]], callees: Calls, weights: Weights
) -> list[EvidenceItem]:
    """Who is asked for other things does other things: what it calls may have changed with its callers."""
    callers = _callers_of(callees)
    items = []
    for entity in sorted(told):
        for kind in _COUNTS:
            own = told[entity].get(kind, 0.0)
            above = [(told[one].get(kind, 0.0), one) for one in callers.get(entity, ()) if one in told]
            most, whose = max(above, default=(0.0, ""))
            lost = min(weights.explained_counts * most, _LEFT * own)
            if lost > 0.0:
                text = f"{whose}, which calls it, shows {kind}s as well"
                items.append(EvidenceItem("graph", entity, text, -lost))
    return items


def _callers_of(callees: Calls) -> dict[str, set[str]]:
    callers: dict[str, set[str]] = defaultdict(set)
    for caller, called in callees.items():
        for one in called:
            callers[one].add(caller)
    return callers


def _out_of_reach(
    situation: Situation, totals: Mapping[str, float], callees: Calls, weights: Weights
) -> list[EvidenceItem]:
    """Trouble at the entry comes from what the entry calls, directly or not."""
    if situation.entry < 0 or situation.entities[situation.entry] not in callees:
        return []
    entry = situation.entities[situation.entry]
    reached = reachable(entry, callees)
    return [
        EvidenceItem(
            "graph", entity, f"{entry}, where it hurts, does not call it", -weights.unreachable * total
        )
        for entity, total in sorted(totals.items())
        if entity not in reached and total > 0.0
    ]


def reachable(entry: str, callees: Calls) -> set[str]:
    """Everything that an entity calls, directly or not, and itself."""
    seen: set[str] = set()
    todo = [entry]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo += callees.get(one, ())
    return seen


def _passed_on(
    situation: Situation, split: Split, totals: Mapping[str, float], callees: Calls, weights: Weights
) -> list[EvidenceItem]:
    passing = passes_on(situation, split, callees)
    minor = minor_shares(situation, split, callees)
    items = []
    for entity, total in sorted(totals.items()):
        if total <= 0.0:
            continue
        if entity in passing:
            text = f"it only passes on what {passing[entity]} does"
            items.append(EvidenceItem("graph", entity, text, -weights.passed_on * total))
        elif entity in minor:
            text = f"only {minor[entity]:.0%} of what its callers do goes through it"
            lost = weights.minor * total * (1.0 - minor[entity] / MINOR)
            items.append(EvidenceItem("graph", entity, text, -lost))
    return items


def minor_shares(situation: Situation, split: Split, callees: Calls) -> dict[str, float]:
    """Entities with nothing of their own through which goes less than `MINOR` of their busiest
    caller's traffic."""
    owned = _owned(situation)
    loads = {entity: float(np.mean(load)) for entity, load in _loads(situation, split).items()}
    busiest: dict[str, float] = defaultdict(float)
    for caller, called in callees.items():
        for one in called:
            busiest[one] = max(busiest[one], loads.get(caller, 0.0))
    shares = {
        entity: loads[entity] / busiest[entity]
        for entity in loads
        if entity not in owned and busiest.get(entity, 0.0) > 0.0
    }
    return {entity: share for entity, share in shares.items() if share < MINOR}


def _owned(situation: Situation) -> set[str]:
    """Entities that report a resource of their own."""
    return {
        entity
        for entity, metric in zip(situation.entities, situation.metrics, strict=True)
        if kind_of(metric) in _OWN
    }


def passes_on(situation: Situation, split: Split, callees: Calls) -> dict[str, str]:
    """Entities that only pass on, and what they pass on."""
    callers = _callers_of(callees)
    owned = _owned(situation)
    loads = _loads(situation, split)
    found: dict[str, str] = {}
    for entity in sorted(set(callees) | set(callers)):
        if entity in owned:
            continue
        called = callees.get(entity, set())
        if len(called) == 1:
            (other,) = called
            if entity not in callers or _same(loads, entity, other):
                found[entity] = other
        elif not called:
            beside = sorted({one for caller in callers.get(entity, ()) for one in callees[caller]} - {entity})
            twin = next((one for one in beside if callees.get(one) and _same(loads, entity, one)), None)
            if twin is not None:
                found[entity] = twin
    return found


def _loads(situation: Situation, split: Split) -> dict[str, F64]:
    """The traffic of each entity before the trouble: its first metric of load."""
    found: dict[str, F64] = {}
    columns = [
        k
        for k, metric in enumerate(situation.metrics)
        if kind_of(metric) is MetricClass.LOAD and situation.entities[k] not in found
    ]
    values = last_known(situation.values[:, columns])[split.before] if columns else np.zeros((0, 0))
    for place, k in enumerate(columns):
        found.setdefault(situation.entities[k], values[:, place])
    return found


def _same(loads: Mapping[str, F64], one: str, other: str) -> bool:
    left, right = loads.get(one), loads.get(other)
    if left is None or right is None or not left.any():
        return False
    near = np.abs(left - right) <= _SAME_TRAFFIC * np.maximum(np.abs(left), np.abs(right))
    return bool(near.mean() > 0.7)
