"""Evidence from the time between a call and its being served: the network, or a callee that does not listen.

A client's span that outlasts what its callee did of it lost the difference on the way. Often it is not known
whom such a span went to. Then those callees are suspected that were called whenever time was lost, and not
called when none was, as one finds a faulty statement by the tests that pass through it (Jones and Harrold,
*Empirical evaluation of the Tarantula automatic fault-localization technique*, 2005); here with the size of
the loss in place of pass and fail.

Works from a few spans of a caller's past on. Fails where several callees are always called together: they
share the blame. Cost: O(rows log rows).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from stormpetrel.explain.onset import Split
from stormpetrel.explain.situation import F64, NOBODY, UNTOLD, Sightings, Situation
from stormpetrel.explain.weights import Weights
from stormpetrel.model.cause import EvidenceItem

_FLOOR_OF_USUAL, _FLOOR_SECONDS = 0.2, 1e-3
_HABIT = 90.0  # percentile of the past up to which a caller loses time by habit
_LEAST_PAST = 3  # rows
_LEAST_LOSS = 0.7  # on the log scale of `_losses`: twice the habit
_DOUBT = 1.0  # moments without loss that are added to everybody's
_LEAST_SAID = 0.05

Moment = tuple[int, int, int]  # caller, callee or `UNTOLD`, time


@dataclass(slots=True)
class _Lost:
    """What calls lose: the loss at each moment, and of each caller the worst time and the usual one."""

    at: dict[Moment, float] = field(default_factory=dict)
    told: dict[int, tuple[float, float]] = field(default_factory=dict)


def usual_time(past_seconds: F64) -> tuple[float, float]:
    """The median of past times, and the spread that departures are measured by, never below a floor."""
    low, usual, high = np.percentile(past_seconds, [10.0, 50.0, 90.0]).tolist()
    return usual, max(high - low, _FLOOR_OF_USUAL * usual, _FLOOR_SECONDS)


def between_evidence(situation: Situation, split: Split, weights: Weights) -> list[EvidenceItem]:
    """Callees on the way to which time is lost that was not lost before; O(rows log rows)."""
    seen = situation.spans
    if seen is None or weights.between <= 0.0:
        return []
    lost = _losses(situation, seen, split)
    total = sum(lost.at.values())
    if total <= 0.0:
        return []
    items = []
    for callee, moments in sorted(_met(seen, split, lost).items()):
        found = sum(lost.at[one] for one in moments)
        size = found / (len(moments) + _DOUBT) * found / total
        if size > _LEAST_SAID:
            caller = max(moments, key=lambda one: (lost.at[one], one))[0]
            worst, usual = lost.told[caller]
            text = (
                f"calls of {seen.places[caller]} lose up to {worst * 1e3:.4g} ms on the way"
                f" where {usual * 1e3:.4g} ms are usual, and it is among those called then"
            )
            name = seen.places[caller]
            items.append(
                EvidenceItem("between", seen.places[callee], text, weights.between * size, "trace", name)
            )
    return items


def _losses(situation: Situation, seen: Sightings, split: Split) -> _Lost:
    """How much longer than usual each caller's calls were on the way, on a log scale, above its habit."""
    toward = seen.toward[seen.thing].astype(np.int64)
    rows = np.flatnonzero((toward != NOBODY) & np.isfinite(seen.own_seconds))
    pairs, pair = np.unique(seen.place[rows] * _pair_base(seen) + toward[rows] - UNTOLD, return_inverse=True)
    time, spent = seen.time_unix_nano[rows], seen.own_seconds[rows]
    now = time >= split.since_unix_nano
    # The report may be right where the onset is not: what is after either is no past.
    calm = min(split.since_unix_nano, situation.anchor_unix_nano)
    past = (time < calm) & situation.usable_at(time)
    order = np.argsort(pair, kind="stable")
    bounds = np.searchsorted(pair[order], np.arange(len(pairs) + 1))
    lost = _Lost()
    for k, key in enumerate(pairs.tolist()):
        mine = order[bounds[k] : bounds[k + 1]]
        before, later = spent[mine[past[mine]]], mine[now[mine]]
        if len(before) < _LEAST_PAST or not len(later):
            continue
        usual, scale = usual_time(before)
        habit = (float(np.percentile(before, _HABIT)) - usual) / scale
        size = np.log1p(np.maximum(spent[later] - usual, 0.0) / scale) - np.log1p(habit)
        size[size < _LEAST_LOSS] = 0.0
        caller, callee = key // _pair_base(seen), key % _pair_base(seen) + UNTOLD
        for at, one in zip(time[later].tolist(), size.tolist(), strict=True):
            lost.at[caller, callee, at] = max(lost.at.get((caller, callee, at), 0.0), one)
        lost.told[caller] = max(lost.told.get(caller, (0.0, 0.0)), (float(spent[later].max()), usual))
    return lost


def _pair_base(seen: Sightings) -> int:
    return len(seen.places) - UNTOLD


def _met(seen: Sightings, split: Split, lost: _Lost) -> dict[int, set[Moment]]:
    """Of each callee the moments of its callers at which it may have been on the way."""
    met: dict[int, set[Moment]] = defaultdict(set)
    untold: dict[tuple[int, int], Moment] = {}
    for moment in lost.at:
        caller, callee, time = moment
        if callee == UNTOLD:
            untold[caller, time] = moment
        else:
            met[callee].add(moment)
    if not untold:
        return met
    asked = seen.target[seen.thing]
    rows = (seen.time_unix_nano >= split.since_unix_nano) & (asked >= 0) & (asked != seen.place)
    called = np.column_stack([asked[rows], seen.place[rows], seen.time_unix_nano[rows]])
    for one, caller, time in np.unique(called, axis=0).tolist():
        if (caller, time) in untold:
            met[one].add(untold[caller, time])
    return met
