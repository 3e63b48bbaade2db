"""Prometheus remote write 2.0, `io.prometheus.write.v2.Request`: unpacked bodies to metric batches.

Specification: https://prometheus.io/docs/specs/prw/remote_write_spec_2_0/ (release candidates 3 and 4). Type
and unit come with each series; exemplars are skipped and counted as not written, which is no error; a
staleness marker keeps its bits.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormpetrel.errors import DecodeError
from stormpetrel.ingest import remote_write_v2_wire as wire
from stormpetrel.ingest.counter_starts import CounterStarts
from stormpetrel.ingest.families import FamilyType, families_of, read_as
from stormpetrel.ingest.native_histograms import HistogramError
from stormpetrel.ingest.remote_write_bounds import check_counts, check_unusual, partly_refused
from stormpetrel.ingest.remote_write_histograms import MAX_MILLIS, HistogramRows, HistogramSeries, Sent
from stormpetrel.ingest.remote_write_labels import check_labels, show
from stormpetrel.ingest.remote_write_proto import parse
from stormpetrel.ingest.remote_write_table import UNKNOWN_ID, LabelTable
from stormpetrel.ingest.remote_write_v2_proto import Described, Request, TimeSeries, described
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.push import Decoded
from stormpetrel.model.signal import MetricBatch, MetricKind
from stormpetrel.model.time import NANOS_PER_MILLISECOND

_HEADER = "X-Prometheus-Remote-Write-{}-Written"


@dataclass(slots=True)
class _Read:
    """A request as read: rows in order, and the series whose ids are still to be found."""

    series: NDArray[np.uint32]  # [rows]
    millis: NDArray[np.int64]  # [rows]
    value: NDArray[np.float64]  # [rows]
    start_millis: NDArray[np.int64]  # [rows]; since when the series counts, 0 where not said
    rows: list[tuple[int, int]] = field(default_factory=list)  # first and end row of each unknown series
    unknown: list[Described] = field(default_factory=list)
    lines: NDArray[np.uint64] | None = None  # [unknown, wire.LINE]; None: not to be remembered
    histograms: list[tuple[Described, bytes]] = field(default_factory=list)  # whose, and the message


class RemoteWriteV2:
    """Reads remote write 2.0 requests.

    The usual request is read in one compiled pass; a series that is new, or whose type or unit is not
    what it was, and any request that pass does not know, takes the protobuf library; the outcome is the
    same. The answer counts what was written in the headers that 2.0 asks for; where a part was refused
    it is 400, which tells the sender not to repeat what would be refused again.

    Args:
        registry: gives the series their ids.
    """

    def __init__(self, registry: SeriesRegistry) -> None:
        self._registry = registry
        self._table = LabelTable()
        self._said = np.zeros(1024, np.uint64)  # by series id: type and unit it was declared with
        self._histograms = HistogramSeries(registry)
        self._starts = CounterStarts(registry)
        self._lock = threading.Lock()

    def decode(self, body: bytes, source: str) -> Decoded:
        """Samples of one unpacked body, O(bytes); thread-safe.

        Raises:
            TooLargeError: more series, samples, histograms or symbols than a request may have.
            DecodeError: not remote write 2.0.
        """
        keys, ids = self._table.arrays
        read = _read_usual(body, (keys, ids, self._said))
        if read is None:
            read = _read_unusual(body)
        tally = RejectTally()
        keep = (read.millis >= -MAX_MILLIS) & (read.millis <= MAX_MILLIS)
        tally.add("time_out_of_range", len(keep) - int(keep.sum()))
        rows = HistogramRows()
        histograms = 0
        if read.unknown or read.histograms:
            with self._lock:
                self._intern(read, source, keep, tally)
                histograms = self._flatten(read, source, rows, tally)
        samples = int((keep & (read.series != UNKNOWN_ID)).sum())
        refused = int(keep.sum()) - samples + len(read.histograms) - histograms
        batch = self._batch(read, keep, rows)
        return _answered(batch, tally, (samples, histograms), refused)

    def _batch(self, read: _Read, keep: NDArray[np.bool_], rows: HistogramRows) -> MetricBatch:
        batch = MetricBatch(read.series, read.millis * NANOS_PER_MILLISECOND, read.value)
        starts = read.start_millis
        if not keep.all():
            batch, starts = batch.take(keep), starts[keep]
        if rows.total:
            series, millis, values, created = rows.columns()
            flat = MetricBatch(series, millis * NANOS_PER_MILLISECOND, values)
            batch, starts = MetricBatch.concat([batch, flat]), np.concatenate([starts, created])
        if not starts.any():
            return batch
        sane = np.where(np.abs(starts) <= MAX_MILLIS, starts, 0)
        return self._starts.with_zeros(batch, sane * NANOS_PER_MILLISECOND)

    def _intern(self, read: _Read, source: str, keep: NDArray[np.bool_], tally: RejectTally) -> None:
        """Give each unknown series its id. A refused id is not remembered: room may come back."""
        ids = np.full(len(read.unknown), UNKNOWN_ID, np.uint32)
        for i, (told, (first, end)) in enumerate(zip(read.unknown, read.rows, strict=True)):
            checked = told.fault or check_labels(told.labels)
            if isinstance(checked, str):
                tally.add(checked, int(keep[first:end].sum()), show(told.labels))
                keep[first:end] = False
                continue
            metric, pairs = checked
            kind, unit = kind_said(metric, told.family_type, told.unit)
            # REFUSED_SERIES is UNKNOWN_ID: admission counts those rows, the table skips them.
            ids[i] = series = self._registry.intern(metric, pairs, source, kind, unit)
            read.series[first:end] = series
        if read.lines is not None and len(ids):
            self._remember(read, ids, read.lines)

    def _remember(self, read: _Read, ids: NDArray[np.uint32], lines: NDArray[np.uint64]) -> None:
        """Learn keys and metadata of series that were unknown, or changed.

        A series that says two things of itself in one request is not remembered as having said either, so
        that the registry hears of both each time, in order.
        """
        known = ids != UNKNOWN_ID
        series, told = ids[known], lines[known, wire.META]
        if len(series):
            self._grow(int(series.max()))
            changed = self._said[series] != 0
            self._said[series] = told
            at_odds = self._said[series] != told  # of one id twice, the last one holds
            if changed.any():
                others = np.ones(len(read.series), np.bool_)
                for first, end in read.rows:
                    others[first:end] = False
                at_odds |= changed & np.isin(series, read.series[others])
            self._said[series[at_odds]] = 0
        self._table.insert(lines[:, wire.KEY : wire.KEY + 2], ids)

    def _grow(self, series: int) -> None:
        if series >= len(self._said):
            said = np.zeros(max(2 * len(self._said), series + 1), np.uint64)
            said[: len(self._said)] = self._said
            self._said = said

    def _flatten(self, read: _Read, source: str, rows: HistogramRows, tally: RejectTally) -> int:
        """Rows of the histograms; how many of them had room for all their series."""
        written = 0
        for told, message in read.histograms:
            checked = told.fault or check_labels(told.labels)
            if isinstance(checked, str):
                tally.add(checked, 1, show(told.labels))
                continue
            metric, pairs = checked
            sent = Sent(metric, pairs, message, told.unit, told.created_millis)
            try:
                written += self._histograms.add(sent, source, rows)
            except HistogramError as error:
                tally.add(str(error), 1, show(told.labels))
        return written


def kind_said(metric: str, family_type: int, unit: str) -> tuple[MetricKind, str]:
    """Kind and unit of a metric whose family has this type; the suffix that its type gives it counts first.

    >>> kind_said("rpc_seconds_sum", 3, "seconds")
    (<MetricKind.COUNTER: 'counter'>, 'seconds')
    >>> kind_said("temperature_sum", 2, "")
    (<MetricKind.GAUGE: 'gauge'>, '')
    """
    known = FamilyType(family_type) if 0 <= family_type < len(FamilyType) else FamilyType.UNKNOWN
    readings = (read_as(known, suffix, unit) for _, suffix in reversed(families_of(metric)))
    return next((reading for reading in readings if reading is not None), (MetricKind.UNKNOWN, ""))


def _answered(batch: MetricBatch, tally: RejectTally, written: tuple[int, int], refused: int) -> Decoded:
    """The outcome with the headers that 2.0 asks for; 400 with a text where a part was not written."""
    counts = zip(("Samples", "Histograms", "Exemplars"), (*written, 0), strict=True)
    headers = tuple((_HEADER.format(name), str(count)) for name, count in counts)
    if not tally.rows and not refused:
        return Decoded(metrics=batch, status=204, answer_headers=headers)
    return Decoded(
        metrics=batch,
        rejected=tally.rejected(),
        answer=partly_refused(tally),
        answer_type="text/plain; charset=utf-8",
        status=400,
        answer_headers=headers,
    )


def _check_symbols(first: bytes) -> None:
    if first:
        raise DecodeError("the first symbol must be empty: the body is not a remote write 2.0 request")


def _read_usual(
    body: bytes, table: tuple[NDArray[np.uint64], NDArray[np.uint32], NDArray[np.uint64]]
) -> _Read | None:
    """The compiled way; None when the request is not of the usual shape."""
    buf = np.frombuffer(body, np.uint8)
    usual, counts = wire.measure(buf, len(buf))
    if not usual:
        return None
    symbol_count, series_count, samples, held = (int(n) for n in counts)
    check_counts(series_count, samples, held, symbols=symbol_count)
    columns = (
        np.empty(samples, np.uint32),
        np.empty(samples, np.int64),
        np.empty(samples, np.uint64),
        np.empty(samples, np.int64),
    )
    spans, hashes = np.empty((symbol_count, 2), np.int64), np.empty((symbol_count, 2), np.uint64)
    lines = np.empty((series_count, wire.LINE), np.uint64)
    histograms = np.empty((held, 4), np.int64)
    usual, missing = wire.read(buf, len(buf), table, (spans, hashes), columns, (lines, histograms))
    if not usual:
        return None
    if symbol_count:
        _check_symbols(body[spans[0, 0] : spans[0, 1]])
    read = _Read(columns[0], columns[1], columns[2].view(np.float64), columns[3], lines=lines[:missing])
    if missing or held:
        symbols = [body[start:end] for start, end in spans.tolist()]
        for first, end, start, stop, *_ in lines[:missing].tolist():
            read.rows.append((first, end))
            read.unknown.append(described(parse(TimeSeries, body[start:stop], "2.0"), symbols))
        owners: dict[int, Described] = {}
        for start, stop, at, end in histograms.tolist():
            if start not in owners:
                owners[start] = described(parse(TimeSeries, body[start:stop], "2.0"), symbols)
            read.histograms.append((owners[start], body[at:end]))
    return read


def _read_unusual(body: bytes) -> _Read:
    """The protobuf library's way, for whatever shape the message has."""
    check_unusual(body)
    message: Any = parse(Request, body, "2.0")
    series = message.timeseries
    symbols = list(message.symbols)
    lengths = [len(one.samples) for one in series]
    samples = sum(lengths)
    check_counts(len(lengths), samples, sum(len(one.histograms) for one in series), symbols=len(symbols))
    if symbols:
        _check_symbols(symbols[0])
    flat = [(sample, one.created_timestamp) for one in series for sample in one.samples]
    read = _Read(
        np.full(samples, UNKNOWN_ID, np.uint32),
        np.fromiter((sample.timestamp for sample, _ in flat), np.int64, samples),
        np.fromiter((sample.value for sample, _ in flat), np.uint64, samples).view(np.float64),
        np.fromiter((sample.start_timestamp or created for sample, created in flat), np.int64, samples),
    )
    row = 0
    for one, length in zip(series, lengths, strict=True):
        told = described(one, symbols)
        if length:
            read.rows.append((row, row + length))
            read.unknown.append(told)
            row += length
        read.histograms += [(told, raw) for raw in one.histograms]
    return read
