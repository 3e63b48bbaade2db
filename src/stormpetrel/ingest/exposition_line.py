"""One line of the Prometheus text format: its parts, and what they say.

Every function raises ValueError whose text is the reason, from a small fixed set, why a line is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from stormpetrel.model.time import NANOS_PER_MILLISECOND, NANOS_PER_SECOND

_INT64_MAX = (1 << 63) - 1

# Series, value, time or None; then perhaps an exemplar. Possessive, so that no line takes more than one pass.
LINE = re.compile(
    rb"""[ \t]*+
    ( [^\s{"#]*+ (?: [ \t]*+ \{ (?: [^"}]++ | "(?:[^"\\]|\\.)*+" )*+ \} )?+ )
    [ \t]*+ (?<=[ \t}]) (\S++) (?: [ \t]++ ([^\s#]\S*+) )?+ [ \t]*+ (?: \#.*+ )?+ \r?+ $""",
    re.VERBOSE | re.DOTALL,
)

_LABEL = re.compile(
    rb"""\s*+ (?: "((?:[^"\\]|\\.)*+)" | ([^\s"=,{}]++) ) \s*+
    (?: (=) \s*+ "((?:[^"\\]|\\.)*+)" )?+ \s*+ (?: , | $ )""",
    re.VERBOSE | re.DOTALL,
)
_NAME = re.compile(rb"[a-zA-Z_:][a-zA-Z0-9_:.]*+$")
_NUMBER = re.compile(rb"[+-]?+(?:(?:\d++\.?+\d*+|\.\d++)(?:[eE][+-]?+\d++)?+|[iI]nf(?:inity)?+|[nN]a[nN])$")
_ESCAPE = re.compile(rb"\\(.)", re.DOTALL)
_ESCAPED = {b"n": b"\n", b"\\": b"\\", b'"': b'"'}


def read_value(text: bytes) -> float:
    """A value: a decimal number, NaN or ±Inf.

    >>> read_value(b"+Inf"), read_value(b"1e3")
    (inf, 1000.0)
    """
    if not _NUMBER.match(text):
        raise ValueError("bad_value")
    return float(text)


def read_time(text: bytes, seconds: bool) -> int:
    """A timestamp as Unix nanoseconds: whole milliseconds, or seconds with a fraction.

    >>> read_time(b"1500", False), read_time(b"1.5", True)
    (1500000000, 1500000000)
    """
    try:
        if seconds:
            whole, _, fraction = text.partition(b".")
            nanos = abs(int(whole)) * NANOS_PER_SECOND + int((fraction + b"0" * 9)[:9])
            nanos = -nanos if whole.startswith(b"-") else nanos
        else:
            nanos = int(text) * NANOS_PER_MILLISECOND
    except ValueError:
        raise ValueError("bad_timestamp") from None
    if abs(nanos) > _INT64_MAX or b"_" in text:
        raise ValueError("bad_timestamp")
    return nanos


def read_labels(series: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The labels of a series text, with the metric's name as `__name__`; names may be quoted (Prometheus 3).

    >>> dict(read_labels(b'up{job="a"}'))
    {b'__name__': b'up', b'job': b'a'}
    >>> dict(read_labels(b'{"my.metric", "a b"="c"}'))
    {b'__name__': b'my.metric', b'a b': b'c'}
    """
    name, brace, inside = series.partition(b"{")
    name = name.strip()
    if name and not _NAME.match(name):
        raise ValueError("bad_metric_name")
    seen = set()
    found = [(b"__name__", name)] if name else []
    if brace:
        found.extend(_pairs(inside.rstrip()[:-1].strip()))
    for key, value in found:
        if key in seen:
            raise ValueError("duplicate_label")
        seen.add(key)
        yield key, value


def _pairs(inside: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 0
    while at < len(inside):
        part = _LABEL.match(inside, at)
        if part is None:
            raise ValueError("bad_labels")
        quoted, plain, equals, value = part.groups()
        at = part.end()
        if equals is None:
            if quoted is None:
                raise ValueError("bad_labels")
            yield b"__name__", _unescape(quoted)
        else:
            yield (_unescape(quoted) if quoted is not None else plain), _unescape(value)


def _unescape(text: bytes) -> bytes:
    if b"\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: _ESCAPED.get(found[1], found[0]), text)
