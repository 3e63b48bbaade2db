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


# By head: the title after the name, and the sentence after the series. A head without a line of its own is
# told as a distance from the usual range.
_TITLES = {
    "flatline": "stuck at {seen}",
    "jump": "{moved}",
    "lasting": "{side} its usual level for long",
    "level_shift": "shifted {way}",
    "season": "far {side} its usual for this time of day",
    "forecast": "broke its pattern",
    "spread": "unusually restless",
    "still": "unusually still",
    "drift": "drifting {way}",
}
_SENTENCES = {
    "flatline": "has repeated {seen} for longer than ever before: {rare}.",
    "jump": "went from {usual} to {seen} within one sample, usually within {band}: {rare}.",
    "lasting": "has been {side} its expected {usual} for longer than ever before, last {seen}: {rare}.",
    "level_shift": "has been {side} its expected {usual} for a while, last {seen}: {rare}.",
    "forecast": "moved to {seen}, which its last changes do not explain (expected {usual}): {rare}.",
    "spread": "varies more than it usually does, last {seen}, expected {usual}: {rare}.",
    "still": "has not varied as it usually does for longer than ever before, last {seen}: {rare}.",
    "drift": "has drifted for long, in steps too small to be strange, to {seen}; the expected moved with it.",
}
_INSIDE = "is {seen}, within its usual range {band}, but strange in several views at once: {rare}."
_FAR = "is {seen}, {side} the expected {usual} (usual range {band}): {rare}."


def _words(evidence: Evidence) -> dict[str, str]:
    """What titles and sentences are made of."""
    unit = evidence.unit
    up = evidence.observed >= evidence.expected
    return {
        "seen": amount(evidence.observed, unit),
        "usual": amount(evidence.expected, unit),
        "band": f"{amount(evidence.low, unit)} to {amount(evidence.high, unit)}",
        "side": direction(evidence),
        "way": "up" if up else "down",
        "moved": "jumped up" if up else "dropped",
    }


def title(info: SeriesInfo, head: str, evidence: Evidence) -> str:
    """A short title; a number only where it is the story."""
    name = plain_name(info.metric)
    if info.kind is MetricKind.COUNTER:  # its rate is judged; the total itself only ever rises
        name = f"{name.removesuffix(' total')} rate"
    return f"{name} {_TITLES.get(head, 'far {side} its usual range').format(**_words(evidence))}"


def sentence(info: SeriesInfo, head: str, evidence: Evidence, interval_seconds: float) -> str:
    """Why: what was seen, what was expected, in which band, and how rare that is."""
    inside = evidence.low <= evidence.observed <= evidence.high
    words = _words(evidence) | {"rare": rarity(evidence.p_value, interval_seconds)}
    return f"{info.text()} {_SENTENCES.get(head, _INSIDE if inside else _FAR).format(**words)}"
