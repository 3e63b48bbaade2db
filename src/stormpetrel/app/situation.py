"""Makes a situation of what the store holds around a trouble, for `explain.rank.diagnose`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from stormpetrel.explain.logs import tells_of_failure
from stormpetrel.explain.situation import NOBODY, KnownChange, Sightings, indexed
from stormpetrel.ingest.derive_patterns import PATTERN_METRIC
from stormpetrel.model.query import CallTally, GridSamples, PatternTally
from stormpetrel.model.records import Change, ChangeState
from stormpetrel.model.resource import root_of
from stormpetrel.model.signal import MetricKind, SeriesInfo
from stormpetrel.model.time import Window, from_seconds

F64 = NDArray[np.float64]
_ERROR = 17  # severity number from which on a record tells of a failure
_BUCKETS = "_bucket"


def grid_of(
    held: GridSamples, window: Window, step_seconds: float, describe: Callable[[int], SeriesInfo]
) -> tuple[NDArray[np.int64], F64, tuple[str, ...], tuple[str, ...]]:
    """Times, values, root entities and selectors of the series of a window; counters as rates.

    The buckets of histograms are left out: their quantiles are series of their own; so are the counts of log
    patterns, which are looked at as what they are. The grid begins where anything is known: of an hour that
    is asked for, a young installation has some minutes.
    """
    step = from_seconds(step_seconds)
    steps = max(1, -(-(window.end_unix_nano - window.start_unix_nano) // step))
    numbers, column = np.unique(held.series, return_inverse=True)
    infos = [describe(int(one)) for one in numbers]
    mean = np.full((steps, len(numbers)), np.nan)
    high = np.full((steps, len(numbers)), np.nan)
    inside = (held.step >= 0) & (held.step < steps)
    mean[held.step[inside], column[inside]] = held.mean[inside]
    high[held.step[inside], column[inside]] = held.high[inside]
    counters = np.array([info.kind is MetricKind.COUNTER for info in infos], np.bool_)
    mean[:, counters] = _rates(high[:, counters], step_seconds)
    kept = [k for k, info in enumerate(infos) if not info.metric.endswith((_BUCKETS, PATTERN_METRIC))]
    times = window.start_unix_nano + step * np.arange(steps, dtype=np.int64)
    texts = tuple(infos[k].text() for k in kept)
    first = int(np.isfinite(mean).any(axis=1).argmax()) if mean.size else 0
    first = min(first, max(steps - 2, 0))  # one moment before the trouble, at least, though nothing is known
    return times[first:], mean[first:, kept], tuple(root_of(infos[k].entity) for k in kept), texts


def _rates(totals: F64, step_seconds: float) -> F64:
    """Increase a second from step to step; unknown after a gap, and where a counter began anew."""
    if not len(totals):
        return totals
    grown = np.diff(totals, axis=0, prepend=np.full((1, totals.shape[1]), np.nan)) / step_seconds
    return np.where(grown >= 0.0, grown, np.nan)


def patterns_of(
    held: PatternTally,
    window: Window,
    step_seconds: float,
    text_of: Callable[[Sequence[int]], dict[int, str]],
) -> Sightings | None:
    """Log patterns as sightings; None when there are none. `text_of`: what patterns say, by id."""
    if not len(held.count):
        return None
    texts = text_of(sorted(set(held.pattern.tolist())))
    place, places = indexed([root_of(one) for one in held.entity])
    thing, things = indexed(
        [texts.get(one, f"pattern {one & (2**64 - 1):016x}") for one in held.pattern.tolist()]
    )
    worst = np.zeros(len(things), np.uint8)
    np.maximum.at(worst, thing, held.severity)
    failing = np.array([tells_of_failure(text) for text in things], np.bool_) | (worst >= _ERROR)
    return Sightings(
        time_unix_nano=_times(held.step, window, step_seconds),
        place=place,
        thing=thing,
        count=held.count.astype(np.float64),
        places=places,
        things=things,
        failing=failing,
        target=np.full(len(things), -1, np.int32),
        toward=np.full(len(things), NOBODY, np.int32),
        own_seconds=np.full(len(held.count), np.nan),
    )


def calls_of(
    held: CallTally, window: Window, step_seconds: float
) -> tuple[Sightings | None, tuple[tuple[str, str], ...]]:
    """Calls as sightings, and who calls whom."""
    if not len(held.count):
        return None, ()
    callee = [root_of(one) for one in held.entity]
    caller = [root_of(one) if one else own for one, own in zip(held.caller, callee, strict=True)]
    whither = [root_of(one) if one else own for one, own in zip(held.toward, callee, strict=True)]
    place, places = indexed([*caller, *callee, *whither])
    names = [
        f"{entity} {name}{f' to {to}' if to != entity else ''}{' failed' if failed else ''}"
        for entity, name, to, failed in zip(callee, held.name, whither, held.failing.tolist(), strict=True)
    ]
    thing, things = indexed(names)
    rows = len(callee)
    target, toward = np.full(len(things), -1, np.int32), np.full(len(things), NOBODY, np.int32)
    target[thing] = place[rows : 2 * rows]
    toward[thing] = np.where(place[2 * rows :] != place[rows : 2 * rows], place[2 * rows :], NOBODY)
    failing = np.zeros(len(things), np.bool_)
    failing[thing] = held.failing
    edges = {(one, other) for one, other in zip(caller, callee, strict=True) if one != other}
    return (
        Sightings(
            time_unix_nano=_times(held.step, window, step_seconds),
            place=place[:rows],
            thing=thing,
            count=held.count.astype(np.float64),
            places=places,
            things=things,
            failing=failing,
            target=target,
            toward=toward,
            own_seconds=held.own_seconds,
        ),
        tuple(sorted(edges)),
    )


def changes_of(changes: Sequence[Change], services: Mapping[str, str]) -> tuple[KnownChange, ...]:
    """Changes that took effect, or may have: the newest message of each.

    `services`: the service that a changed workload is, by the entity of the workload.
    """
    newest: dict[str, Change] = {}
    for change in sorted(changes, key=lambda one: one.time_unix_nano):
        newest[change.change_id] = change
    return tuple(
        KnownChange(
            change_id=one.change_id,
            time_unix_nano=one.time_unix_nano,
            entity=services.get(root_of(one.entity), root_of(one.entity)),
            kind=one.kind.value,
            text=" ".join([one.title, one.version, *map(str, one.attributes.values())])[:20_000],
        )
        for one in newest.values()
        if one.state is not ChangeState.FAILED
    )


def _times(step: NDArray[np.int64], window: Window, step_seconds: float) -> NDArray[np.int64]:
    times: NDArray[np.int64] = window.start_unix_nano + step * from_seconds(step_seconds)
    return times
