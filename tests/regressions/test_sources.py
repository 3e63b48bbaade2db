"""A source that failed is started again: a moment without disk space must not end the logs for ever."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from stormpetrel.app import runtime as module
from stormpetrel.app.config import Config
from stormpetrel.app.config_sources import SourcesConfig
from stormpetrel.app.runtime import Runtime
from stormpetrel.errors import StoreFullError
from stormpetrel.ports.intake import Intake

NO_SOURCES = SourcesConfig.model_validate(
    {"host": {"enabled": False}, "logs": {"journald": False, "files": []}, "own_metrics": False}
)


class Unlucky:
    """Fails twice, as when its position cannot be put down."""

    name = "unlucky"

    def __init__(self) -> None:
        self.runs = 0
        self.well = threading.Event()

    def run(self, intake: Intake, stop: threading.Event) -> None:
        self.runs += 1
        if self.runs < 3:
            raise StoreFullError("no space left for the position")
        self.well.set()
        stop.wait(20)


def test_a_source_that_failed_runs_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Unlucky()
    monkeypatch.setattr(module, "build_sources", lambda *_: [("file", source)])
    monkeypatch.setattr(module, "_SOURCE_PAUSE_SECONDS", 0.01)
    runtime = Runtime(Config(data_dir=tmp_path, sources=NO_SOURCES))
    runtime.start()
    try:
        assert source.well.wait(10)
        assert ("unlucky", "store_full", 2) in runtime._tally.rejections()
    finally:
        runtime.stop()
    assert source.runs == 3


def test_stopping_does_not_wait_for_the_pause(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = Unlucky()
    monkeypatch.setattr(module, "build_sources", lambda *_: [("file", source)])
    monkeypatch.setattr(module, "_SOURCE_PAUSE_SECONDS", 600.0)
    runtime = Runtime(Config(data_dir=tmp_path, sources=NO_SOURCES))
    runtime.start()
    runtime.stop()
    assert source.runs == 1
    assert not any(thread.is_alive() for thread in runtime._threads)
