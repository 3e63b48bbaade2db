"""What a line of a log file says of itself: when, how bad, and which program.

Conservative: what is not recognised stays unset, and a line without a time of its own takes the time at
which it was read. The layouts of time are those of the function that the source is given.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from stormpetrel.adapters.sources.file_records import FindTime
from stormpetrel.model.signal import (
    SEVERITY_DEBUG,
    SEVERITY_ERROR,
    SEVERITY_FATAL,
    SEVERITY_INFO,
    SEVERITY_TRACE,
    SEVERITY_UNSET,
    SEVERITY_WARN,
)

_PRIORITY = re.compile(r"<(\d{1,3})>(?:1 )?")
_PROGRAM = re.compile(r" [\w.:-]+ ([A-Za-z_(][\w./()@-]{0,63})(?:\[\d+\])?: ")
# Words that state a severity: a field of the line, a word in brackets, or one written in capitals.
_FIELD = re.compile(
    r"""["']?\b(?:level|lvl|severity|loglevel)["']?\s?[=:]\s?["']?([A-Za-z]{3,11})\b""", re.IGNORECASE
)
_BRACKET = re.compile(
    r"[\[<(](?:\w+:)?(emerg|alert|crit|error|err|warn|warning|notice|info|debug|trace)[\]>)]", re.I
)
_CAPITALS = re.compile(
    r"\b(FATAL|PANIC|CRITICAL|CRIT|EMERG|ERROR|ERR|SEVERE|WARN|WARNING|NOTICE|INFO|DEBUG|TRACE)\b"
)
_PLAIN = re.compile(r"(?:^|[:\]] )(panic|fatal|error|warning)(?: error)?:|\b(kernel panic)\b", re.IGNORECASE)
_SEARCHED = 240  # characters at the start in which a severity is looked for

_SEVERITY = {
    "trace": SEVERITY_TRACE,
    "debug": SEVERITY_DEBUG,
    "info": SEVERITY_INFO,
    "information": SEVERITY_INFO,
    "notice": SEVERITY_INFO + 1,
    "warn": SEVERITY_WARN,
    "warning": SEVERITY_WARN,
    "err": SEVERITY_ERROR,
    "error": SEVERITY_ERROR,
    "severe": SEVERITY_ERROR,
    "crit": SEVERITY_ERROR + 1,
    "critical": SEVERITY_ERROR + 1,
    "alert": SEVERITY_ERROR + 2,
    "emerg": SEVERITY_FATAL,
    "fatal": SEVERITY_FATAL,
    "panic": SEVERITY_FATAL,
    "kernel panic": SEVERITY_FATAL,
}

# RFC 5424 severities 0 (emergency) to 7 (debug), as the OpenTelemetry log data model maps them.
SYSLOG_SEVERITY = (
    SEVERITY_FATAL,
    SEVERITY_ERROR + 2,
    SEVERITY_ERROR + 1,
    SEVERITY_ERROR,
    SEVERITY_WARN,
    SEVERITY_INFO + 1,
    SEVERITY_INFO,
    SEVERITY_DEBUG,
)


class Line(NamedTuple):
    """What was recognised; `process` is empty and `severity_number` 0 where nothing was."""

    time_unix_nano: int
    severity_number: int
    process: str


def read_line(text: str, observed_unix_nano: int, find_time: FindTime) -> Line:
    """What a line says of itself; never a time after `observed_unix_nano`. About 12 microseconds.

    Args:
        text: the line, or the first line of a record.
        observed_unix_nano: when it was read.
        find_time: finds a leading time, and where it ends.
    """
    priority = _PRIORITY.match(text)
    start = priority.end() if priority else 0
    found = find_time(text[start : start + _SEARCHED].encode("utf-8", "replace"), observed_unix_nano)
    time, end = (
        (min(found[0], observed_unix_nano), start + found[1]) if found else (observed_unix_nano, start)
    )
    program = _PROGRAM.match(text, end) if end > start else None
    if priority and int(priority[1]) < 192:  # 24 facilities of 8 severities
        severity = SYSLOG_SEVERITY[int(priority[1]) % 8]
    else:
        severity = _severity(text, end)
    return Line(time, severity, program[1] if program else "")


def _severity(text: str, start: int) -> int:
    """What the line states of itself near its start, or unset."""
    stop = start + _SEARCHED
    for pattern in (_FIELD, _BRACKET, _CAPITALS, _PLAIN):
        match = pattern.search(text, start, stop)
        if match is not None:
            word = next(group for group in match.groups() if group)
            number = _SEVERITY.get(word.lower(), SEVERITY_UNSET)
            if number:
                return number
    return SEVERITY_UNSET
