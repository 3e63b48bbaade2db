"""Severity as senders write it, as OpenTelemetry's severity_number (0 to 24)."""

from __future__ import annotations

_NAMES: dict[str, int] = {
    "trace": 1, "verbose": 1, "finest": 1,
    "debug": 5, "fine": 5, "finer": 5, "dbg": 5,
    "info": 9, "information": 9, "informational": 9, "log": 9, "notice": 10, "config": 9,
    "warn": 13, "warning": 13, "wrn": 13,
    "error": 17, "err": 17, "severe": 17, "failure": 17, "eror": 17,
    "critical": 18, "crit": 18, "alert": 19,
    "fatal": 21, "emerg": 21, "emergency": 21, "panic": 21,
}  # fmt: skip


def severity_of(text: str) -> int:
    """The severity_number that a level's name means; 0 when it means none. Case does not matter.

    Source: appendix B of the OpenTelemetry log data model (syslog, log4j, journald and others). A number
    after an OpenTelemetry name counts up, `WARN3` is 15.

    >>> severity_of("Warning"), severity_of("ERROR2"), severity_of("x")
    (13, 18, 0)
    """
    name = text.strip().lower()
    known = _NAMES.get(name)
    if known is not None:
        return known
    if name[-1:] in ("2", "3", "4") and name[:-1] in ("trace", "debug", "info", "warn", "error", "fatal"):
        return _NAMES[name[:-1]] + int(name[-1]) - 1
    return 0
