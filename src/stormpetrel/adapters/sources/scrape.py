"""The source that scrapes one Prometheus endpoint."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import httpx
import xxhash

from stormpetrel.adapters.sources.scrape_target import (
    ACCEPT,
    Page,
    Parse,
    ScrapedTarget,
    ScrapeError,
    hand_over,
)
from stormpetrel.errors import StormPetrelError, TooLargeError
from stormpetrel.model.time import from_seconds, to_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake
from stormpetrel.ports.source import SeriesInterner

MAX_BODY_BYTES = 64 << 20


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


def target_labels(config: ScrapeSettings) -> dict[str, str]:
    """The labels that every series of a target carries: `job`, `instance`, and the configured ones.

    An instance is HOST:PORT of the URL, the port being the scheme's when none is given.
    """
    url = urlsplit(config.url)
    port = url.port or (443 if url.scheme == "https" else 80)
    host = f"[{url.hostname}]" if ":" in (url.hostname or "") else url.hostname
    return {"job": config.name, "instance": f"{host}:{port}", **config.labels}


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
        self._clock = clock
        self._step = from_seconds(config.interval_seconds)
        self._phase = xxhash.xxh64_intdigest(f"{config.name} {config.url}".encode(), seed=seed) % self._step
        self._target = ScrapedTarget(self.name, target_labels(config), parse, interner)

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
                timed = page._replace(seconds=time.monotonic() - began)
                samples = self._target.samples(timed, due, intake)
                hand_over(samples, self.name, intake, self._target.failure)

    def _fetch_until(self, client: httpx.Client, stop: threading.Event) -> Page | None:
        """Fetch in a thread of its own, as a slow target must not hold up the stop; None when stopped."""
        pages: list[Page] = []
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
        return pages[0] if pages else Page(b"", ScrapeError(f"{self._config.url}: no answer in time"))

    def _fetch(self, client: httpx.Client) -> Page:
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
                return Page(b"".join(parts), None)
        except StormPetrelError as error:
            return Page(b"", error)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, RuntimeError, UnicodeError) as error:
            # RuntimeError: the client was closed while the answer came in
            return Page(b"", ScrapeError(f"{self._config.url}: {type(error).__name__}: {error}"))

    def _headers(self) -> dict[str, str]:
        headers = {
            "accept": ACCEPT,
            "x-prometheus-scrape-timeout-seconds": str(self._config.timeout_seconds),
        }
        if self._config.bearer_token_file:
            token = Path(self._config.bearer_token_file).read_text(encoding="utf-8").strip()
            headers["authorization"] = f"Bearer {token}"
        return headers
