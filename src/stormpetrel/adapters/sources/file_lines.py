"""What a line of a log file says of itself: when, how bad, and which program.

Conservative: what is not recognised stays unset, and a line without a time of its own takes the time at
which it was read. Times without a zone are UTC. Layouts at the start of the line: ISO 8601 and RFC 3339
(also dpkg's and the newer syslog's), RFC 5424, RFC 3164 (the year is inferred), and Unix time in seconds
or milliseconds.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import NamedTuple

from stormpetrel.model.signal import (
    SEVERITY_DEBUG,
    SEVERITY_ERROR,
    SEVERITY_FATAL,
    SEVERITY_INFO,
    SEVERITY_TRACE,
    SEVERITY_UNSET,
    SEVERITY_WARN,
)
from stormpetrel.model.time import NANOS_PER_SECOND

_PRIORITY = re.compile(r"<(\d{1,3})>(?:1 )?")
_ISO = re.compile(
    r"\[?(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d):(\d\d)(?:[.,](\d{1,9})\d*)?\s?(Z|[+-]\d\d:?\d\d)?\]?"
)
_BSD = re.compile(r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) +(\d{1,2}) (\d\d):(\d\d):(\d\d)")
_EPOCH = re.compile(r"\[?(\d{10})(?:\.(\d{1,9})|(\d{3}))?(?=[\]\s,])\]?")
_PROGRAM = re.compile(r" [\w.:-]+ ([A-Za-z_(][\w./()@-]{0,63})(?:\[\d+\])?: ")
_MONTHS = {
    name: number
    for number, name in enumerate(
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"], 1
    )
}

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


def read_line(text: str, observed_unix_nano: int) -> Line:
    """What a line says of itself; never a time after `observed_unix_nano`. About 12 microseconds."""
    priority = _PRIORITY.match(text)
    start = priority.end() if priority else 0
    time, end = _time(text, start, observed_unix_nano)
    program = _PROGRAM.match(text, end) if end > start else None
    if priority and int(priority[1]) < 192:  # 24 facilities of 8 severities
        severity = SYSLOG_SEVERITY[int(priority[1]) % 8]
    else:
        severity = _severity(text, end)
    return Line(time, severity, program[1] if program else "")


def _time(text: str, start: int, observed: int) -> tuple[int, int]:
    """Event time and where it ends in the text; the time observed, and `start`, where there is none."""
    try:
        found, end = (
            _iso(text, start) or _bsd(text, start, observed) or _epoch(text, start) or (observed, start)
        )
    except ValueError:  # looks like a time and is none, as in 2026-13-45
        return observed, start
    return min(found, observed), end


def _iso(text: str, start: int) -> tuple[int, int] | None:
    match = _ISO.match(text, start)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    moment = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC)
    nanos = int(moment.timestamp()) * NANOS_PER_SECOND + _fraction(match[7])
    return nanos - _offset(match[8]) * NANOS_PER_SECOND, match.end()


def _fraction(digits: str | None) -> int:
    return int(digits.ljust(9, "0")) if digits else 0


def _offset(zone: str | None) -> int:
    """Seconds east of UTC."""
    if not zone or zone == "Z":
        return 0
    seconds = int(zone[1:3]) * 3600 + int(zone[-2:]) * 60
    return -seconds if zone[0] == "-" else seconds


def _bsd(text: str, start: int, observed: int) -> tuple[int, int] | None:
    """RFC 3164 says no year: the latest that does not lie more than a day ahead."""
    match = _BSD.match(text, start)
    if match is None:
        return None
    latest = observed // NANOS_PER_SECOND + 86_400
    year = datetime.fromtimestamp(latest, UTC).year
    month = _MONTHS[match[1]]
    day, hour, minute, second = (int(part) for part in match.group(2, 3, 4, 5))
    for candidate in range(year, year - 9, -1):  # eight years: 29 February
        try:
            moment = int(
                datetime(candidate, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
            )
        except ValueError:
            continue
        if moment <= latest:
            return moment * NANOS_PER_SECOND, match.end()
    return None


def _epoch(text: str, start: int) -> tuple[int, int] | None:
    match = _EPOCH.match(text, start)
    if match is None:
        return None
    fraction = _fraction(match[2] or match[3])
    return int(match[1]) * NANOS_PER_SECOND + fraction, match.end()


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
