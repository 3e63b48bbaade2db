"""/readyz: an installation that cannot store or judge says so."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.app.intake import FailingStore, Intake, samples

from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.config import Config
from stormpetrel.app.config_sources import SourcesConfig
from stormpetrel.app.runtime import Runtime
from stormpetrel.errors import StoreFullError


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture
def intake(tmp_path: Path) -> Iterator[Intake]:
    store = FailingStore.over(open_store(Config().store, tmp_path))
    one = Intake(store)
    yield one
    one.stop()
    store.close()


def test_a_writer_that_fails_again_and_again_says_so_until_it_stores(intake: Intake) -> None:
    store, writer = intake.store, intake.writer
    assert isinstance(store, FailingStore)
    assert writer.trouble() == ""
    store.fail("samples", StoreFullError("no space left"), times=3)
    series = intake.series("a")
    for second in range(3):
        with pytest.raises(StoreFullError):
            writer.metrics(samples([series], [second], [1.0]), "t").result(20)
    assert "store_full" in writer.trouble()
    writer.metrics(samples([series], [9], [1.0]), "t").result(20)
    until(lambda: writer.trouble() == "")


def test_not_ready_when_a_thread_ended(tmp_path: Path) -> None:
    sources = SourcesConfig.model_validate(
        {"host": {"enabled": False}, "logs": {"journald": False, "files": []}, "own_metrics": False}
    )
    runtime = Runtime(Config(data_dir=tmp_path, sources=sources))
    runtime.start()
    try:
        until(lambda: runtime.service.ready()[0])
        runtime._judge.stop()
        ready, why = runtime.service.ready()
        assert not ready
        assert "judge is not running" in why
    finally:
        runtime.writer.stop()
        runtime.control.close()
        runtime.store.close()
