"""Series of line protocol: measurement, tags and field to metric and labels."""

from __future__ import annotations

import re

from stormpetrel.ingest.remote_write_labels import MAX_LABEL_BYTES, MAX_LABELS

_COMMA = re.compile(rb"(?<!\\),")
_EQUALS = re.compile(rb"(?<!\\)=")
_MEASUREMENT_ESCAPE = re.compile(rb"\\([, ])")
_ESCAPE = re.compile(rb"\\([,= ])")

# Measurement and tags.
Key = tuple[str, list[tuple[str, str]]]


def read_key(raw: bytes) -> Key | str:
    r"""Measurement and tags of a line, or the reason why they are refused.

    >>> read_key(rb"disk\ io,host=a\,b,path=/")
    ('disk io', [('host', 'a,b'), ('path', '/')])
    >>> read_key(b"cpu,host=")
    'malformed_tag'
    """
    if len(raw) > MAX_LABEL_BYTES:
        return "labels_too_long"
    measurement, *tags = _COMMA.split(raw)
    if len(tags) >= MAX_LABELS:
        return "too_many_labels"
    pairs: list[tuple[str, str]] = []
    try:
        for tag in tags:
            parts = _EQUALS.split(tag)
            if len(parts) != 2 or not parts[0] or not parts[1]:
                return "malformed_tag"
            pairs.append((_plain(parts[0]), _plain(parts[1])))
        name = _MEASUREMENT_ESCAPE.sub(rb"\1", measurement).decode()
    except UnicodeDecodeError:
        return "not_utf8"
    names = {tag for tag, _ in pairs}
    if len(names) != len(pairs):
        return "duplicate_label"
    return "reserved_label" if "__name__" in names else (name, pairs)


def metric_name(measurement: str, raw_field: bytes) -> str:
    r"""The metric of a field: measurement and field with an underscore between; "" when it is not UTF-8.

    >>> metric_name("cpu", rb"usage\ idle")
    'cpu_usage idle'
    """
    try:
        return f"{measurement}_{_plain(raw_field)}"
    except UnicodeDecodeError:
        return ""


def _plain(raw: bytes) -> str:
    return _ESCAPE.sub(rb"\1", raw).decode() if b"\\" in raw else raw.decode()
