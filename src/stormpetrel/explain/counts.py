"""Which counted things became rarer or more frequent: log patterns within a service, calls that it makes.

Counts rise and fall with traffic, so they are compared within their entity: the median of the ratios of its
counts, now to before, says how much more it does than before (the size factor of Anders and Huber,
*Differential
expression analysis for sequence count data*, 2010), and what departs from that is news. How far it departs is
measured in the standard deviations of a count that also varies by itself: its variation from stretch to
stretch of the past counts like noise, so that a thing which comes and goes says little by coming.

Works from a few counts of past on. Fails where a whole entity changes what it does: then the median is
wrong, and everything departs. Cost: O(rows log rows), and things x `STRETCHES` numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormpetrel.explain.situation import F64, I64, Sightings

STRETCHES = 40  # of the past, each as long as the trouble, newest first
MOST = 30.0  # standard deviations that a departure counts at most: beyond it only says how much is logged
LEAST_PAST = 5.0  # counts of an entity before which nothing of it is new
_LEAST_BASE = 1.0  # usual counts in a stretch from which on a ratio says something
_FEW = 3  # things, or stretches, below which a median or a spread says nothing
_SHORTEST = 60_000_000_000  # nanoseconds that a stretch has at least
_SPREAD = 0.3  # of a thing whose spread is unknown


@dataclass(frozen=True, slots=True)
class Departures:
    """Of each pair of place and thing, arrays of [K].

    Attributes:
        place, thing: indices into the sightings' names.
        usual: counts that were to be expected, given how much its place does now.
        seen: counts of the trouble.
        score: how far that is, in standard deviations; positive where it is more.
        fresh: whether it was never seen before, though its place was.
    """

    place: NDArray[np.int64]
    thing: NDArray[np.int64]
    usual: F64
    seen: F64
    score: F64
    fresh: NDArray[np.bool_]


def size_of(score: float) -> float:
    """What a departure is worth as evidence, on a log scale: how much is logged is no measure of guilt.

    >>> size_of(-5.0) == size_of(5.0), size_of(30.0) == size_of(3000.0)
    (True, True)
    """
    return math.log1p(min(abs(score), MOST))


def departures(sightings: Sightings, since_unix_nano: int) -> Departures:
    """How the counts of the trouble depart from those of the past."""
    keys, key, stretch = _keyed(sightings, since_unix_nano)
    table = np.zeros((len(keys), STRETCHES + 1))
    np.add.at(table, (key, stretch), sightings.count)
    place, thing = keys // max(len(sightings.things), 1), keys % max(len(sightings.things), 1)
    total = np.zeros((len(sightings.places), STRETCHES + 1))
    np.add.at(total, place, table)
    active = total[:, :STRETCHES] > 0.0
    stretches = np.maximum(active.sum(axis=1), 1)
    base = table[:, :STRETCHES].sum(axis=1) / stretches[place]
    seen = table[:, STRETCHES]
    factor = _factors(place, base, seen, len(sightings.places))
    usual = base * factor[place]
    spread = _spreads(table[:, :STRETCHES], total[:, :STRETCHES], place, active)
    score = (seen - usual) / np.sqrt(usual + 1.0 + (spread * usual) ** 2)
    past = total[:, :STRETCHES].sum(axis=1)
    known = past[place] >= LEAST_PAST
    return Departures(
        place=place,
        thing=thing,
        usual=usual,
        seen=seen,
        score=np.where(known, score, 0.0),
        fresh=known & (base == 0.0) & (seen > 0.0),
    )


def _keyed(sightings: Sightings, since: int) -> tuple[NDArray[np.int64], NDArray[np.intp], NDArray[np.int64]]:
    """Pairs seen, the pair of each row, and its stretch; the last one is the trouble."""
    times: I64 = sightings.time_unix_nano
    now = times >= since
    length = max(int(times[now].max()) - since if now.any() else 0, _SHORTEST)
    back = np.minimum((since - 1 - times) // length, STRETCHES - 1)
    stretch = np.where(now, STRETCHES, np.maximum(back, 0))
    pair = sightings.place.astype(np.int64) * len(sightings.things) + sightings.thing
    keys, key = np.unique(pair, return_inverse=True)
    return keys, key, stretch


def _factors(place: NDArray[np.int64], base: F64, seen: F64, places: int) -> F64:
    """How much more each place does now than in a usual stretch."""
    factor = np.ones(places)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(places + 1))
    for number in range(places):
        mine = order[starts[number] : starts[number + 1]]
        often = mine[base[mine] >= _LEAST_BASE]
        if len(often) >= _FEW:
            factor[number] = _weighted_median(seen[often] / base[often], base[often])
        elif base[mine].sum() > 0.0:
            factor[number] = seen[mine].sum() / base[mine].sum()
    return factor


def _weighted_median(values: F64, weights: F64) -> float:
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(np.sqrt(weights[order]))
    return float(values[order][int(np.searchsorted(reached, 0.5 * reached[-1]))])


def _spreads(table: F64, total: F64, place: NDArray[np.int64], active: NDArray[np.bool_]) -> F64:
    """Standard deviation of each pair's counts beyond that of mere counting, as a share of their mean."""
    stretches = active.sum(axis=1)
    usual_total = total.sum(axis=1) / np.maximum(stretches, 1)
    busy = np.where(active, total / np.maximum(usual_total, 1e-9)[:, None], 1.0)[place]
    even = np.where(active[place], table / busy, 0.0)
    many = np.maximum(stretches[place], 1)
    mean = even.sum(axis=1) / many
    excess = (even**2).sum(axis=1) / many - mean**2 - mean
    spread = np.sqrt(np.maximum(excess, 0.0)) / np.maximum(mean, 1e-9)
    return np.where(stretches[place] >= _FEW, np.minimum(spread, 3.0), _SPREAD)
