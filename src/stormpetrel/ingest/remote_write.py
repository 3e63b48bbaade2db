"""Prometheus remote write 1.0: requests to metric batches.

Specification: https://prometheus.io/docs/specs/prw/remote_write_spec/ (1.0). Exemplars are skipped;
native histograms are refused and counted; a staleness marker keeps its bits.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormpetrel.errors import TooLargeError, UnsupportedError
from stormpetrel.ingest import remote_write_wire as wire
from stormpetrel.ingest.body import unpack
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
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.signal import MetricBatch
from stormpetrel.model.time import NANOS_PER_MILLISECOND

MAX_SERIES = 500_000
MAX_SAMPLES = 5_000_000
MAX_METADATA = 100_000

# The protobuf library needs up to some fifty bytes for each byte of a body made to hurt; only short
# bodies may take that way. Senders' own encodings do not.
MAX_UNUSUAL_BYTES = 8 << 20

# Milliseconds whose nanoseconds still fit int64.
_MAX_MILLIS = 9_223_372_036_854


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
    histograms: int = 0


class RemoteWriteDecoder:
    """Decodes remote write 1.0 requests.

    The usual request is read in one compiled pass, its series found by a 128-bit hash of their label
    bytes: about 4 M samples a second and core. A series seen for the first time, and any request the
    compiled pass does not know, takes the protobuf library; the outcome is the same.

    Fails (DecodeError) on remote write 2.0, on what is not protobuf, and beyond the stated limits; a
    series with bad labels is refused alone. The success answer is 204 without a body.

    Args:
        registry: gives the series their ids.
        max_unpacked_bytes: largest body once decompressed.
    """

    name = "remote_write"
    paths = ("/api/v1/write",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes
        self._table = LabelTable()
        self._families = MetricFamilies(registry)
        self._lock = threading.Lock()

    def decode(self, request: PushRequest) -> Decoded:
        """Samples of one request, O(bytes); thread-safe.

        Raises:
            TooLargeError: more bytes, series or samples than a request may have.
            DecodeError: not remote write 1.0.
        """
        _check_type(request.content_type)
        body = unpack(request.body, request.content_encoding, self._limit)
        read = _read_usual(body, self._table)
        if read is None:
            read = _read_unusual(body)
        return self._resolve(read, request.source)

    def _resolve(self, read: _Request, source: str) -> Decoded:
        """Find the ids, drop what is refused."""
        tally = RejectTally()
        tally.add("native_histogram", read.histograms)
        keep = (read.millis >= -_MAX_MILLIS) & (read.millis <= _MAX_MILLIS)
        tally.add("time_out_of_range", len(keep) - int(keep.sum()))
        if read.metadata or read.labels:
            with self._lock:
                self._learn(read.metadata, source, tally)
                self._intern(read, source, keep, tally)
        batch = MetricBatch(read.series, read.millis * NANOS_PER_MILLISECOND, read.value)
        if not keep.all():
            batch = batch.take(keep)
        return Decoded(metrics=batch, rejected=tally.rejected(), status=204)

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


def _check_type(content_type: str) -> None:
    text = content_type.lower().replace(" ", "").replace('"', "")
    if "proto=io.prometheus.write.v2.request" in text:
        raise UnsupportedError("remote write 2.0 is not spoken here: set the sender to protobuf_message 1.0")
    media_type = text.partition(";")[0]
    if media_type not in ("", "application/x-protobuf", "application/protobuf", "application/octet-stream"):
        raise UnsupportedError(f"remote write is application/x-protobuf, this is {content_type[:60]!r}")


def _check_counts(series: int, samples: int, metadata: int) -> None:
    if series > MAX_SERIES or samples > MAX_SAMPLES or metadata > MAX_METADATA:
        raise TooLargeError(
            f"the request holds {series} series, {samples} samples and {metadata} metadata; at most "
            f"{MAX_SERIES}, {MAX_SAMPLES} and {MAX_METADATA} are taken: lower the sender's "
            "max_samples_per_send"
        )


def _read_usual(body: bytes, table: LabelTable) -> _Request | None:
    """The compiled way; None when the request is not of the usual shape.

    DecodeError where the protobuf library, asked about labels or metadata, says so of the whole.
    """
    buf = np.frombuffer(body, np.uint8)
    usual, counts = wire.measure(buf, len(buf))
    if not usual:
        return None
    series_count, samples, described = (int(n) for n in counts)
    _check_counts(series_count, samples, described)
    series, millis, bits = (
        np.empty(samples, np.uint32),
        np.empty(samples, np.int64),
        np.empty(samples, np.uint64),
    )
    unknown = np.empty((series_count, 6), np.uint64)
    spans = np.empty((described, 2), np.int64)
    usual, missing, histograms = wire.read(
        buf, len(buf), table.arrays, (series, millis, bits), unknown, spans
    )
    if not usual:
        return None
    read = _Request(series, millis, bits.view(np.float64), histograms=histograms)
    read.metadata = [parse(MetricMetadata, body[start:end]) for start, end in spans.tolist()]
    for first, end, start, stop, _, _ in unknown[:missing].tolist():
        labels = labels_of(parse(TimeSeries, body[start:stop]))
        if end > first:  # without samples it only had to be well-formed
            read.rows.append((first, end))
            read.labels.append(labels)
    lines = unknown[:missing]
    read.keys = lines[lines[:, 1] > lines[:, 0], 4:6]
    return read


def _read_unusual(body: bytes) -> _Request:
    """The protobuf library's way, for whatever shape the message has."""
    if len(body) > MAX_UNUSUAL_BYTES:
        raise TooLargeError(
            "the request is not encoded as Prometheus does it, and such a one may have at most "
            f"{MAX_UNUSUAL_BYTES} bytes: send smaller requests"
        )
    message = parse(WriteRequest, body)
    lengths = [len(series.samples) for series in message.timeseries]
    samples = sum(lengths)
    _check_counts(len(lengths), samples, len(message.metadata))
    flat = [sample for series in message.timeseries for sample in series.samples]
    read = _Request(
        np.full(samples, UNKNOWN_ID, np.uint32),
        np.fromiter((sample.timestamp for sample in flat), np.int64, samples),
        np.fromiter((sample.value for sample in flat), np.uint64, samples).view(np.float64),
        metadata=list(message.metadata),
        histograms=sum(len(series.histograms) for series in message.timeseries),
    )
    row = 0
    for series, length in zip(message.timeseries, lengths, strict=True):
        if length:
            read.rows.append((row, row + length))
            read.labels.append(labels_of(series))
            row += length
    return read
