"""Scraping a real HTTP server: good pages, trouble of every sort, and the end of series."""

from __future__ import annotations

import http.server
import threading
import time
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.sources import scrape
from stormpetrel.adapters.sources.scrape import ScrapeSource, target_labels
from stormpetrel.app.config_sources import ScrapeConfig
from stormpetrel.ingest.exposition import ExpositionParser
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import STALE_MARKER_BITS
from stormpetrel.testing.check_source import check_source
from stormpetrel.testing.memory import MemoryIntake


class Target:
    """A server whose page and manners the test sets."""

    def __init__(self) -> None:
        self.page = b"# TYPE hits counter\nhits_total 5\ntemperature 20\n"
        self.status = 200
        self.drip_seconds = 0.0
        self.seen: list[dict[str, str]] = []
        target = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                target.seen.append(dict(self.headers))
                self.send_response(target.status)
                self.end_headers()
                try:
                    for k in range(0, len(target.page), 1 << 20):
                        self.wfile.write(target.page[k : k + (1 << 20)])
                    end = time.monotonic() + target.drip_seconds
                    while time.monotonic() < end:
                        self.wfile.write(b"# still here\n")
                        time.sleep(0.1)
                except OSError:
                    pass  # the scraper hung up

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_port}/metrics"


@pytest.fixture
def target() -> Iterator[Target]:
    target = Target()
    thread = threading.Thread(target=target.server.serve_forever, args=(0.05,))
    thread.start()
    yield target
    target.server.shutdown()
    thread.join()
    target.server.server_close()


@pytest.fixture
def registry() -> SeriesRegistry:
    return SeriesRegistry()


@pytest.fixture
def make(target: Target, registry: SeriesRegistry) -> Any:
    def source(**settings: Any) -> Any:
        config = ScrapeConfig(
            name="web", url=target.url, **{"interval_seconds": 1, "timeout_seconds": 0.8, **settings}
        )
        source = ScrapeSource(config, ExpositionParser(registry).parse, registry, SystemClock(), 7)
        source._step //= 5  # the configuration's shortest interval is a second: too long for tests
        source._phase %= source._step
        return source

    return source


def rows(intake: MemoryIntake, registry: SeriesRegistry, number: int) -> Any:
    """Value by metric of one scrape; "ended" for a staleness marker."""
    batch = intake.metric_batches()[number]
    ended = batch.value.view(np.int64) == STALE_MARKER_BITS
    return {
        registry.info(s).metric: "ended" if e else v
        for s, v, e in zip(batch.series.tolist(), batch.value.tolist(), ended.tolist(), strict=True)
    }


def test_a_good_scrape(target: Target, make: Any, registry: SeriesRegistry, intake_of: Any) -> None:
    intake = intake_of(make(labels={"zone": "a"}), 3)
    told = rows(intake, registry, 0)
    assert (told["hits_total"], told["temperature"]) == (5, 20)
    assert (told["up"], told["scrape_samples_scraped"]) == (1, 2)
    assert 0 < told["scrape_duration_seconds"] < 0.8
    labels = {"instance": target.url[7:-8], "job": "web", "zone": "a"}
    assert all(registry.info(s).label_map() == labels for s in intake.metric_batches()[0].series.tolist())
    times = [np.unique(batch.time_unix_nano) for batch in intake.metric_batches()]
    assert all(len(at) == 1 for at in times)
    assert {int(b[0] - a[0]) % 200_000_000 for a, b in pairwise(times)} == {0}
    assert {kept.source for kept in intake.kept()} == {"scrape:web"}


@pytest.fixture
def intake_of(running: Any, until: Any) -> Any:
    """Run a source until so many batches came; the intake."""

    def run(source: Any, batches: Any) -> Any:
        intake = MemoryIntake()
        with running(source, intake):
            until(lambda: len(intake.kept()) >= batches)
        return intake

    return run


def test_the_bearer_token_is_read_anew(
    target: Target, make: Any, tmp_path: Any, running: Any, until: Any
) -> None:
    secret = tmp_path / "token"
    secret.write_text("first\n")
    with running(make(bearer_token_file=str(secret)), MemoryIntake()):
        until(lambda: target.seen)
        secret.write_text("second")
        until(lambda: target.seen[-1].get("authorization") == "Bearer second")
    assert target.seen[0]["authorization"] == "Bearer first"


