"""A series for showing: rates of counters, down-sampling, and the band, recomputed from stored samples."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stormpetrel.app.config import Config
from stormpetrel.app.pipeline import build_banks, build_gate
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, MetricKind, SeriesInfo, SeriesPoints
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.model.view import BandView

# A band is recomputed over at most this many samples (about 60 ms); longer windows show none.
MAX_BAND_SAMPLES = 120_000
_KIND_CODES = {MetricKind.UNKNOWN: 0, MetricKind.GAUGE: 1, MetricKind.COUNTER: 2, MetricKind.DELTA: 3}


def admit_alone(config: Config, info: SeriesInfo, batch: MetricBatch) -> AdmittedMetrics:
    """One series through a gate of its own, as series 0: what its detectors judge."""
    alone = MetricBatch(np.zeros(len(batch), np.uint32), batch.time_unix_nano, batch.value)
    now = int(batch.time_unix_nano[-1]) if len(batch) else 0
    gate = build_gate(
        config.model_copy(update={"intake": config.intake.model_copy(update={"late_seconds": 1e9})}),
        stored=True,
    )
    kinds = np.array([_KIND_CODES[info.kind]], np.uint8)
    return gate.admit(alone, now, kinds, np.zeros(1, np.uint8)).admitted


def band_of(
    config: Config, info: SeriesInfo, admitted: AdmittedMetrics, window: Window, max_points: int
) -> BandView:
    """What the first detector bank expected of the series inside the window."""
    scores = build_banks(config)[0].update(admitted)
    times = admitted.batch.time_unix_nano
    inside = np.flatnonzero((times >= window.start_unix_nano) & (times < window.end_unix_nano))
    step = max(1, -(-len(inside) // max(1, max_points)))
    # The last sample of each step: a band is smooth, its extremes carry nothing.
    rows = inside[step - 1 :: step]
    # A band beyond what the value can be says nothing and spoils the scale of the chart.
    most = np.fmax(info.greatest(), admitted.signal[rows])
    high = np.minimum(scores.high[rows], most)
    return BandView(times[rows], scores.expected[rows], scores.low[rows], high, scores.p_value[rows])


def downsample(
    times: NDArray[np.int64], values: NDArray[np.float64], window: Window, max_points: int
) -> SeriesPoints:
    """Mean, least and greatest of each of at most `max_points` steps; raw when fewer; NaN is left out."""
    keep = np.isfinite(values) & (times >= window.start_unix_nano) & (times < window.end_unix_nano)
    times, values = times[keep], values[keep]
    if len(times) <= max_points:
        return SeriesPoints(times, values, values.copy(), values.copy(), 0.0, len(times))
    step = max(1, -(-(window.end_unix_nano - window.start_unix_nano) // max_points))
    cell = (times - window.start_unix_nano) // step
    starts = np.concatenate([[0], np.flatnonzero(np.diff(cell)) + 1])
    counts = np.diff(np.append(starts, len(times)))
    return SeriesPoints(
        window.start_unix_nano + cell[starts] * step,
        np.add.reduceat(values, starts) / counts,
        np.minimum.reduceat(values, starts),
        np.maximum.reduceat(values, starts),
        step / 1e9,
        len(times),
    )


def lead_in(config: Config, window: Window) -> Window:
    """The window with enough of the past before it for the detectors to be warm inside."""
    return Window(window.start_unix_nano - from_seconds(config.detect.season_seconds), window.end_unix_nano)
