"""How findings speak: numbers with units, p-values in words, one plain sentence."""

from __future__ import annotations

import math

from stormpetrel.model.finding import Evidence
from stormpetrel.model.signal import MetricKind, SeriesInfo

_BYTES = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_BYTE_UNITS = frozenset({"By", "B", "byte", "bytes"})
_SPANS = (("seconds", 1.0), ("minutes", 60.0), ("hours", 3600.0), ("days", 86400.0), ("years", 31_557_600.0))


def amount(value: float, unit: str = "") -> str:
    """A number as a person writes it.

    >>> amount(0.98765, "1"), amount(5 * 2**30, "By"), amount(1234567.0), amount(0.0)
    ('0.9877', '5 GiB', '1.235M', '0')
    >>> amount(2048, "By/s"), amount(0.125, "ratio")
    ('2 KiB/s', '12.5 %')
    """
    if not math.isfinite(value):
        return "unknown"
    base, slash, per = unit.partition("/")
    if base == "ratio":
        return f"{_short(100 * value)} %{slash}{per}"
    if base in _BYTE_UNITS:
        size, step = abs(value), 0
        while size >= 1024 and step < len(_BYTES) - 1:
            size, step = size / 1024, step + 1
        return f"{math.copysign(size, value):.4g} {_BYTES[step]}{slash}{per}"
    text = _short(value)
    return text if unit in ("", "1") else f"{text} {unit}" if base not in ("", "1") else f"{text}{slash}{per}"


def _short(value: float) -> str:
    size = abs(value)
    for letter, step in (("G", 1e9), ("M", 1e6), ("k", 1e4)):
        if size >= step:
            return f"{value / (1e3 if letter == 'k' else step):.4g}{letter}"
    return f"{value:.4g}"


def duration(seconds: float) -> str:
    """A length of time, in the largest unit that keeps it at least one.

    >>> duration(90), duration(3 * 86400), duration(1e12), duration(0.2)
    ('90 seconds', '3 days', 'a century', 'a second')
    """
    if seconds >= 100 * _SPANS[-1][1]:
        return "a century"
    name, size = _SPANS[0]
    for longer, length in _SPANS:
        if seconds >= 2 * length:
            name, size = longer, length
    count = round(seconds / size)
    return f"{count} {name}" if count > 1 else "a second"


def rarity(p_value: float, interval_seconds: float) -> str:
    """A p-value as how often healthy samples at this interval would look so strange.

    >>> rarity(1e-6, 5.0)
    'seen about once in 58 days at this interval'
    >>> rarity(1e-30, 5.0)
    'seen less than once in a century at this interval'
    """
    wait = max(interval_seconds, 1e-9) / p_value
    how = "less than once" if wait >= 100 * _SPANS[-1][1] else "about once"
    return f"seen {how} in {duration(wait)} at this interval"


def unit_of(info: SeriesInfo) -> str:
    """The unit of what is judged: a counter is judged by its rate per second; a ratio by its name."""
    if info.metric.endswith("_ratio") and info.unit in ("", "1"):
        return "ratio"
    return f"{info.unit}/s" if info.kind is MetricKind.COUNTER else info.unit


def plain_name(metric: str) -> str:
    """A metric's name with words apart.

    >>> plain_name("system_cpu_busy_ratio"), plain_name("http.server.duration")
    ('system cpu busy ratio', 'http server duration')
    """
    return metric.replace("_", " ").replace(".", " ")


def direction(evidence: Evidence) -> str:
    """ "above" or "below", by the observed value against the expected one."""
    return "above" if evidence.observed >= evidence.expected else "below"


def title(info: SeriesInfo, head: str, evidence: Evidence) -> str:
    """A short title; a number only where it is the story."""
    name = plain_name(info.metric)
    if info.kind is MetricKind.COUNTER:  # its rate is judged; the total itself only ever rises
        name = f"{name.removesuffix(' total')} rate"
    if head == "flatline":
        return f"{name} stuck at {amount(evidence.observed, evidence.unit)}"
    if head == "jump":
        return f"{name} {'jumped up' if evidence.observed >= evidence.expected else 'dropped'}"
    if head == "lasting":
        return f"{name} {direction(evidence)} its usual level for long"
    if head == "level_shift":
        return f"{name} shifted {'up' if evidence.observed >= evidence.expected else 'down'}"
    return f"{name} far {direction(evidence)} its usual range"


def sentence(info: SeriesInfo, head: str, evidence: Evidence, interval_seconds: float) -> str:
    """Why: what was seen, what was expected, in which band, and how rare that is."""
    unit = evidence.unit
    seen, usual = amount(evidence.observed, unit), amount(evidence.expected, unit)
    band = f"{amount(evidence.low, unit)} to {amount(evidence.high, unit)}"
    rare = rarity(evidence.p_value, interval_seconds)
    name = info.text()
    if head == "flatline":
        return f"{name} has repeated {seen} for longer than ever before: {rare}."
    if head == "jump":
        return f"{name} went from {usual} to {seen} within one sample, usually within {band}: {rare}."
    if head == "lasting":
        side = direction(evidence)
        return (
            f"{name} has been {side} its expected {usual} for longer than ever before, last {seen}: {rare}."
        )
    if head == "level_shift":
        return f"{name} has been {direction(evidence)} its expected {usual} for a while, last {seen}: {rare}."
    return f"{name} is {seen}, {direction(evidence)} the expected {usual} (usual range {band}): {rare}."
