"""Writing for people: numbers with units, times with ages, and text from strangers made harmless."""

from __future__ import annotations

import math

from markupsafe import Markup

from stormpetrel.model.finding import Severity
from stormpetrel.model.signal import MetricKind, SeriesInfo
from stormpetrel.model.text import written_out
from stormpetrel.model.time import to_iso, to_seconds

MINUS, TIMES = "\u2212", "\u00d7"
_BYTE_UNITS = frozenset({"bytes", "by", "byte", "b"})
_SECOND_UNITS = frozenset({"seconds", "s", "second"})
_SHORT = {"seconds": "s", "second": "s", "milliseconds": "ms", "millisecond": "ms"}
_RATIO_UNITS = frozenset({"ratio"})

LOG_SEVERITIES: tuple[tuple[int, str], ...] = (
    (21, "fatal"),
    (17, "error"),
    (13, "warn"),
    (9, "info"),
    (5, "debug"),
    (1, "trace"),
)


def visible(value: object) -> object:
    """Text with every unseen character written out as `⟨U+202E⟩`; anything else, and markup, as it is.

    Jinja calls this on every value it prints (`finalize`), so no template can forget it.

    >>> visible("a\\u202eb")
    'a⟨U+202E⟩b'
    """
    return written_out(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def number(value: float) -> str:
    """A plain number: four significant digits, thousands grouped, very large and small in powers of ten.

    >>> number(1234567), number(0.00123456), number(12.5), number(float("nan")), number(3.2e-9)
    ('1,234,567', '0.001235', '12.5', 'unknown', '3.2 × 10⁻⁹')
    """
    if not math.isfinite(value):
        return "unknown" if math.isnan(value) else ("∞" if value > 0 else MINUS + "∞")
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e15 or size < 1e-4:
        return _power(value)
    if size >= 1000 or value == int(value):
        return f"{value:,.0f}".replace("-", MINUS)
    return f"{value:.4g}".replace("-", MINUS)


def _power(value: float) -> str:
    mantissa, exponent = f"{value:.1e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa.removesuffix('.0')} {TIMES} 10{raised}".replace("-", MINUS)


def size(value: float) -> str:
    """Bytes in powers of 1024.

    >>> size(1536), size(0), size(5 * 2**30)
    ('1.5 KiB', '0 B', '5 GiB')
    """
    if not math.isfinite(value):
        return number(value)
    for unit in ("B", "KiB", "MiB", "GiB", "TiB"):
        if abs(value) < 1024:
            return f"{value:.3g} {unit}"
        value /= 1024
    return f"{value:,.4g} PiB"


def duration(seconds: float) -> str:
    """A length of time in its two largest useful units.

    >>> duration(0.0042), duration(42), duration(3700), duration(90061)
    ('4.2 ms', '42 s', '1 h 1 min', '1 d 1 h')
    """
    if not math.isfinite(seconds):
        return number(seconds)
    size_ = abs(seconds)
    if size_ < 1:
        return (
            "0 s"
            if seconds == 0
            else (f"{seconds * 1e3:.3g} ms" if size_ >= 1e-3 else f"{seconds * 1e6:.3g} µs")
        )
    if size_ < 60:
        return f"{seconds:.3g} s"
    if size_ >= 1e10:  # three hundred years and more: a wrong unit, most likely
        return f"{number(seconds / 86400)} d"
    for big, big_name, small, small_name in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "min"),
        (60, "min", 1, "s"),
    ):
        if size_ >= big:
            rest = int(size_ % big // small)
            return f"{int(seconds / big)} {big_name}" + (f" {rest} {small_name}" if rest else "")
    return f"{seconds:.0f} s"


def quantity(value: float, unit: str = "") -> str:
    """A number with its unit, written the way people read that unit.

    >>> quantity(2048, "bytes"), quantity(0.873, "ratio"), quantity(75, "seconds"), quantity(3, "requests")
    ('2 KiB', '87.3 %', '1 min 15 s', '3 requests')
    """
    low = unit.lower()
    if not math.isfinite(value):
        return number(value)
    if low in _BYTE_UNITS:
        return size(value)
    if low.endswith("/s") and low[:-2] in _BYTE_UNITS:
        return size(value) + "/s"
    if low in _RATIO_UNITS:
        return f"{value * 100:.3g} %"
    if low in _SECOND_UNITS:
        return duration(value)
    base, slash, per = unit.partition("/")
    return f"{number(value)} {_SHORT.get(base, base)}{slash}{per}".rstrip() if unit != "1" else number(value)


def unit_of(info: SeriesInfo) -> str:
    """The unit of what is judged: the declared one or the metric name's; counters are read per second."""
    unit = info.unit
    if unit in ("", "1"):  # UCUM's 1 is "no unit": the name may still say ratio
        stem = info.metric.removesuffix("_total")
        unit = next((u for u in ("bytes", "seconds", "ratio") if stem.endswith("_" + u)), unit)
    return f"{unit}/s" if info.kind is MetricKind.COUNTER else unit


def age(time_unix_nano: int, now_unix_nano: int) -> str:
    """How long ago, roughly; `never` for 0; times ahead of now say so.

    >>> age(0, 5), age(10**9, 4 * 10**9), age(10**9, 200 * 10**9), age(10**9, 7300 * 10**9)
    ('never', '3 s ago', '3 min ago', '2 h 1 min ago')
    """
    if time_unix_nano == 0:
        return "never"
    seconds = to_seconds(now_unix_nano - time_unix_nano)
    rough = math.floor(abs(seconds))
    if rough >= 60:  # as the page itself goes on to write it
        rough = rough // 60 * 60
    if seconds < -1:
        return f"in {duration(rough)}"
    return "just now" if seconds < 1 else f"{duration(rough)} ago"


def clock(time_unix_nano: int, now_unix_nano: int = 0) -> str:
    """UTC time of day, with the date unless it is the same day as `now`.

    >>> clock(0), clock(10**9, 2 * 10**9)
    ('1970-01-01 00:00:00', '00:00:01')
    """
    day, _, time = to_iso(time_unix_nano).partition("T")
    return time[:8] if now_unix_nano and to_iso(now_unix_nano)[:10] == day else f"{day} {time[:8]}"


def p_text(p_value: float) -> str:
    """A p-value in words a tired person can use.

    >>> p_text(1e-9), p_text(0.02), p_text(float("nan"))
    ('about 1 in 1 billion', 'about 1 in 50', 'not judged')
    """
    if not 0 < p_value <= 1:
        return "not judged"
    odds = 1.0000001 / p_value  # 1 / 1e-9 falls short of a billion by rounding
    for scale, word in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if odds >= scale:
            return f"about 1 in {_two(odds / scale)} {word}" if odds < 1e15 else "below 1 in 1,000 trillion"
    return f"about 1 in {_two(odds)}"


def _two(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}".removesuffix(".0")


def severity_word(severity: int) -> str:
    """`critical`, `error`, `warning` or `info`."""
    return Severity(severity).name.lower() if severity in list(Severity) else "unknown"


def log_severity_word(severity_number: int) -> str:
    """The word of an OpenTelemetry severity number; `unset` below 1.

    >>> log_severity_word(17), log_severity_word(0), log_severity_word(12)
    ('error', 'unset', 'info')
    """
    return next((word for least, word in LOG_SEVERITIES if severity_number >= least), "unset")
