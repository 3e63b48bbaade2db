"""Evidence from traces: time spent in itself or on the way, calls no longer made or made more often."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from stormpetrel.explain.between import between_evidence, usual_time
from stormpetrel.explain.counts import departures, size_of
from stormpetrel.explain.onset import Split
from stormpetrel.explain.situation import F64, NOBODY, Sightings, Situation
from stormpetrel.explain.weights import Weights
from stormpetrel.model.cause import EvidenceItem

_OWN_PAST, _OF_WORST = 97.0, 0.5
_LEAST_TRACED = 50.0  # calls in the trouble from which on it says something not to be among them
_LEAST = 3  # rows of an operation before and during, from which on a median says something


def span_evidence(situation: Situation, split: Split, weights: Weights) -> list[EvidenceItem]:
    """What calls say of each entity; O(rows log rows)."""
    seen = situation.spans
    if seen is None or not len(seen):
        return []
    items = _self_time(seen, split, weights) + _calls(seen, split, weights)
    items += between_evidence(situation, split, weights)
    return [item for item in items if item.entity not in situation.front_door and item.weight != 0.0]


def untraced(situation: Situation, split: Split) -> frozenset[str]:
    """Entities that report requests, while not one of many traced requests of the trouble came through
    them."""
    seen = situation.spans
    if seen is None:
        return frozenset()
    now = seen.time_unix_nano >= split.since_unix_nano
    if seen.count[now].sum() < _LEAST_TRACED:
        return frozenset()
    met = {seen.places[k] for k in np.unique(seen.place[now]).tolist()}
    met |= {seen.places[k] for k in np.unique(seen.target[seen.thing[now]]).tolist() if k >= 0}
    return frozenset(seen.places) - met | (frozenset(situation.entities) - frozenset(seen.places) - met)


def _self_time(seen: Sightings, split: Split, weights: Weights) -> list[EvidenceItem]:
    """Operations that spend more time in themselves than before: not in what they call."""
    known = np.isfinite(seen.own_seconds) & (seen.toward == NOBODY)[seen.thing]
    if not known.any():
        return []
    owner = np.where(seen.target >= 0, seen.target, -1)[seen.thing]
    owner = np.where(owner >= 0, owner, seen.place)
    pair = owner.astype(np.int64) * len(seen.things) + seen.thing
    now = seen.time_unix_nano >= split.since_unix_nano
    best: dict[int, tuple[float, int, float, float]] = {}
    keys, key = np.unique(pair[known], return_inverse=True)
    order = np.argsort(key, kind="stable")
    bounds = np.searchsorted(key[order], np.arange(len(keys) + 1))
    spent, later = seen.own_seconds[known], now[known]
    for k in range(len(keys)):
        mine = order[bounds[k] : bounds[k + 1]]
        score, usual, worst = _slower(spent[mine], later[mine])
        entity, thing = divmod(int(keys[k]), len(seen.things))
        if score >= weights.call_least and score > best.get(entity, (0.0,))[0]:
            best[entity] = (score, thing, usual, worst)
    return [
        EvidenceItem(
            "self time",
            seen.places[entity],
            f"{seen.things[thing]} takes {worst * 1e3:.4g} ms in itself where {usual * 1e3:.4g} ms are usual",
            weights.self_time * float(np.log1p(score)),
            "trace",
            seen.things[thing],
        )
        for entity, (score, thing, usual, worst) in sorted(best.items())
    ]


def _slower(spent: F64, later: NDArray[np.bool_]) -> tuple[float, float, float]:
    """How many usual spreads more time, the usual time, and the worst; 0 where too little is known.

    Pauses that come and go (of a collector, of a cold cache) are usual for most operations: what counts is
    the excess over the operation's own past excursions.
    """
    past, present = spent[~later], spent[later]
    if len(past) < _LEAST or len(present) < 1:
        return 0.0, 0.0, 0.0
    usual, scale = usual_time(past)
    worst, typical = float(present.max()), float(np.median(present))
    off = (_OF_WORST * worst + (1.0 - _OF_WORST) * typical - usual) / scale
    habit = max(float(np.percentile(past, _OWN_PAST)) - usual, 0.0) / scale
    return (1.0 + max(off, 0.0)) / (1.0 + habit) - 1.0, usual, worst


def _calls(seen: Sightings, split: Split, weights: Weights) -> list[EvidenceItem]:
    """Calls that became rarer or more frequent than the rest of what their caller does."""
    found = departures(seen, split.since_unix_nano)
    best: dict[tuple[str, int], tuple[float, int]] = {}
    for k in np.flatnonzero(np.abs(found.score) >= weights.call_least).tolist():
        more = found.score[k] > 0.0
        kind = "extra call" if more else "missing call"
        size = size_of(float(found.score[k]))
        key = (kind, int(found.place[k]))
        if size > best.get(key, (0.0, -1))[0]:
            best[key] = (size, k)
    worth = {"extra call": weights.call_extra, "missing call": weights.call_missing}
    items: dict[int, list[EvidenceItem]] = defaultdict(list)
    for (kind, place), (size, k) in sorted(best.items()):
        name = seen.things[int(found.thing[k])]
        counts = f"{found.seen[k]:.0f} of {name} where {found.usual[k]:.0f} were to be expected"
        text = f"{seen.places[place]}: {kind}, {counts}"
        items[place].append(EvidenceItem(kind, seen.places[place], text, worth[kind] * size, "trace", name))
    return [item for place in sorted(items) for item in items[place]]
