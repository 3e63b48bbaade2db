"""One scraped target: a page to samples, the series of its own, and the end of series that vanished."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from stormpetrel.errors import DecodeError, OverloadedError, StormPetrelError
from stormpetrel.model.push import Decoded
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricBatch, MetricKind
from stormpetrel.ports.intake import Intake
from stormpetrel.ports.source import SeriesInterner

STALE = np.array([STALE_MARKER_BITS], np.int64).view(np.float64)[0]
ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=1,*/*;q=0.1"


class Parse(Protocol):
    """Turns the text of a target into samples of interned series; `ExpositionParser.parse` is one."""

    def __call__(
        self, text: bytes, received_unix_nano: int, source: str, extra_labels: Mapping[str, str], /
    ) -> Decoded:
        """Samples with the extra labels; `received_unix_nano` dates those without a time. DecodeError."""
        ...


class ScrapeError(StormPetrelError):
    """The target did not answer as it should."""

    retryable = True
    reason = "scrape_failed"


class Page(NamedTuple):
    """What a fetch brought: a body, or the error; and how long it took."""

    body: bytes
    error: StormPetrelError | None
    seconds: float = 0.0


class ScrapedTarget:
    """What is known of one target between its scrapes: which series are alive. Not thread-safe.

    Attributes:
        failure: why the newest scrape brought nothing; None when it did.

    Args:
        source: whom its series are counted for.
        labels: added to every series.
        parse: see `Parse`.
        interner: gives the target's own series their ids.
    """

    def __init__(
        self, source: str, labels: Mapping[str, str], parse: Parse, interner: SeriesInterner
    ) -> None:
        self._source = source
        self._labels = dict(labels)
        self._parse = parse
        self._interner = interner
        self._alive: set[int] = set()
        self._own: list[int] = []
        self._newest = 0
        self.failure: StormPetrelError | None = None

    def samples(self, page: Page, due: int, intake: Intake) -> MetricBatch:
        """The samples of a scrape due at this time, with `up` and alike; what vanished is ended.

        A page that is an error, or cannot be parsed, is reported to the intake and counts as `up` 0.
        """
        error: StormPetrelError | None = page.error
        scraped = MetricBatch.empty()
        if error is None:
            try:
                scraped = self._parsed(page.body, due, intake)
            except DecodeError as failure:
                error = failure
        if error is not None:
            intake.rejected(self._source, error.reason, 1, str(error)[:200])
        self.failure = error
        alive = {int(series) for series in np.unique(scraped.series)}
        gone = np.array(sorted(self._alive - alive), np.uint32)
        self._alive = alive
        self._newest = due
        return MetricBatch.concat(
            [scraped, _ended(gone, due), self._about(due, error is None, page.seconds, len(scraped))]
        )

    def end(self, now: int) -> MetricBatch:
        """Staleness markers for every series, the target's own ones too: it is scraped no more."""
        series = np.array(sorted(self._alive | set(self._own)), np.uint32)
        self._alive = set()
        return _ended(series, max(now, self._newest + 1))

    def _parsed(self, body: bytes, due: int, intake: Intake) -> MetricBatch:
        decoded = self._parse(body, due, self._source, self._labels)
        for refused in decoded.rejected:
            intake.rejected(self._source, refused.reason, refused.rows, refused.example)
        return decoded.metrics if decoded.metrics is not None else MetricBatch.empty()

    def _about(self, due: int, up: bool, seconds: float, samples: int) -> MetricBatch:
        told = [("up", float(up), ""), ("scrape_duration_seconds", seconds, "s")]
        told.append(("scrape_samples_scraped", float(samples), ""))
        self._own = [
            self._interner.intern(metric, self._labels, self._source, MetricKind.GAUGE, unit)
            for metric, _, unit in told
        ]
        values = np.array([value for _, value, _ in told])
        return MetricBatch(np.array(self._own, np.uint32), np.full(len(told), due, np.int64), values)


def _ended(series: NDArray[np.uint32], time_unix_nano: int) -> MetricBatch:
    return MetricBatch(series, np.full(len(series), time_unix_nano, np.int64), np.full(len(series), STALE))


def hand_over(
    batch: MetricBatch, source: str, intake: Intake, failure: StormPetrelError | None = None
) -> None:
    """Give samples to the intake; what it refuses, now or later, is counted and lost.

    Args:
        failure: of the scrape. It is told of again, with no rows, once `up` 0 is stored: else a source that
            brings nothing but this would pass for healthy.
    """
    rows = len(batch)
    if not rows:
        return

    def count_failure(future: Future[None]) -> None:
        error = future.exception()
        if error is not None:
            intake.rejected(source, getattr(error, "reason", "error"), rows, str(error)[:200])
        elif failure is not None:
            intake.rejected(source, failure.reason, 0, str(failure)[:200])

    try:
        intake.metrics(batch, source).add_done_callback(count_failure)
    except OverloadedError as error:
        intake.rejected(source, error.reason, rows, str(error)[:200])
