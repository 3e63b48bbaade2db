"""Labelled files as one fleet: every file an entity, all of them starting at one moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stormpetrel.evaluate import labelled
from stormpetrel.evaluate.fleet import START_UNIX_NANO
from stormpetrel.evaluate.labelled import SeriesFile
from stormpetrel.model.signal import AdmittedMetrics, MetricBatch, MetricKind, SeriesInfo

_MINUTE, _HOUR = 60 * 1_000_000_000, 3600 * 1_000_000_000
_DAY_NANOS = 24 * _HOUR
GAP_FACTOR = 5.0  # silence of more than this many usual intervals is a gap, as at intake


@dataclass(frozen=True, slots=True)
class Planted:
    """A real incident: on whom, from when to when."""

    kind: str
    entity: str
    start_unix_nano: int
    end_unix_nano: int


@dataclass(frozen=True, slots=True)
class _Loaded:
    file: SeriesFile
    times: NDArray[np.int64]
    values: NDArray[np.float64]  # [n, columns]
    resumed: NDArray[np.bool_]
    first_series: int


class FileFleet:
    """The files below a folder as one fleet. Labels are not read before `planted`.

    Memory: 9 bytes a value and 8 a row. ConfigError when there is no file, or one cannot be read.
    """

    def __init__(self, data: Path) -> None:
        self._loaded: list[_Loaded] = []
        self.infos: list[SeriesInfo] = []
        for file in labelled.find(data):
            measured = labelled.measurements(file)
            columns, n = measured.values.shape
            if n < 2:
                continue
            times = measured.time_unix_nano - measured.time_unix_nano[0] + START_UNIX_NANO
            steps = np.diff(times, prepend=times[:1])
            resumed = steps > GAP_FACTOR * max(float(np.median(steps[1:65])), 1.0)
            self._loaded.append(
                _Loaded(file, times, np.ascontiguousarray(measured.values.T), resumed, len(self.infos))
            )
            self.infos += [_info(file, len(self.infos) + k, k) for k in range(columns)]
        self._end = max((int(one.times.max()) for one in self._loaded), default=START_UNIX_NANO)

    @property
    def days(self) -> float:
        """Length of the longest file."""
        return (self._end - START_UNIX_NANO) / _DAY_NANOS

    def batches(self) -> Iterator[AdmittedMetrics]:
        """All samples in order of time, a batch for each minute that has any."""
        for hour in range(START_UNIX_NANO, self._end + 1, _HOUR):
            parts = [part for one in self._loaded if (part := _part(one, hour)) is not None]
            if not parts:
                continue
            series, times, values, resumed = (np.concatenate(column) for column in zip(*parts, strict=True))
            order = np.argsort(times, kind="stable")
            series, times, values, resumed = series[order], times[order], values[order], resumed[order]
            edges = np.flatnonzero(np.diff(times // _MINUTE)) + 1
            for rows in np.split(np.arange(len(times)), edges):
                batch = MetricBatch(series[rows], times[rows], values[rows])
                yield AdmittedMetrics(batch, batch.value, resumed[rows])

    def planted(self) -> list[Planted]:
        """The labelled stretches after each file's warm-up."""
        found = []
        for one in self._loaded:
            label = labelled.labels(one.file)
            if label is None:
                continue
            first, _ = labelled.judged_from(one.file, len(label))
            marked = np.concatenate([[False], label & (np.arange(len(label)) >= first), [False]])
            edges = np.flatnonzero(np.diff(marked.astype(np.int8)))
            found += [
                Planted(
                    "labelled", entity_of(one.file), int(one.times[start]), int(one.times[end - 1]) + _MINUTE
                )
                for start, end in zip(edges[::2], edges[1::2], strict=True)
            ]
        return found


def entity_of(file: SeriesFile) -> str:
    """The entity a file stands for."""
    return f"file:{file.dataset}.{file.name}"


def _info(file: SeriesFile, series: int, column: int) -> SeriesInfo:
    labels = (("file", f"{file.dataset}.{file.name}"),)
    return SeriesInfo(series, f"m{column:02d}", labels, entity_of(file), "evaluate", MetricKind.GAUGE)


def _part(
    one: _Loaded, hour: int
) -> tuple[NDArray[np.uint32], NDArray[np.int64], NDArray[np.float64], NDArray[np.bool_]] | None:
    """An hour of one file, row by row; None when it has nothing. Rows out of order are left out."""
    low, high = np.searchsorted(one.times, (hour, hour + _HOUR))
    if low >= high:
        return None
    columns = one.values.shape[1]
    ids = np.arange(one.first_series, one.first_series + columns, dtype=np.uint32)
    return (
        np.tile(ids, int(high - low)),
        np.repeat(one.times[low:high], columns),
        one.values[low:high].ravel(),
        np.repeat(one.resumed[low:high], columns),
    )