def break_it(target: Target, trouble: str) -> None:
    if trouble == "status":
        target.status = 503
    elif trouble == "slow":
        target.drip_seconds = 2.0
    else:
        target.page = b"x" * 3000


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scrape, "MAX_BODY_BYTES", 2000)


TROUBLES = {"status": "scrape_failed", "slow": "scrape_failed", "large": "too_large"}


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_failing_target_is_down_and_its_series_end(
    target: Target, make: Any, registry: SeriesRegistry, running: Any, until: Any, trouble: str
) -> None:
    intake = MemoryIntake()
    with running(make(), intake):
        until(intake.kept)
        break_it(target, trouble)
        until(lambda: len(intake.refusals()) >= 2)
        until(lambda: rows(intake, registry, -1)["up"] == 0)
        target.page, target.status, target.drip_seconds = b"temperature 21\n", 200, 0.0
        until(lambda: rows(intake, registry, -1)["up"] == 1)
    told = [rows(intake, registry, k) for k in range(len(intake.kept()))]
    first_down = next(k for k, row in enumerate(told) if row["up"] == 0)
    assert told[first_down]["temperature"] == told[first_down]["hits_total"] == "ended"
    assert "temperature" not in told[first_down + 1] or told[first_down + 1]["up"] == 1  # ended once
    assert told[-1]["temperature"] == 21
    assert {refusal.reason for refusal in intake.refusals()} == {TROUBLES[trouble]}
    assert target.url in intake.refusals()[0].example


def test_nobody_there(make: Any, target: Target, registry: SeriesRegistry, intake_of: Any) -> None:
    target.server.server_close()
    intake = intake_of(make(), 2)
    assert rows(intake, registry, 1)["up"] == 0
    assert "ConnectError" in intake.refusals()[0].example


def test_a_series_that_vanished_is_ended(
    target: Target, make: Any, registry: SeriesRegistry, running: Any, until: Any
) -> None:
    intake = MemoryIntake()
    with running(make(), intake):
        until(intake.kept)
        target.page = b"temperature 21\n"
        until(lambda: rows(intake, registry, -1)["temperature"] == 21)
    told = [rows(intake, registry, k) for k in range(len(intake.kept()))]
    change = next(k for k, row in enumerate(told) if row["temperature"] == 21)
    assert told[change]["hits_total"] == "ended"
    assert told[change]["up"] == 1


@pytest.mark.parametrize("page", [b"", b"\xff\xfe{{{{ 1\nbroken{ 5\n", b"up{" + b"a" * 1000])
def test_any_page_is_survived(
    target: Target, make: Any, registry: SeriesRegistry, intake_of: Any, page: bytes
) -> None:
    target.page = page
    assert rows(intake_of(make(), 2), registry, 1)["scrape_samples_scraped"] == 0


@pytest.mark.parametrize(
    ("url", "instance"),
    [
        ("http://db:9187/metrics", "db:9187"),
        ("http://db/metrics", "db:80"),
        ("https://db/metrics", "db:443"),
        ("http://[::1]:9100/", "[::1]:9100"),
    ],
)
def test_the_instance_is_host_and_port(url: str, instance: str) -> None:
    assert target_labels(ScrapeConfig(name="x", url=url)) == {"job": "x", "instance": instance}


def test_targets_do_not_answer_all_at_once(registry: SeriesRegistry) -> None:
    def phase(name: str, seed: int) -> Any:
        config = ScrapeConfig(name=name, url="http://x/")
        return ScrapeSource(config, ExpositionParser(registry).parse, registry, SystemClock(), seed)._phase

    phases = [phase(f"job{k}", 7) for k in range(100)]
    assert len({p // 1_500_000_000 for p in phases}) == 10  # every tenth of the interval has some
    assert phase("job1", 7) == phases[1] != phase("job1", 8)


def test_contract(make: Any) -> None:
    check_source(make)
