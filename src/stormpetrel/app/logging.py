"""Structured logs of this process: JSON lines to stderr, one event a line, no secrets."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress
from typing import Any, TextIO

import structlog


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


def configure_logging(level: str) -> None:
    """Send structured logs to stderr: readable on a terminal, JSON otherwise."""
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
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=_PatientLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
