"""Shared by the tests of the pulling sources: a source running in a thread, and waiting for something."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from stormpetrel.ports.intake import Intake
from stormpetrel.ports.source import Source


@pytest.fixture
def running() -> Callable[[Source, Intake], AbstractContextManager[None]]:
    """`with running(source, intake):` runs the source in a thread and stops it at the end."""

    @contextmanager
    def start(source: Source, intake: Intake) -> Iterator[None]:
        stop = threading.Event()
        failures: list[BaseException] = []

        def work() -> None:
            try:
                source.run(intake, stop)
            except BaseException as error:
                failures.append(error)
                raise

        thread = threading.Thread(target=work)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(60)
        assert not thread.is_alive(), "the source did not stop"
        assert not failures

    return start


@pytest.fixture
def until() -> Callable[..., None]:
    """`until(condition)` waits for it, and fails the test when it never comes."""

    def wait(condition: Callable[[], object], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, "what was waited for did not happen"
            time.sleep(0.01)

    return wait
