"""The source that scrapes one Prometheus endpoint."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.parse import urlsplit

import httpx
import numpy as np
import xxhash

from stormpetrel.errors import DecodeError, OverloadedError, StormPetrelError, TooLargeError
from stormpetrel.model.push import Decoded
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricBatch, MetricKind
from stormpetrel.model.time import from_seconds, to_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake
from stormpetrel.ports.source import SeriesInterner

MAX_BODY_BYTES = 64 << 20
STALE = np.array([STALE_MARKER_BITS], np.int64).view(np.float64)[0]
_ACCEPT = "application/openmetrics-text;version=1.0.0;q=0.5,text/plain;version=0.0.4;q=1,*/*;q=0.1"


class Parse(Protocol):
    """Turns the text of a target into samples of interned series; `ExpositionParser.parse` is one."""

    def __call__(
        self, text: bytes, received_unix_nano: int, source: str, extra_labels: Mapping[str, str], /
    ) -> Decoded:
        """Samples with the extra labels; `received_unix_nano` dates those without a time. DecodeError."""
        ...


class ScrapeSettings(Protocol):
    """One target; `app.config.ScrapeConfig` is one."""

    @property
    def name(self) -> str:
        """The job's name."""
        ...

    @property
    def url(self) -> str:
        """Where the metrics are."""
        ...

    @property
    def interval_seconds(self) -> float:
        """Time between scrapes."""
        ...

    @property
    def timeout_seconds(self) -> float:
        """How long one scrape may take as a whole."""
        ...

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels added to every series."""
        ...

    @property
    def bearer_token_file(self) -> str:
        """File with the token sent along, read anew for every scrape; empty: none."""
        ...


class ScrapeError(StormPetrelError):
    """The target did not answer as it should."""

    retryable = True
    reason = "scrape_failed"


def target_labels(config: ScrapeSettings) -> dict[str, str]:
    """The labels that every series of a target carries: `job`, `instance`, and the configured ones.

    An instance is HOST:PORT of the URL, the port being the scheme's when none is given.
    """
    url = urlsplit(config.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    return {"job": config.name, "instance": f"{host}:{port}", **config.labels}


class _Page(NamedTuple):
    """What a fetch brought: a body, or the error."""

    body: bytes
    error: StormPetrelError | None


class ScrapeSource:
    """Scrapes one target at a fixed interval and hands over its samples with `up`, `scrape_duration_seconds`
    and `scrape_samples_scraped`.

    All samples without a time of their own carry the scheduled time of their scrape: the grid of the
    interval, shifted by a hash of seed, name and URL so that targets do not answer all at once. A target
    that fails, times out, exceeds 64 MiB or cannot be parsed counts as `up` 0; its series, and every
    series that a good scrape no longer has, are ended by staleness markers. There is no back-off beyond
    the interval, and a scrape that the intake refuses is counted and lost: a target has no past.

    Args:
        config: the target.
        parse: see `Parse`.
        interner: gives the source's own series their ids.
        clock: times of scrapes.
        seed: shifts the grid.
    """

    def __init__(
        self, config: ScrapeSettings, parse: Parse, interner: SeriesInterner, clock: Clock, seed: int = 0
    ) -> None:
        self.name = f"scrape:{config.name}"
        self._config = config
        self._parse = parse
        self._interner = interner
        self._clock = clock
        self._step = from_seconds(config.interval_seconds)
        self._phase = xxhash.xxh64_intdigest(f"{config.name} {config.url}".encode(), seed=seed) % self._step
        self._labels = target_labels(config)
        self._alive: set[int] = set()

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Scrape until `stop` is set; a scrape under way is then abandoned."""
        timeout = self._config.timeout_seconds
        with httpx.Client(timeout=timeout, follow_redirects=False, trust_env=False) as client:
            while not stop.is_set():
                now = self._clock.now_unix_nano()
                due = ((now - self._phase) // self._step + 1) * self._step + self._phase
                if stop.wait(to_seconds(due - now)):
                    return
                began = time.monotonic()
                page = self._fetch_until(client, stop)
                if page is None:
                    return
                self._hand_over(self._samples(page, due, time.monotonic() - began, intake), intake)

    def _fetch_until(self, client: httpx.Client, stop: threading.Event) -> _Page | None:
        """Fetch in a thread of its own, as a slow target must not hold up the stop; None when stopped."""
        pages: list[_Page] = []
        done = threading.Event()

        def work() -> None:
            pages.append(self._fetch(client))
            done.set()

        threading.Thread(target=work, name=self.name, daemon=True).start()
        deadline = time.monotonic() + self._config.timeout_seconds + 1.0
        while not done.wait(0.05):
            if stop.is_set():
                return None
            if time.monotonic() > deadline:
                break
        return pages[0] if pages else _Page(b"", ScrapeError(f"{self._config.url}: no answer in time"))

    def _fetch(self, client: httpx.Client) -> _Page:
        deadline = time.monotonic() + self._config.timeout_seconds
        try:
            with client.stream("GET", self._config.url, headers=self._headers()) as answer:
                if answer.status_code != 200:
                    raise ScrapeError(f"{self._config.url} answered {answer.status_code}; expected 200")
                parts: list[bytes] = []
                size = 0
                for part in answer.iter_bytes(1 << 16):
                    parts.append(part)
                    size += len(part)
                    if size > MAX_BODY_BYTES:
                        raise TooLargeError(f"{self._config.url} answers more than {MAX_BODY_BYTES} bytes")
                    if time.monotonic() > deadline:
                        raise ScrapeError(f"{self._config.url} is too slow; see timeout_seconds")
                return _Page(b"".join(parts), None)
        except StormPetrelError as error:
            return _Page(b"", error)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError, UnicodeError) as error:
            # RuntimeError: the client was closed while the answer came in
            return _Page(b"", ScrapeError(f"{self._config.url}: {type(error).__name__}: {error}"))

    def _headers(self) -> dict[str, str]:
        headers = {
            "accept": _ACCEPT,
            "x-prometheus-scrape-timeout-seconds": str(self._config.timeout_seconds),
        }
        if self._config.bearer_token_file:
            token = Path(self._config.bearer_token_file).read_text(encoding="utf-8").strip()
            headers["authorization"] = f"Bearer {token}"
        return headers

    def _samples(self, page: _Page, due: int, seconds: float, intake: Intake) -> MetricBatch:
        error: StormPetrelError | None = page.error
        scraped = MetricBatch.empty()
        if error is None:
            try:
                scraped = self._parsed(page, due, intake)
            except DecodeError as failure:
                error = failure
        if error is not None:
            intake.rejected(self.name, error.reason, 1, str(error)[:200])
        alive = {int(series) for series in np.unique(scraped.series)}
        gone = np.array(sorted(self._alive - alive), np.uint32)
        self._alive = alive
        ended = MetricBatch(gone, np.full(len(gone), due, np.int64), np.full(len(gone), STALE))
        return MetricBatch.concat([scraped, ended, self._own(due, error is None, seconds, len(scraped))])

    def _parsed(self, page: _Page, due: int, intake: Intake) -> MetricBatch:
        decoded = self._parse(page.body, due, self.name, self._labels)
        for refused in decoded.rejected:
            intake.rejected(self.name, refused.reason, refused.rows, refused.example)
        return decoded.metrics if decoded.metrics is not None else MetricBatch.empty()

    def _own(self, due: int, up: bool, seconds: float, samples: int) -> MetricBatch:
        told = [("up", float(up), ""), ("scrape_duration_seconds", seconds, "s")]
        told.append(("scrape_samples_scraped", float(samples), ""))
        ids = [
            self._interner.intern(metric, self._labels, self.name, MetricKind.GAUGE, unit)
            for metric, _, unit in told
        ]
        values = np.array([value for _, value, _ in told])
        return MetricBatch(np.array(ids, np.uint32), np.full(len(told), due, np.int64), values)

    def _hand_over(self, batch: MetricBatch, intake: Intake) -> None:
        rows = len(batch)

        def count_failure(future: Future[None]) -> None:
            error = future.exception()
            if error is not None:
                intake.rejected(self.name, getattr(error, "reason", "error"), rows, str(error)[:200])

        try:
            intake.metrics(batch, self.name).add_done_callback(count_failure)
        except OverloadedError as error:
            intake.rejected(self.name, error.reason, rows, str(error)[:200])
