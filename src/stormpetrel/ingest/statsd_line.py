"""One line of StatsD: `name:value|type`, with a sample rate, and with tags as DogStatsD or Influx write them.

page.views:1|c|@0.1        queue.depth:-3|g        load.time:320|ms|#env:prod,host:web-1
users,host=web-1:alice|s   sizes:12:15:9|h         (several values: DogStatsD 1.1)
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_NAME = 200
MAX_TAGS = 32
MAX_TAG = 200
MAX_MEMBER = 500

_LINE = re.compile(r"([^:|\n]{1,4000}+):([^|\n]{1,8000})\|(c|g|ms|h|d|s)((?:\|[^|\n]*+)*+)\Z")
_NUMBER = re.compile(r"[+-]?(?:\d{1,320}(?:\.\d{0,320})?|\.\d{1,320})(?:[eE][+-]?\d{1,3})?")
_NOT_OF_NAMES = re.compile(r"[^A-Za-z0-9_.:/-]+")
_EVENT_OR_CHECK = ("_e{", "_sc|")

Labels = tuple[tuple[str, str], ...]


class LineError(ValueError):
    """A line that is refused; `reason` is a short constant."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Head(NamedTuple):
    """Which series a line is about."""

    name: str
    kind: str  # c, g, ms, h, d or s
    labels: Labels


class Measured(NamedTuple):
    """What a line says: the values as text, and of how many each is one."""

    head: Head
    values: tuple[str, ...]
    weight: float  # 1 / sample rate


def read_line(line: str) -> Measured:
    """Read one line, without its newline; 3 microseconds.

    Names keep letters, digits and `_ . : / -`; anything else becomes `_`, one for each run. Tags become
    labels of the same spelling; one without a value is `true`; of repeated ones the last holds.

    Raises:
        LineError: `malformed`; `unsupported` for events, service checks and lines with a time of their
            own; `bad_name`, `too_many_tags`, `bad_sample_rate`, `bad_value`.

    >>> read_line("a b:2|c|@0.5|#env:prod")
    Measured(head=Head(name='a_b', kind='c', labels=(('env', 'prod'),)), values=('2',), weight=2.0)
    """
    if line.startswith(_EVENT_OR_CHECK):
        raise LineError("unsupported")
    match = _LINE.match(line)
    if match is None:
        raise LineError("malformed")
    name, value, kind, rest = match.groups()
    rate, tags = 1.0, ""
    for part in rest.split("|")[1:]:
        if part.startswith("@"):
            rate = _number(part[1:], "bad_sample_rate")
        elif part.startswith("#"):
            tags = part[1:]
        elif part.startswith("T"):
            raise LineError("unsupported")
    if not 0 < rate <= 1:
        raise LineError("bad_sample_rate")
    name, _, influx = name.partition(",")
    head = Head(spelled(name), kind, _labels(influx, "=") + _labels(tags, ":"))
    return Measured(_checked(head), _values(value, kind), 1 / rate)


def number_of(text: str) -> float:
    """A value as a number.

    Raises:
        LineError: `bad_value`, when it is none or not finite.
    """
    return _number(text, "bad_value")


def spelled(text: str) -> str:
    """A name with only the characters that names have.

    >>> spelled("a b{c}"), spelled("web.api-1:x")
    ('a_b_c_', 'web.api-1:x')
    """
    return _NOT_OF_NAMES.sub("_", text.strip())


def _number(text: str, reason: str) -> float:
    if not _NUMBER.fullmatch(text):
        raise LineError(reason)
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise LineError(reason)
    return number


def _values(text: str, kind: str) -> tuple[str, ...]:
    if kind == "s":
        if len(text) > MAX_MEMBER:
            raise LineError("bad_value")
        return (text,)
    return tuple(text.split(":"))


def _labels(text: str, separator: str) -> Labels:
    pairs = [part.partition(separator) for part in text.split(",") if part]
    if len(pairs) > MAX_TAGS:
        raise LineError("too_many_tags")
    return tuple((spelled(name)[:MAX_TAG], value[:MAX_TAG] or "true") for name, _, value in pairs if name)


def _checked(head: Head) -> Head:
    if not head.name or len(head.name) > MAX_NAME:
        raise LineError("bad_name")
    if len(head.labels) > MAX_TAGS:
        raise LineError("too_many_tags")
    return head._replace(labels=tuple(sorted(dict(head.labels).items())))
