"""What the pages and the API show: answers of `app.service`, ready to be written as JSON or HTML."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import IncidentLine
from stormpetrel.model.quality import Quality, QualityCount
from stormpetrel.model.signal import LogRecord, MetricBatch, SeriesInfo, SeriesPoints


@dataclass(frozen=True, slots=True)
class SourceView:
    """One source of signals as seen from here. `state`: "healthy" | "quiet" | "failing" | "waiting".

    A source is *quiet* when it has not spoken for three times its usual interval (unknown, not healthy),
    *failing* when its last attempt was refused, *waiting* when it never spoke.
    """

    name: str
    kind: str  # "host" | "file" | "journald" | "scrape" | "remote_write" | "otlp" | "derived" | "self"
    state: str
    rows_total: int
    rows_per_second: float
    last_unix_nano: int
    lag_seconds: float
    rejected_total: int
    last_error: str = ""
    usual_seconds: float = 0.0  # its usual silence between two batches; 0 while unknown
    quality_ratio: float = 1.0  # 1: without fault lately; 0: nothing of it can be used
    reasons: tuple[str, ...] = ()  # why it is not 1, worst first


@dataclass(frozen=True, slots=True)
class SeriesQuality:
    """One series that is not simply good."""

    info: SeriesInfo
    quality_ratio: float
    verdicts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourcePage:
    """One source, whole: counts since start, and its series of least quality."""

    view: SourceView
    verdicts: list[QualityCount]
    rejected: list[tuple[str, int]]  # reason, rows
    series_total: int
    series_limit: int
    worst: list[SeriesQuality]


@dataclass(frozen=True, slots=True)
class Snippet:
    """How to connect one kind of sender; {address} and {token_file} in it are this installation's."""

    protocol: str  # name of the decoder or source
    title: str  # of the sender, as people call it
    language: str  # of the text: yaml, toml, sh, ini ...
    text: str
    page: str  # of the documentation, for example connect/syslog


@dataclass(frozen=True, slots=True)
class QuarantineEntry:
    """Samples of one series kept apart for one reason."""

    info: SeriesInfo
    verdict: Quality
    samples: int
    first_unix_nano: int
    last_unix_nano: int
    least: float
    greatest: float
    releasable: bool


@dataclass(frozen=True, slots=True)
class QuarantinePreview:
    """What letting a series' quarantine in would change.

    `level` is what the model expects next, `strange` how many samples it would have called strange.
    """

    info: SeriesInfo
    stored: MetricBatch
    apart: MetricBatch
    verdicts: tuple[str, ...]
    released: int
    level_before: float
    level_after: float
    strange_before: int
    strange_after: int


@dataclass(frozen=True, slots=True)
class TailMessage:
    """Log records that were just stored, and how many more passed the filter and are not shown."""

    records: list[LogRecord]
    skipped: int


@dataclass(frozen=True, slots=True)
class NowView:
    """The first page: what is wrong, and whether this system can see at all."""

    now_unix_nano: int
    open_incidents: list[IncidentLine]
    resolved_today: int
    sources: list[SourceView]
    series_total: int
    series_unknown: int  # silent for longer than their gap bound
    series_warming_up: int
    quarantined_last_hour: int
    samples_per_second: float
    log_records_per_second: float


@dataclass(frozen=True, slots=True)
class SeriesPage:
    """One page of a series search."""

    series: list[SeriesInfo]
    total: int


@dataclass(frozen=True, slots=True)
class BandView:
    """What was expected of a series, recomputed from stored samples by the same detector bank.

    Arrays of one length; NaN while warming up.
    """

    time_unix_nano: NDArray[np.int64]
    expected: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    p_value: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class SeriesView:
    """A series over a window with its band (None when not asked for) and its findings there."""

    info: SeriesInfo
    points: SeriesPoints
    band: BandView | None
    findings: list[Finding]


@dataclass(frozen=True, slots=True)
class QualityView:
    """The page *Data quality*: counts by source and verdict since start, and the last quarantined rows."""

    counts: list[QualityCount]
    rejected: list[tuple[str, str, int]]  # source, reason, rows: what decoders refused
    quarantined: list[tuple[str, SeriesInfo, int, float]]  # verdict name, series, time, value
    series_total: int
    series_by_source: list[tuple[str, int, int]]  # source, series, limit


@dataclass(frozen=True, slots=True)
class AboutView:
    """The page *About this system*: versions, its own throughput, lag, drops, sizes and models."""

    version: str
    started_unix_nano: int
    data_directory: str
    store_engine: str
    tables: list[tuple[str, int, int]]  # name, rows, bytes
    memory_bytes: int
    cpu_seconds: float
    queue_rows: int
    queue_capacity_rows: int
    ingest_lag_seconds: float
    insert_p99_seconds: float
    detector_lag_seconds: float
    samples_total: int
    log_records_total: int
    spans_total: int
    dropped_total: int
    detectors: list[tuple[str, int, int, int]]  # name, version, series held, bytes
    spill_rows: int = 0  # acknowledged, on disk, waiting for the store
    spill_bytes: int = 0


@dataclass(frozen=True, slots=True)
class ModelStateView:
    """How what the models know is kept on disk; times are 0 for never."""

    written_unix_nano: int = 0  # the moment of the newest snapshot
    bytes: int = 0
    write_seconds: float = 0.0
    restored_unix_nano: int = 0  # the moment of the snapshot that this process began with
    refused: tuple[str, ...] = ()  # what could not be taken over, and why
    trouble: str = ""


@dataclass(frozen=True, slots=True)
class LiveMessage:
    """One message of the live stream. `topic`: "incident" | "finding" | "tick" (time has passed)."""

    topic: str
    key: str
    text: str
