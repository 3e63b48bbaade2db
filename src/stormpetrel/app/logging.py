"""Structured logs of this process: JSON lines to stderr, one event a line, no secrets."""

from __future__ import annotations

import logging
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Any, NamedTuple, TextIO

import structlog

from stormpetrel.model.signal import (
    SEVERITY_DEBUG,
    SEVERITY_ERROR,
    SEVERITY_FATAL,
    SEVERITY_INFO,
    SEVERITY_WARN,
)

_SEVERITY = {
    "debug": SEVERITY_DEBUG,
    "info": SEVERITY_INFO,
    "warning": SEVERITY_WARN,
    "error": SEVERITY_ERROR,
    "critical": SEVERITY_FATAL,
}


class RecentLog:
    """The newest lines of this process's own log, for its own pipeline; the oldest are lost first."""

    def __init__(self, most: int = 1000) -> None:
        self._lines: deque[OwnLine] = deque(maxlen=most)

    def keep(
        self, _logger: Any, _method: str, fields: structlog.typing.EventDict
    ) -> structlog.typing.EventDict:
        """A structlog processor that passes everything on."""
        rest = {key: value for key, value in fields.items() if key not in ("event", "level", "timestamp")}
        severity = _SEVERITY.get(str(fields.get("level")), SEVERITY_INFO)
        body = str(fields.get("event"))
        text = " ".join([body, *(f"{key}={value!r}" for key, value in rest.items() if key != "exception")])
        self._lines.append(OwnLine(time.time_ns(), severity, text[:4000]))
        return fields

    def take(self) -> list[OwnLine]:
        """What came since the last call."""
        taken: list[OwnLine] = []
        while self._lines:
            taken.append(self._lines.popleft())
        return taken


class OwnLine(NamedTuple):
    """One line of this process's own log."""

    time_unix_nano: int
    severity_number: int
    body: str


RECENT = RecentLog()  # structlog's configuration is the process's, and so is this


class _PatientLogger(structlog.PrintLogger):
    """Gives up a line that cannot be written.

    The log may lie on the device that just filled up, or go to a program that ended: a thread that tells
    of trouble must not end by telling it.
    """

    def msg(self, message: str) -> None:
        """Print a line, or not."""
        with suppress(OSError, ValueError):
            super().msg(message)

    log = debug = info = warn = warning = msg
    fatal = failure = err = error = critical = exception = msg


class _PatientLoggerFactory:
    def __init__(self, file: TextIO) -> None:
        self._file = file

    def __call__(self, *_names: Any) -> _PatientLogger:
        return _PatientLogger(self._file)


def configure_logging(level: str, clean: Callable[[str], str] = str) -> None:
    """Send structured logs to stderr: readable on a terminal, JSON otherwise.

    Args:
        level: least level that is written.
        clean: takes out of each text what must not be written (see `app.prepare`).
    """

    def cleaned(_logger: Any, _method: str, fields: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {key: clean(value) if isinstance(value, str) else value for key, value in fields.items()}

    # Texts of senders go into lines: shown as Python writes them, they cannot steer the terminal.
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(repr_native_str=True)
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            cleaned,
            RECENT.keep,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=_PatientLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
