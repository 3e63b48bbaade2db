"""Prometheus remote write 1.0, `prometheus.WriteRequest`: unpacked bodies to metric batches.

Specification: https://prometheus.io/docs/specs/prw/remote_write_spec/. Exemplars are skipped; a staleness
marker keeps its bits.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest import remote_write_wire as wire
from stormpetrel.ingest.native_histograms import HistogramError
from stormpetrel.ingest.remote_write_bounds import check_counts, check_unusual, partly_refused
from stormpetrel.ingest.remote_write_histograms import MAX_MILLIS, HistogramRows, HistogramSeries, Sent
from stormpetrel.ingest.remote_write_labels import MetricFamilies, check_labels, show
from stormpetrel.ingest.remote_write_proto import (
    Labels,
    MetricMetadata,
    TimeSeries,
    WriteRequest,
    labels_of,
    parse,
)
from stormpetrel.ingest.remote_write_table import UNKNOWN_ID, LabelTable
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.push import Decoded
from stormpetrel.model.signal import MetricBatch
from stormpetrel.model.time import NANOS_PER_MILLISECOND


@dataclass(slots=True)
class _Request:
    """A request as read: rows in order, and the series whose ids are still to be found."""

    series: NDArray[np.uint32]  # [rows]
    millis: NDArray[np.int64]  # [rows]
    value: NDArray[np.float64]  # [rows]
    rows: list[tuple[int, int]] = field(default_factory=list)  # first and end row of each unknown series
    labels: list[Labels] = field(default_factory=list)  # of each unknown series
    keys: NDArray[np.uint64] | None = None  # their hashes [unknown, 2]; None: not to be remembered
    metadata: list[Any] = field(default_factory=list)
    histograms: list[tuple[Labels, bytes]] = field(default_factory=list)  # whose, and the message


class RemoteWriteV1:
    """Reads remote write 1.0 requests.

    The usual request is read in one compiled pass, its series found by a 128-bit hash of their label
    bytes: about 4 M samples a second and core. A series seen for the first time, and any request the
    compiled pass does not know, takes the protobuf library; the outcome is the same. Native histograms
    take some hundred microseconds each.

    Args:
        registry: gives the series their ids.
    """

    def __init__(self, registry: SeriesRegistry) -> None:
        self._registry = registry
        self._table = LabelTable()
        self._families = MetricFamilies(registry)
        self._histograms = HistogramSeries(registry)
        self._lock = threading.Lock()

    def decode(self, body: bytes, source: str) -> Decoded:
        """Samples of one unpacked body, O(bytes); thread-safe.

        Raises:
            TooLargeError: more series, samples, histograms or metadata than a request may have.
            DecodeError: not remote write 1.0.
        """
        read = _read_usual(body, self._table)
        if read is None:
            read = _read_unusual(body)
        tally = RejectTally()
        keep = (read.millis >= -MAX_MILLIS) & (read.millis <= MAX_MILLIS)
        tally.add("time_out_of_range", len(keep) - int(keep.sum()))
        rows = HistogramRows()
        histograms = 0
        if read.metadata or read.labels or read.histograms:
            with self._lock:
                self._learn(read.metadata, source, tally)
                self._intern(read, source, keep, tally)
                histograms = self._flatten(read, source, rows, tally)
        samples = int((keep & (read.series != UNKNOWN_ID)).sum())
        refused = len(keep) - samples + len(read.histograms) - histograms
        batch = MetricBatch(read.series, read.millis * NANOS_PER_MILLISECOND, read.value)
        if not keep.all():
            batch = batch.take(keep)
        if rows.total:
            series, millis, values, _ = rows.columns()
            flat = MetricBatch(series, millis * NANOS_PER_MILLISECOND, values)
            batch = MetricBatch.concat([batch, flat])
        if not refused:  # metadata may be: Prometheus sends what contradicts itself, and no sample is lost
            return Decoded(metrics=batch, rejected=tally.rejected(), status=204)
        return Decoded(
            metrics=batch,
            rejected=tally.rejected(),
            status=400,
            answer=partly_refused(tally),
            answer_type="text/plain; charset=utf-8",
        )

    def _learn(self, metadata: list[Any], source: str, tally: RejectTally) -> None:
        entries = [
            (m.metric_family_name.decode(errors="replace"), m.type, m.unit.decode(errors="replace"))
            for m in metadata
        ]
        self._families.learn(source, entries, tally)

    def _intern(self, read: _Request, source: str, keep: NDArray[np.bool_], tally: RejectTally) -> None:
        """Give each unknown series its id. A refused id is not remembered: room may come back."""
        ids = np.full(len(read.labels), UNKNOWN_ID, np.uint32)
        for i, (labels, (first, end)) in enumerate(zip(read.labels, read.rows, strict=True)):
            checked = check_labels(labels)
            if isinstance(checked, str):
                tally.add(checked, int(keep[first:end].sum()), show(labels))
                keep[first:end] = False
                continue
            metric, pairs = checked
            kind, unit = self._families.kind_of(source, metric)
            # REFUSED_SERIES is UNKNOWN_ID: admission counts those rows, the table skips them.
            ids[i] = series = self._registry.intern(metric, pairs, source, kind, unit)
            read.series[first:end] = series
            if series != UNKNOWN_ID:
                self._families.remember(source, metric, series)
        if read.keys is not None and len(ids):
            self._table.insert(read.keys, ids)

    def _flatten(self, read: _Request, source: str, rows: HistogramRows, tally: RejectTally) -> int:
        """Rows of the histograms; how many of them had room for all their series."""
        written = 0
        for labels, message in read.histograms:
            checked = check_labels(labels)
            if isinstance(checked, str):
                tally.add(checked, 1, show(labels))
                continue
            metric, pairs = checked
            unit = self._families.kind_of(source, f"{metric}_sum")[1]
            try:
                written += self._histograms.add(Sent(metric, pairs, message, unit), source, rows)
            except HistogramError as error:
                tally.add(str(error), 1, show(labels))
        return written


def _read_usual(body: bytes, table: LabelTable) -> _Request | None:
    """The compiled way; None when the request is not of the usual shape.

    DecodeError where the protobuf library, asked about labels or metadata, says so of the whole.
    """
    buf = np.frombuffer(body, np.uint8)
    usual, counts = wire.measure(buf, len(buf))
    if not usual:
        return None
    series_count, samples, described, held = (int(n) for n in counts)
    check_counts(series_count, samples, held, described)
    series, millis, bits = (
        np.empty(samples, np.uint32),
        np.empty(samples, np.int64),
        np.empty(samples, np.uint64),
    )
    unknown = np.empty((series_count, 6), np.uint64)
    spans = np.empty((described, 2), np.int64)
    histograms = np.empty((held, 4), np.int64)
    usual, missing = wire.read(
        buf, len(buf), table.arrays, (series, millis, bits), unknown, (spans, histograms)
    )
    if not usual:
        return None
    read = _Request(series, millis, bits.view(np.float64))
    read.metadata = [parse(MetricMetadata, body[start:end]) for start, end in spans.tolist()]
    for first, end, start, stop, _, _ in unknown[:missing].tolist():
        labels = labels_of(parse(TimeSeries, body[start:stop]))
        if end > first:  # without samples it only had to be well-formed
            read.rows.append((first, end))
            read.labels.append(labels)
    lines = unknown[:missing]
    read.keys = lines[lines[:, 1] > lines[:, 0], 4:6]
    read.histograms = [
        (labels_of(parse(TimeSeries, body[start:stop])), body[at:end])
        for start, stop, at, end in histograms.tolist()
    ]
    return read


def _read_unusual(body: bytes) -> _Request:
    """The protobuf library's way, for whatever shape the message has."""
    check_unusual(body)
    message = parse(WriteRequest, body)
    lengths = [len(series.samples) for series in message.timeseries]
    samples = sum(lengths)
    histograms = [(series, one) for series in message.timeseries for one in series.histograms]
    check_counts(len(lengths), samples, len(histograms), len(message.metadata))
    flat = [sample for series in message.timeseries for sample in series.samples]
    read = _Request(
        np.full(samples, UNKNOWN_ID, np.uint32),
        np.fromiter((sample.timestamp for sample in flat), np.int64, samples),
        np.fromiter((sample.value for sample in flat), np.uint64, samples).view(np.float64),
        metadata=list(message.metadata),
        histograms=[(labels_of(series), one) for series, one in histograms],
    )
    row = 0
    for series, length in zip(message.timeseries, lengths, strict=True):
        if length:
            read.rows.append((row, row + length))
            read.labels.append(labels_of(series))
            row += length
    return read
