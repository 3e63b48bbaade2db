"""This process's own log must never be the reason why a thread ends."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator

import pytest
import structlog

from stormpetrel.app.logging import configure_logging


class FullDevice(io.StringIO):
    """A log file on a device that is full."""

    def write(self, text: str) -> int:
        raise OSError(28, "No space left on device")


class Terminal(io.StringIO):
    """A person's terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def unconfigured() -> Iterator[None]:
    yield
    structlog.reset_defaults()


def test_a_log_that_cannot_be_written_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", FullDevice())
    configure_logging("info")
    structlog.get_logger("x").warning("insert_refused", batches=1)


def test_hostile_text_does_not_reach_the_terminal_raw(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    configure_logging("info")
    structlog.get_logger("x").info("incident", sentence="up\x1b]0;owned\x07\nforged line")
    text = terminal.getvalue()
    assert "\x1b]" not in text
    assert "\x07" not in text
    assert text.count("\n") == 1
