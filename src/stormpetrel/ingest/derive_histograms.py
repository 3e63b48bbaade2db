"""Quantiles of classic histograms as gauges `NAME:p50`, `NAME:p90`, `NAME:p99`, one a label set.

They come from the rates of the `_bucket` series over each interval between admitted samples, interpolated
as Prometheus does (`derive_quantile`), when all buckets of one time are there. Differences from a recording
rule over `histogram_quantile(0.99, rate(x_bucket[1m]))`: the window is one interval of the sender, label sets
are not added up, and there is no value when fewer than ten observations, or fewer than leave one above the
quantile on average, fell into the interval: too few is unknown. After a reset, a gap, and at the first
sample there is none either. A bucket that is missing is left out, as Prometheus leaves it out.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.ingest.derive_quantile import histogram_quantile
from stormpetrel.ingest.derive_series import DERIVED_SOURCE, STALE
from stormpetrel.ingest.derive_windows import QUANTILES
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, MetricKind, SeriesInfo
from stormpetrel.model.time import from_seconds

MOST_BUCKETS = 80
_LEAST = 10.0
_NOT_LOOKED_AT, _NO_BUCKET = -1, -2
# A histogram that was silent for this long gives its place to a new one.
_FORGET_NANOS = from_seconds(3600)
_Q: NDArray[np.float64] = np.array(QUANTILES)

_VALUE, _ENDED = 1, 2


class Histograms(NamedTuple):
    """The state as compiled code reads it; g histograms of up to b buckets."""

    group_of: NDArray[np.int32]  # by series id
    slot_of: NDArray[np.int16]
    bounds: NDArray[np.float64]  # [g, b], ascending
    rates: NDArray[np.float64]  # [g, b] of the present time; NaN: not there
    size: NDArray[np.int64]
    time: NDArray[np.int64]  # the present time of each histogram
    before: NDArray[np.int64]  # the time before; 0: none
    seen: NDArray[np.int64]  # buckets that came at the present time
    expected: NDArray[np.int64]  # and at the time before
    told: NDArray[np.bool_]
    given: NDArray[np.bool_]  # [g, quantiles], whether the last one had a value


@njit(nogil=True, cache=True)
def _take(
    series: NDArray[np.uint32], times: NDArray[np.int64], rates: NDArray[np.float64], h: Any, out: Any
) -> int:
    """Walk the rows in order; write one row for each histogram and time that is complete."""
    out_group, out_time, out_value, out_what = out
    count = 0
    for i in range(len(series)):
        g = h.group_of[series[i]]
        if g < 0 or times[i] < h.time[g]:
            continue
        if times[i] > h.time[g]:
            if h.seen[g] > 0 and not h.told[g]:
                count += _tell(g, h, (out_group, out_time, out_value, out_what), count)
            h.expected[g] = h.seen[g] if h.seen[g] > 0 else h.size[g]
            h.before[g], h.time[g] = h.time[g], times[i]
            h.seen[g], h.told[g] = 0, False
            h.rates[g, :] = np.nan
        h.rates[g, h.slot_of[series[i]]] = rates[i]
        h.seen[g] += 1
        if not h.told[g] and h.seen[g] >= h.expected[g]:
            count += _tell(g, h, (out_group, out_time, out_value, out_what), count)
            h.told[g] = True
    return count


@njit(nogil=True, cache=True)
def _tell(
    g: int,
    h: Any,
    out: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64], NDArray[np.uint8]],
    at: int,
) -> int:
    """The quantiles of one histogram at its present time; 1 when there is anything to say.

    `out`: group, time, values and what they are, written in row `at`.
    """
    out_group, out_time, out_value, out_what = out
    there = np.flatnonzero(~np.isnan(h.rates[g, : h.size[g]]))
    if h.before[g] == 0 or len(there) < 2 or not np.isinf(h.bounds[g, there[-1]]):
        return 0
    bounds, rates = h.bounds[g][there], h.rates[g][there]
    observed = rates.max() * (h.time[g] - h.before[g]) * 1e-9
    said = 0
    for k in range(len(_Q)):
        enough = observed >= _LEAST and observed * (1.0 - _Q[k]) >= 1.0 - 1e-9
        value = histogram_quantile(_Q[k], bounds, rates) if enough else np.nan
        out_what[at, k] = _VALUE if np.isfinite(value) else _ENDED if h.given[g, k] else 0
        out_value[at, k] = value
        h.given[g, k] = np.isfinite(value)
        said |= out_what[at, k]
    out_group[at], out_time[at] = g, h.time[g]
    return 1 if said else 0


class HistogramQuantiles:
    """See the module. Deterministic in the order of samples.

    Cost: some tens of nanoseconds for a sample of a bucket, one or two for any other. Memory: about 1.3 kB a
    histogram, and six bytes a series.

    Args:
        registry: knows the series and gives ids to derived ones.
        max_histograms: label sets followed at a time; further ones are counted in `refused`.
    """

    def __init__(self, registry: SeriesRegistry, max_histograms: int = 2000) -> None:
        self._registry = registry
        self._most = max_histograms
        self._groups: dict[tuple[str, tuple[tuple[str, str], ...]], int] = {}
        self._members: list[list[tuple[float, int]]] = [[] for _ in range(max_histograms)]
        self._series = np.zeros((max_histograms, len(_Q)), np.uint32)
        self._state = _empty(max_histograms)
        self._now = 0
        self.refused = 0

    def __len__(self) -> int:
        return len(self._groups)

    def take(self, admitted: AdmittedMetrics) -> MetricBatch:
        """The quantiles that these admitted samples complete."""
        batch = admitted.batch
        if not len(batch) or not self._most:
            return MetricBatch.empty()
        self._now = max(self._now, int(batch.time_unix_nano.max()))
        self._look_at(batch.series)
        out = (
            np.zeros(len(batch) + 1, np.int64),
            np.zeros(len(batch) + 1, np.int64),
            np.zeros((len(batch) + 1, len(_Q))),
            np.zeros((len(batch) + 1, len(_Q)), np.uint8),
        )
        # One compiled form: contiguous and writable, whatever the sender's columns are.
        rows = (
            np.require(batch.series, np.uint32, ["C", "W"]),
            np.require(batch.time_unix_nano, np.int64, ["C", "W"]),
            np.require(admitted.signal, np.float64, ["C", "W"]),
        )
        count = _take(*rows, self._state, out)
        group, time, value, what = out[0][:count], out[1][:count], out[2][:count], out[3][:count]
        value[what == _ENDED] = STALE
        told = (what > 0).ravel()
        series = self._series[group].ravel()[told]
        return MetricBatch(series, np.repeat(time, len(_Q))[told], value.ravel()[told])

    def _look_at(self, series: NDArray[np.uint32]) -> None:
        """Find out which of the series not seen before are buckets."""
        size = int(series.max()) + 1
        if size > len(self._state.group_of):
            self._state = _grown(self._state, size)
        fresh = series[self._state.group_of[series] == _NOT_LOOKED_AT]
        for one in dict.fromkeys(fresh.tolist()):
            self._state.group_of[one] = _NO_BUCKET
            self._enter(self._registry.info(one))

    def _enter(self, info: SeriesInfo) -> None:
        labels = dict(info.labels)
        bound = _bound_of(labels.pop("le", ""))
        name = info.metric.removesuffix("_bucket")
        counts = info.kind in (MetricKind.COUNTER, MetricKind.DELTA)
        if bound is None or name == info.metric or not counts or info.source == DERIVED_SOURCE:
            return
        group = self._group(name, tuple(labels.items()), info.entity)
        if group is None:
            return
        members = self._members[group]
        if len(members) >= MOST_BUCKETS or any(bound == known for known, _ in members):
            return
        members.append((bound, info.series))
        members.sort()
        self._arrange(group)

    def _group(self, name: str, labels: tuple[tuple[str, str], ...], entity: str) -> int | None:
        known = self._groups.get((name, labels))
        if known is not None:
            return known
        if len(self._groups) < self._most:
            group = len(self._groups)
        else:
            found = self._silent()
            if found is None:
                self.refused += 1
                return None
            group = found
        self._groups[(name, labels)] = group
        self._series[group] = [
            self._registry.intern(
                f"{name}:p{round(100 * q)}", labels, DERIVED_SOURCE, MetricKind.GAUGE, "", entity
            )
            for q in QUANTILES
        ]
        return group

    def _silent(self) -> int | None:
        """The place of a histogram that was silent for long, given up; None when all speak."""
        state = self._state
        spoken = np.where(state.time > 0, state.time, self._now)  # one may have entered just now
        oldest = int(np.argmin(spoken))
        if spoken[oldest] > self._now - _FORGET_NANOS:
            return None
        del self._groups[next(key for key, group in self._groups.items() if group == oldest)]
        for _, series in self._members[oldest]:
            state.group_of[series] = _NOT_LOOKED_AT
        self._members[oldest] = []
        for column in (state.size, state.time, state.before, state.seen, state.expected, state.told):
            column[oldest] = 0
        state.given[oldest] = False
        return oldest

    def _arrange(self, group: int) -> None:
        """Put the buckets of a histogram in order; what came of the present time keeps its bucket."""
        state, members = self._state, self._members[group]
        held = {}
        for series in (series for _, series in members):
            if state.group_of[series] == group:
                held[series] = state.rates[group, state.slot_of[series]]
        state.rates[group] = np.nan
        for slot, (bound, series) in enumerate(members):
            state.bounds[group, slot] = bound
            state.group_of[series], state.slot_of[series] = group, slot
            state.rates[group, slot] = held.get(series, np.nan)
        state.size[group] = len(members)


def _bound_of(text: str) -> float | None:
    """The bound a label `le` says; None when it says none.

    >>> _bound_of("+Inf"), _bound_of("0.5"), _bound_of("")
    (inf, 0.5, None)
    """
    try:
        bound = float(text)
    except ValueError:
        return None
    return None if math.isnan(bound) or bound == -math.inf else bound


def _empty(groups: int) -> Histograms:
    return Histograms(
        np.full(1024, _NOT_LOOKED_AT, np.int32),
        np.zeros(1024, np.int16),
        np.zeros((groups, MOST_BUCKETS)),
        np.full((groups, MOST_BUCKETS), np.nan),
        np.zeros(groups, np.int64),
        np.zeros(groups, np.int64),
        np.zeros(groups, np.int64),
        np.zeros(groups, np.int64),
        np.zeros(groups, np.int64),
        np.zeros(groups, np.bool_),
        np.zeros((groups, len(_Q)), np.bool_),
    )


def _grown(state: Histograms, size: int) -> Histograms:
    held = len(state.group_of)
    room = max(size, 2 * held)
    group_of, slot_of = np.full(room, _NOT_LOOKED_AT, np.int32), np.zeros(room, np.int16)
    group_of[:held], slot_of[:held] = state.group_of, state.slot_of
    return state._replace(group_of=group_of, slot_of=slot_of)
