"""Reading series, samples and the quarantine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from stormpetrel.adapters.store import rows
from stormpetrel.adapters.store.part import IN_WINDOW, StorePart, bounds, select, step_of
from stormpetrel.model.quality import Quarantined
from stormpetrel.model.query import LastSamples, SampleSpans
from stormpetrel.model.signal import MetricBatch, SeriesInfo, SeriesPoints
from stormpetrel.model.time import NANOS_PER_SECOND, Window, from_seconds

_OF_SERIES = ("series = {series:UInt32}", *IN_WINDOW)
_SAMPLE = "series, time_unix_nano, value"
_BY_TIME = "ORDER BY time_unix_nano, series, value"
_SERIES_PAGE = 50_000


class SampleReader(StorePart):
    """The reads of `TelemetryStore` that are about metrics."""

    def all_series(self) -> Iterator[SeriesInfo]:
        """Every registered series, by id; fetched 50,000 at a time."""
        sql = select(
            "series, metric, labels, entity, source, kind, unit",
            "series FINAL",
            ["series > {after:Int64}"],
            f"ORDER BY series LIMIT {_SERIES_PAGE}",
        )
        after = -1
        while True:
            page = self._connections.query(sql, {"after": after})
            yield from rows.series_infos(page)
            if page.num_rows < _SERIES_PAGE:
                return
            after = int(page["series"][-1].as_py())

    def last_samples(self, since_unix_nano: int) -> LastSamples:
        """The newest sample of each series that has one since then, by series."""
        sql = select(
            "series, max(time_unix_nano) AS newest, argMax(value, time_unix_nano) AS value",
            "samples",
            ["time_unix_nano >= {since:Int64}"],
            "GROUP BY series ORDER BY series",
        )
        found = self._connections.query(sql, {"since": since_unix_nano})
        return LastSamples(
            rows.column(found, "series", np.uint32),
            rows.column(found, "newest", np.int64),
            rows.column(found, "value", np.float64),
        )

    def read_points(self, series: int, window: Window, max_points: int) -> SeriesPoints:
        """One series, raw when it has at most `max_points` samples there, else in equal steps.

        The time of a step is its start, a multiple of the step's length (the first may lie before the
        window), so that a moving window moves whole steps and the picture does not flicker.
        """
        asked = {"series": series, **bounds(window)}
        held = int(self._connections.value(select("count()", "samples", _OF_SERIES), asked))
        if held <= max_points:
            batch = self.scan_series([series], window)
            return SeriesPoints(batch.time_unix_nano, batch.value, batch.value, batch.value, 0.0, len(batch))
        step = step_of(window, max_points - 1)
        sql = select(
            "time_unix_nano - positiveModulo(time_unix_nano, {step:Int64}) AS step,"
            " avg(value) AS mean, min(value) AS low, max(value) AS high",
            "samples",
            _OF_SERIES,
            "GROUP BY step ORDER BY step",
        )
        found = self._connections.query(sql, {**asked, "step": step})
        return SeriesPoints(
            rows.column(found, "step", np.int64),
            rows.column(found, "mean", np.float64),
            rows.column(found, "low", np.float64),
            rows.column(found, "high", np.float64),
            step / NANOS_PER_SECOND,
            held,
        )

    def scan_samples(self, window: Window, chunk_seconds: float = 900.0) -> Iterator[MetricBatch]:
        """All samples of the window ordered by (time, series)."""
        for found in self._scan(_SAMPLE, "samples", _BY_TIME, window, chunk_seconds):
            yield rows.metric_batch(found)

    def scan_bursts(
        self, series: Sequence[int], window: Window, every_seconds: float, burst_seconds: float
    ) -> MetricBatch:
        """A short run of raw samples out of every step; reads every sample of these series, keeps few."""
        step = max(1, from_seconds(every_seconds))
        asked = {
            "series": list(series),
            "step": step,
            "room": max(1, step - from_seconds(burst_seconds) + 1),
            "burst": from_seconds(burst_seconds),
            **bounds(window),
        }
        inside = (
            "positiveModulo(time_unix_nano, {step:Int64})"
            " - toInt64(cityHash64(intDiv(time_unix_nano, {step:Int64})) % {room:UInt64})"
        )
        sql = select(
            _SAMPLE,
            "samples",
            [
                "series IN {series:Array(UInt32)}",
                *IN_WINDOW,
                f"{inside} >= 0",
                f"{inside} < {{burst:Int64}}",
            ],
            "ORDER BY series, time_unix_nano, value",
        )
        return rows.metric_batch(self._connections.query(sql, asked))

    def sample_spans(self, window: Window) -> SampleSpans:
        """Count, first and last of each series there, by series."""
        sql = select(
            "series, toInt64(count()) AS held, min(time_unix_nano) AS first, max(time_unix_nano) AS last",
            "samples",
            IN_WINDOW,
            "GROUP BY series ORDER BY series",
        )
        found = self._connections.query(sql, bounds(window))
        return SampleSpans(
            rows.column(found, "series", np.uint32),
            rows.column(found, "held", np.int64),
            rows.column(found, "first", np.int64),
            rows.column(found, "last", np.int64),
        )

    def count_samples(self, window: Window, step_seconds: float) -> NDArray[np.int64]:
        """Samples in each step of the window, in one pass."""
        step = max(1, from_seconds(step_seconds))
        length = window.end_unix_nano - window.start_unix_nano
        counts = np.zeros(-(-length // step), np.int64)
        sql = select(
            "intDiv(time_unix_nano - {start:Int64}, {step:Int64}) AS step, toInt64(count()) AS held",
            "samples",
            IN_WINDOW,
            "GROUP BY step ORDER BY step",
        )
        found = self._connections.query(sql, {"step": step, **bounds(window)})
        counts[rows.column(found, "step", np.int64)] = rows.column(found, "held", np.int64)
        return counts

    def scan_series(self, series: Sequence[int], window: Window) -> MetricBatch:
        """Raw samples of a few series, ordered by (time, series)."""
        sql = select(_SAMPLE, "samples", ["series IN {series:Array(UInt32)}", *IN_WINDOW], _BY_TIME)
        found = self._connections.query(sql, {"series": list(series), **bounds(window)})
        return rows.metric_batch(found)

    def read_quarantine(self, window: Window, limit: int = 200, series: int | None = None) -> Quarantined:
        """Quarantined samples, newest first."""
        sql = select(
            f"{_SAMPLE}, verdict",
            "quarantine",
            IN_WINDOW if series is None else _OF_SERIES,
            "ORDER BY time_unix_nano DESC, series DESC LIMIT {limit:UInt64}",
        )
        asked = {"limit": max(0, limit), **bounds(window)}
        found = self._connections.query(sql, asked if series is None else {**asked, "series": series})
        return Quarantined(rows.metric_batch(found), rows.column(found, "verdict", np.uint8))
