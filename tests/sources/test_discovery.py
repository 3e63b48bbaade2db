"""Discovery against real HTTP servers: targets come, go, fail; lists change, break, and grow too long."""

from __future__ import annotations

import contextlib
import http.server
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.sources import discovery
from stormpetrel.adapters.sources.discovery import DiscoverySource
from stormpetrel.app.config_sources import DiscoveryConfig
from stormpetrel.ingest.exposition import ExpositionParser
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.signal import STALE_MARKER_BITS
from stormpetrel.testing.check_source import check_source
from stormpetrel.testing.memory import MemoryIntake

EXPORTER = shutil.which("prometheus-node-exporter") or shutil.which("node_exporter")


class Site:
    """One server: `/sd` lists targets, every other path is a page of metrics that says its own address."""

    def __init__(self) -> None:
        self.listed: Any = []
        self.status = 200
        self.content_type = "application/json"
        self.page_bytes = 0
        self.hang = threading.Event()
        self.seen: list[tuple[str, dict[str, str]]] = []
        site = self

        class Answer(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
                if self.path.startswith("/hang"):
                    site.hang.wait(30)
                listing = self.path == "/sd"
                page = f'# TYPE hits counter\nhits{{at="{self.path}"}} 5\n'.encode() + b"\n" * site.page_bytes
                listed = site.listed if isinstance(site.listed, bytes) else json.dumps(site.listed).encode()
                body = listed if listing else page
                self.send_response(site.status if listing else 200)
                self.send_header("Content-Type", site.content_type if listing else "text/plain")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with contextlib.suppress(OSError):  # the scraper hung up
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        class Server(http.server.ThreadingHTTPServer):
            request_queue_size = 100
            daemon_threads = True

        self.server = Server(("127.0.0.1", 0), Answer)
        self.address = f"127.0.0.1:{self.server.server_port}"

    def paths(self) -> set[str]:
        return {path for path, _ in self.seen}


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    thread = threading.Thread(target=site.server.serve_forever, args=(0.05,))
    thread.start()
    yield site
    site.hang.set()
    site.server.shutdown()
    thread.join()
    site.server.server_close()


@pytest.fixture
def registry() -> SeriesRegistry:
    return SeriesRegistry()


@pytest.fixture
def make(registry: SeriesRegistry, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(discovery, "_LOOK_SECONDS", 0.05)

    def source(**settings: Any) -> DiscoverySource:
        config = DiscoveryConfig(name="shop", **{"timeout_seconds": 0.8, **settings})
        # The configuration's shortest times are seconds: too long for tests.
        config = config.model_copy(update={"refresh_seconds": 0.2, "interval_seconds": 0.1})
        return DiscoverySource(config, ExpositionParser(registry).parse, registry, SystemClock(), 7)

    return source


def group(site: Site, *paths: str, **labels: str) -> list[dict[str, Any]]:
    return [
        {"targets": [site.address], "labels": {"__metrics_path__": path, "instance": path[1:], **labels}}
        for path in paths
    ]


def last(intake: MemoryIntake, registry: SeriesRegistry) -> dict[str, float | str]:
    """The newest value by metric and instance; "ended" for a staleness marker."""
    told: dict[str, float | str] = {}
    for batch in intake.metric_batches():
        for series, value, raw in zip(
            batch.series.tolist(), batch.value.tolist(), batch.value.view("int64").tolist(), strict=True
        ):
            info = registry.info(series)
            key = f"{info.metric} {info.label_map()['instance']}"
            told[key] = "ended" if raw == STALE_MARKER_BITS else value
    return told


def reasons(intake: MemoryIntake) -> set[str]:
    return {refusal.reason for refusal in intake.refusals()}


def test_targets_of_a_file_come_and_go(
    site: Site, make: Any, registry: SeriesRegistry, running: Any, until: Any, tmp_path: Path
) -> None:
    path = tmp_path / "targets.json"
    path.write_text(json.dumps(group(site, "/a", "/b", zone="z", __param_q="1", __meta_x="y")))
    intake = MemoryIntake()
    with running(make(files=[str(tmp_path / "*.json")], labels={"site": "fra1"}), intake):
        until(lambda: {"hits a", "hits b"} <= set(last(intake, registry)))
        assert "/a?q=1" in site.paths()
        path.write_text(json.dumps(group(site, "/b", "/c", zone="z", __param_q="1")))
        until(lambda: last(intake, registry).get("hits a") == "ended" and "hits c" in last(intake, registry))
        ended = last(intake, registry)
        assert {key: ended[key] for key in ended if key.endswith(" a")} == dict.fromkeys(
            ("hits a", "up a", "scrape_duration_seconds a", "scrape_samples_scraped a"), "ended"
        )
        scraped = len([p for p, _ in site.seen if p == "/a?q=1"])
        count = len(site.seen)
        until(lambda: len(site.seen) > count + 4)
        assert len([p for p, _ in site.seen if p == "/a?q=1"]) == scraped, "it is scraped no more"
        assert (last(intake, registry)["up b"], last(intake, registry)["hits b"]) == (1, 5)
    info = registry.info(
        registry.intern("up", {"instance": "b", "job": "shop", "site": "fra1", "zone": "z"}, "")
    )
    assert info.source == "discovery:shop"
    assert {kept.source for kept in intake.kept()} == {"discovery:shop"}


def test_a_web_service_is_asked_as_documented_and_its_last_good_list_stays(
    site: Site, make: Any, registry: SeriesRegistry, running: Any, until: Any, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text("secret\n")
    site.listed = group(site, "/a")
    intake = MemoryIntake()
    with running(make(url=f"http://{site.address}/sd", bearer_token_file=str(tmp_path / "token")), intake):
        until(lambda: last(intake, registry).get("up a") == 1)
        asked = dict(next(headers for path, headers in site.seen if path == "/sd"))
        assert asked["x-prometheus-refresh-interval-seconds"] == "0.2"
        assert (asked["accept"], asked["authorization"]) == ("application/json", "Bearer secret")
        for status, content_type, listed in (
            (500, "application/json", []),
            (200, "text/html", []),
            (200, "application/json", b"[{"),
            (200, "application/json", {"targets": []}),
        ):
            site.status, site.content_type, site.listed = status, content_type, listed
            before = len(intake.refusals())
            until(lambda before=before: len(intake.refusals()) > before)
        assert reasons(intake) == {"discovery_failed"}
        assert last(intake, registry)["up a"] == 1
        site.listed = []
        until(lambda: last(intake, registry)["up a"] == "ended")


def test_targets_beyond_the_bound_are_left_out_and_counted(
    site: Site, make: Any, registry: SeriesRegistry, running: Any, until: Any, tmp_path: Path
) -> None:
    path = tmp_path / "targets.json"
    broken = {"targets": ["not/good"]}
    path.write_text(json.dumps([*group(site, "/d", "/c", "/b", "/a"), *group(site, "/a"), broken]))
    intake = MemoryIntake()
    with running(make(files=[str(path)], max_targets=2), intake):
        until(lambda: {"up a", "up b"} <= set(last(intake, registry)))
        until(lambda: len(intake.kept()) > 8)
    assert not {"up c", "up d"} & set(last(intake, registry))
    counted = {refusal.reason: refusal.rows for refusal in intake.refusals()}
    assert counted == {"too_many_targets": 2, "bad_target": 1}


def test_a_target_that_hangs_holds_up_nobody(
    site: Site, make: Any, registry: SeriesRegistry, running: Any, until: Any, tmp_path: Path
) -> None:
    path = tmp_path / "targets.json"
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
        listed = [*group(site, "/a", *(f"/hang{n}" for n in range(30))), {"targets": [nobody]}]
        path.write_text(json.dumps(listed))
        intake = MemoryIntake()
        with running(make(files=[str(path)]), intake):
            wanted = {"up a": 1, "up hang29": 0, f"up {nobody}": 0}.items()
            until(lambda: wanted <= last(intake, registry).items())
            began = time.monotonic()
        assert time.monotonic() - began < 12, "it stops while thirty targets hang"
    assert reasons(intake) == {"scrape_failed"}


def test_an_answer_that_is_too_large(
    site: Site, make: Any, registry: SeriesRegistry, running: Any, until: Any, tmp_path: Path
) -> None:
    site.page_bytes = 100_000
    path = tmp_path / "targets.json"
    path.write_text(json.dumps(group(site, "/a")))
    intake = MemoryIntake()
    source = make(files=[str(path)])
    source._max_page_bytes = 50_000
    with running(source, intake):
        until(lambda: last(intake, registry).get("up a") == 0)
    assert reasons(intake) == {"too_large"}


def test_a_token_that_cannot_be_read_is_told(
    site: Site, make: Any, registry: SeriesRegistry, running: Any, until: Any, tmp_path: Path
) -> None:
    path = tmp_path / "targets.json"
    path.write_text(json.dumps(group(site, "/a")))
    intake = MemoryIntake()
    source = make(
        files=[str(path)], url=f"http://{site.address}/sd", bearer_token_file=str(tmp_path / "none")
    )
    with running(source, intake):
        until(lambda: reasons(intake) == {"scrape_failed", "discovery_failed"})
        until(lambda: last(intake, registry).get("up a") == 0)
    assert not site.seen


def test_contract(site: Site, make: Any, tmp_path: Path) -> None:
    path = tmp_path / "targets.json"
    path.write_text(json.dumps(group(site, "/a", "/b")))
    check_source(lambda: make(files=[str(path)]))


def test_contract_without_targets(make: Any, tmp_path: Path) -> None:
    check_source(lambda: make(files=[str(tmp_path / "nothing.json")]), produces=False)


@pytest.mark.e2e
@pytest.mark.skipif(EXPORTER is None, reason="no node exporter on this host")
def test_the_node_exporter_is_found_and_its_end_is_told(
    make: Any, registry: SeriesRegistry, running: Any, until: Any, tmp_path: Path
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    path = tmp_path / "nodes.yml"
    path.write_text(f"- targets: ['{address}']\n  labels: {{'__param_collect[]': loadavg, zone: a}}\n")
    intake = MemoryIntake()
    command = [str(EXPORTER), f"--web.listen-address={address}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as exporter:
        try:
            with running(make(files=[str(tmp_path / "*.yml")], timeout_seconds=5), intake):
                until(lambda: f"node_load1 {address}" in last(intake, registry), 20)
                assert f"node_memory_MemTotal_bytes {address}" not in last(intake, registry), (
                    "only what was asked for"
                )
                path.write_text("[]")
                until(lambda: last(intake, registry)[f"node_load1 {address}"] == "ended")
        finally:
            exporter.kill()
