"""Loki streams: what the labels that all lines of a stream share say of each of them."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from stormpetrel.ingest.severity import severity_of
from stormpetrel.model.resource import entity_of

MAX_LABELS = 64
MAX_LABEL_BYTES = 16 << 10

# The labels in which Loki and its agents keep a line's level, the surest first.
LEVEL_LABELS = ("level", "detected_level", "severity", "severity_text", "loglevel", "lvl")
TENANT = "loki.tenant"

# Longer label texts are parsed each time: few senders have them, and a cache of them would be large.
_CACHED_BYTES = 1024

_TEXT = r'"(?:[^"\\]|\\.)*"'
_PAIR = re.compile(
    rf"\s*([a-zA-Z_:][\w:.\-/]*|{_TEXT})\s*=\s*({_TEXT}|`[^`]*`)\s*(,|$)", re.ASCII | re.DOTALL
)
_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))", re.DOTALL)
_NAMED_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


@dataclass(frozen=True, slots=True)
class Stream:
    """What is the same for all lines of a stream. `attributes` is a JSON object; severity 0 is unset."""

    labels: Mapping[str, str]
    entity: str
    attributes: str
    severity: int


def describe(labels: Mapping[str, str], tenant: str) -> Stream | str:
    """The stream of a label set, or the reason why it is refused.

    Attributes are the labels under their own names, and the tenant as `loki.tenant`; a label with an empty
    value is none.
    """
    if len(labels) > MAX_LABELS:
        return "too_many_labels"
    if not all(isinstance(value, str) for value in labels.values()):
        return "label_not_text"
    if sum(len(name) + len(value) for name, value in labels.items()) > MAX_LABEL_BYTES:
        return "labels_too_long"
    kept = {name: value for name, value in labels.items() if name and value}
    if tenant:
        kept[TENANT] = tenant
    return Stream(kept, entity_of(kept), orjson.dumps(kept).decode(), level_of(kept))


def level_of(labels: Mapping[str, str]) -> int:
    """The severity_number that a label set states; 0 when it states none."""
    for name in LEVEL_LABELS:
        if name in labels:
            number = severity_of(labels[name])
            if number:
                return number
    return 0


def describe_text(text: str, tenant: str) -> Stream | str:
    """As `describe`, of labels as PromQL writes them: `{job="a", host="b"}`."""
    if len(text) > 2 * MAX_LABEL_BYTES:
        return "labels_too_long"
    if len(text) + len(tenant) > _CACHED_BYTES:
        return _describe_text(text, tenant)
    return _describe_cached(text, tenant)


@functools.lru_cache(4096)
def _describe_cached(text: str, tenant: str) -> Stream | str:
    return _describe_text(text, tenant)


def _describe_text(text: str, tenant: str) -> Stream | str:
    labels = parse_labels(text)
    return "malformed_labels" if labels is None else describe(labels, tenant)


def parse_labels(text: str) -> dict[str, str] | None:
    r"""The labels of `{name="value", …}` with Go's escapes; None when it is not that. O(bytes).

    >>> parse_labels('{job="a\\"b", host=`c`}')
    {'job': 'a"b', 'host': 'c'}
    """
    stripped = text.strip()
    if stripped[:1] != "{" or stripped[-1:] != "}":
        return None
    inner = stripped[1:-1].strip()
    labels: dict[str, str] = {}
    at = 0
    while at < len(inner):
        pair = _PAIR.match(inner, at)
        if pair is None:
            return None
        name = _unquoted(pair[1]) if pair[1][0] == '"' else pair[1]
        labels[name] = _unquoted(pair[2])
        at = pair.end()
    return labels


def _unquoted(text: str) -> str:
    inner = text[1:-1]
    return inner if text[0] == "`" or "\\" not in inner else _ESCAPE.sub(_unescaped, inner)


def _unescaped(escape: re.Match[str]) -> str:
    two, four, eight, octal, letter = escape.groups()
    if letter is not None:
        return _NAMED_ESCAPES.get(letter, letter)
    number = int(octal, 8) if octal else int(two or four or eight, 16)
    # What is no character, half a surrogate pair for one, is replaced as in any other text.
    return chr(number) if number < 0xD800 or 0xDFFF < number < 0x110000 else "\ufffd"
