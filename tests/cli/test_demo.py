from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from stormpetrel.app.config import load_config
from stormpetrel.cli import demo_server
from stormpetrel.cli.demo import HISTORY_SECONDS
from stormpetrel.cli.demo_server import DemoServer
from stormpetrel.cli.main import app
from stormpetrel.errors import ConfigError, StormPetrelError

RUN = CliRunner()


def test_an_unknown_fault_lists_the_known() -> None:
    found = RUN.invoke(app, ["demo", "--fault", "flood"])
    assert found.exit_code == 2
    assert "known: deploy-bug, slow-database, queue-stuck" in found.stderr


def test_a_directory_in_use_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("x")
    found = RUN.invoke(app, ["demo", "--keep", str(tmp_path)])
    assert found.exit_code == 2
    assert "not empty" in found.stderr
    assert [file.name for file in tmp_path.iterdir()] == ["mine"]


def test_its_configuration_takes_the_history_and_watches_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "petrel.toml"
    file.write_text(demo_server._CONFIG)
    config = load_config(file)
    assert config.intake.late_seconds > HISTORY_SECONDS + 3600
    sources = config.sources
    assert [sources.host.enabled, sources.logs.journald, sources.own_metrics] == [False] * 3
    assert not sources.smart.enabled
    assert sources.logs.files == []
    assert config.server.host == "127.0.0.1"


def failing(monkeypatch: pytest.MonkeyPatch, script: str) -> None:
    """Let the server be a program that does as the script says."""
    real = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", lambda _command, **more: real(["/bin/sh", "-c", script], **more))


@pytest.mark.parametrize(("code", "error"), [(2, ConfigError), (1, StormPetrelError)])
def test_a_server_that_ends_is_explained_by_the_end_of_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    failing(monkeypatch, f"echo 'petrel: port 7780 is taken' >&2; exit {code}")
    with DemoServer(tmp_path, 0) as server, pytest.raises(error, match=r"^port 7780 is taken$"):
        server.start(threading.Event())
    assert not server.alive()


def test_a_server_that_says_nothing_is_given_up_and_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, "trap 'echo asked to stop >&2; kill $!; exit 0' TERM; sleep 60 & wait")
    monkeypatch.setattr(demo_server, "START_SECONDS", 0.3)
    with DemoServer(tmp_path, 0) as server:
        with pytest.raises(StormPetrelError, match="did not start within"):
            server.start(threading.Event())
        assert server.alive()
    assert not server.alive()
    assert server.log_file.read_text() == "asked to stop\n"


def test_stopping_while_it_starts_ends_the_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, "exec sleep 60")
    stop = threading.Event()
    stop.set()
    with DemoServer(tmp_path, 0) as server:
        assert server.start(stop) is None
    assert not server.alive()
