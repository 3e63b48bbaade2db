"""The real programs: `petrel up`, `replay`, `export` and `demo` as processes of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow.parquet as pa_parquet
import pytest

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.model.time import from_seconds
from stormpetrel.simulate.estate import Estate
from stormpetrel.simulate.faults import FAULTS
from stormpetrel.simulate.push import Pusher

pytestmark = pytest.mark.e2e

PETREL = [sys.executable, "-m", "stormpetrel.cli.main"]
QUIET = """\
[intake]
late_seconds = 172800.0
[derive]
enabled = false
[sources]
own_metrics = false
[sources.host]
enabled = false
[sources.logs]
journald = false
files = []
[sources.smart]
enabled = false
"""


def run(*arguments: object, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    command = [*PETREL, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


@dataclass
class Up:
    process: subprocess.Popen[str]
    told: dict[str, Any]

    @property
    def url(self) -> str:
        return str(self.told["url"])

    @property
    def token(self) -> str:
        return Path(self.told["ingest_token_file"]).read_text().strip()

    def stop(self, by: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(by)
        return self.process.wait(30)


@contextmanager
def up(directory: Path, *more: str) -> Iterator[Up]:
    """A running `petrel up` on a free port."""
    config = directory / "petrel.toml"
    config.write_text(QUIET)
    command = [*PETREL, "up", "--supervised", "--config", str(config), "--data-dir", str(directory / "data")]
    with (directory / "up.log").open("ab") as log:
        process = subprocess.Popen(
            [*command, "--port", "0", *more], stdout=subprocess.PIPE, stderr=log, text=True
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, (directory / "up.log").read_text()
        yield Up(process, json.loads(line))
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, int, int]:
    """A stopped installation with an hour of the estate in it: directory, samples, log records."""
    directory = tmp_path_factory.mktemp("filled")
    now = SystemClock().now_unix_nano()
    fault = FAULTS["deploy-bug"](now - from_seconds(600), 300.0)
    estate = Estate(7, now - from_seconds(3600), 5.0, (fault,))
    with up(directory) as running:
        with Pusher(running.url, running.token) as pusher:
            while estate.now_unix_nano < now:
                pusher.push(estate.step(min(now, estate.now_unix_nano + from_seconds(600))))
        assert running.stop() == 0
    return directory, pusher.sent.samples, pusher.sent.log_records


def test_up_answers_and_ends_with_0_and_status_sees_it(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        assert httpx.get(f"{running.url}/healthz").status_code == 200
        assert "/set-up?secret=" in running.told["setup_url"]
        token_file = Path(running.told["ingest_token_file"]).with_name("read.token")
        assert token_file.stat().st_mode & 0o777 == 0o600
        found = run("status", "--url", running.url, "--token-file", token_file)
        assert (found.returncode, "No open incident" in found.stdout) == (0, True), found
        assert run("status", "--url", running.url, "--token", "wrong").returncode == 2
        assert running.stop(signal.SIGINT) == 0
    assert (tmp_path / "up.log").read_text().count("Traceback") == 0
    assert run("status", "--url", running.url).returncode == 2


def test_a_second_process_on_the_same_data_is_told_so(tmp_path: Path) -> None:
    with up(tmp_path) as running:
        data = tmp_path / "data"
        for arguments in (
            ("up", "--data-dir", data, "--port", 0),
            ("replay", "--data-dir", data),
            ("export", "--what", "logs", "--data-dir", data, "--out", tmp_path / "x.csv"),
        ):
            found = run(*arguments)
            assert found.returncode == 3, found
            assert str(running.process.pid) in found.stderr
            assert "Traceback" not in found.stderr
        assert not (tmp_path / "x.csv").exists()


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for command in (("up", "--data-dir", tmp_path / "data"), ("demo",)):
            found = run(*command, "--port", port)
            assert found.returncode == 2, found
            assert f"port {port}" in found.stderr
            assert "--port" in found.stderr
            assert "Traceback" not in found.stderr


def test_an_unknown_key_stops_the_start(tmp_path: Path) -> None:
    (tmp_path / "petrel.toml").write_text("[detect]\nhold_sample = 3\n")
    found = run("up", "--config", tmp_path / "petrel.toml", "--data-dir", tmp_path / "data")
    assert found.returncode == 2
    assert "unknown key detect.hold_sample; did you mean detect.hold_samples?" in found.stderr
    assert not (tmp_path / "data").exists()


def test_replay_finds_the_incident_twice_the_same(filled: tuple[Path, int, int]) -> None:
    directory, samples, log_records = filled
    config = directory / "petrel.toml"
    # One window for both: how urgent an open incident is depends on how late it is.
    now = datetime.now(UTC)
    window = ("--from", (now - timedelta(hours=3)).isoformat(), "--to", now.isoformat())
    arguments = ("--data-dir", directory / "data", "--config", config, *window)
    found = run("replay", *arguments, "--twice", "--json")
    assert found.returncode == 0, found.stderr
    report = json.loads(found.stdout)
    assert (report["samples"], report["log_records"]) == (samples, log_records)
    assert any("service:checkout" in incident["entities"] for incident in report["incidents"])
    text = run("replay", *arguments).stdout
    assert report["digest"] in text
    assert re.search(rf"\b{len(report['incidents'])} incidents?\b", text)


def test_export_writes_what_was_pushed(filled: tuple[Path, int, int], tmp_path: Path) -> None:
    directory, samples, log_records = filled
    common = ("--data-dir", directory / "data", "--from", "-3h")
    cpu = tmp_path / "cpu.parquet"
    arguments = ("export", *common, "--what", "samples", "--series", "CPU web-1", "--out", cpu)
    found = run(*arguments)
    assert found.returncode == 0, found.stderr
    table = pa_parquet.read_table(cpu)
    assert table.num_rows == samples // len(Estate(7, 0).step(0).metrics.specs)
    assert set(table["metric"].to_pylist()) == {"system_cpu_utilization_ratio"}
    times = table["time_unix_nano"].to_numpy()
    assert (times[1:] > times[:-1]).all()
    again = run(*arguments)
    assert again.returncode == 2
    assert "exists" in again.stderr
    assert run(*arguments, "--force").returncode == 0
    logs = tmp_path / "logs.jsonl"
    assert run("export", *common, "--what", "logs", "--out", logs).returncode == 0
    assert len(logs.read_text().splitlines()) == log_records
    for wrong in (
        ("--out", "x.xls"),
        ("--out", tmp_path / "no" / "x.csv"),
        ("--series", "a", "--out", "x.csv"),
    ):
        assert run("export", *common, "--what", "logs", *wrong).returncode == 2


def test_demo_shows_an_incident_within_two_minutes_and_cleans_up() -> None:
    temporary = set(Path("/tmp").glob("petrel-demo-*"))
    begun = time.monotonic()
    demo = subprocess.Popen(
        [*PETREL, "demo", "--port", "0", "--calm-seconds", "5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    said: list[str] = []
    try:
        assert demo.stdout is not None
        for line in demo.stdout:
            said.append(line)
            if "Incident" in line and "after the fault began" in line:
                break
        assert time.monotonic() - begun < 120, said
        assert any(re.search(r"http://127\.0\.0\.1:\d+/set-up\?secret=", line) for line in said)
        # Nothing was found before something went wrong.
        assert sum("Incident" in line for line in said) == 1, said
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=60)
        assert demo.returncode == 0, said
        assert "Stopped" in rest
    finally:
        if demo.poll() is None:
            demo.terminate()
            demo.wait(60)
        if demo.stdout is not None:
            demo.stdout.close()
    assert set(Path("/tmp").glob("petrel-demo-*")) <= temporary


def test_the_server_of_a_killed_demo_ends_by_itself(tmp_path: Path) -> None:
    demo = subprocess.Popen(
        [*PETREL, "demo", "--port", "0", "--keep", str(tmp_path / "kept")], stdout=subprocess.PIPE, text=True
    )
    assert demo.stdout is not None
    try:
        assert any("running at" in line for line in demo.stdout)
        [server] = psutil.Process(demo.pid).children()
    finally:
        demo.kill()
        demo.wait()
        demo.stdout.close()
    try:
        server.wait(30)
    finally:
        if server.is_running():
            server.kill()
    assert (tmp_path / "kept" / "data" / "control.sqlite").exists()
