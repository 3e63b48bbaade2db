"""Syslog as devices really send it: what neither RFC 5424 nor the usual form of RFC 3164 reads.

A message may lack its priority, time, host or tag, and Cisco's systems put sequence numbers, origin and
zone names around the time. What is not recognised stays in the text; nothing is refused.
"""

from __future__ import annotations

import re
from datetime import tzinfo
from typing import NamedTuple

from stormpetrel.ingest.syslog_fields import MAX_PRIORITY, STRUCTURED_DATA, Fields
from stormpetrel.ingest.timestamps import find_timestamp

_PRIORITY = re.compile(rb"<(\d{1,3})>")
_VERSION_1 = re.compile(rb"1 (\S++) (\S++) (\S++) (\S++) (\S++)(?: ++(.*+))?$", re.DOTALL)
_STRUCTURED = re.compile(rb"(" + STRUCTURED_DATA + rb")(?: |$)")
_TAG = re.compile(rb"([^\s:\[\]<>]{1,128})(?:\[([^\]\s]{1,128})\])?:(?: |$)")
_HOST = re.compile(rb"([\w.:%\x80-\xff-]{0,254}[\w.%\x80-\xff-])(?: ++|$)")

# `%FACILITY-SEVERITY-MNEMONIC:`, with sub-facilities in between on some systems.
_CISCO = re.compile(rb"%([A-Z][A-Z0-9_]{0,63}(?:-[A-Z0-9_]{1,64}){0,3}?)-([0-7])-([A-Za-z0-9_]{1,64}) ?:")
_CISCO_WITHIN = 240
_CISCO_TIME = re.compile(
    rb"[*.]?(?:\d{4} )?(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) |\d{4}-\d\d-\d\d"
)
_NAME = re.compile(rb"[\w.-]{1,255}")
_ZONE_NAME = re.compile(rb"[A-Z]{3,5}")


class Loose(NamedTuple):
    """What was recognised. `time_unix_nano` is None without a time that counts."""

    fields: Fields
    time_unix_nano: int | None
    body: bytes


def read_loosely(message: bytes, zone: tzinfo, received_unix_nano: int) -> Loose:
    """What a message says, as far as it can be told; takes anything. Some 5 microseconds.

    - RFC 5424 whose time or structured data is none: the header counts, the rest is the text. It may leave
      its time out (`-`, RFC 5424, 6.2.3), and still have structured data.
    - Cisco: facility as process, `FACILITY-SEVERITY-MNEMONIC` as message id, sequence number, origin; the
      text begins at the `%`. A time with `*` before it comes from a clock that was not set, and does not
      count (Cisco IOS, "service timestamps").
    - Otherwise a time in any layout of `timestamps`, then host and tag, or only one of both.
    - A number in angle brackets above 191 is no priority, and part of the text.
    """
    found = _PRIORITY.match(message)
    priority = -1
    if found is not None and int(found[1]) <= MAX_PRIORITY:
        priority = int(found[1])
        message = message[found.end() :]
        version_1 = _VERSION_1.match(message)
        if version_1 is not None:
            return _version_1(version_1, priority, zone, received_unix_nano)
    cisco = _CISCO.search(message, 0, _CISCO_WITHIN)
    if cisco is not None:
        return _cisco(message, cisco, priority, (zone, received_unix_nano))
    found_time = find_timestamp(message, zone, received_unix_nano)
    if found_time is None or found_time[1] == 0:
        return _without_time(message, priority)
    return _after_time(message[found_time[1] :].lstrip(b" :"), priority, found_time[0])


def _version_1(match: re.Match[bytes], priority: int, zone: tzinfo, received: int) -> Loose:
    stamp, host, process, pid, msgid, rest = match.groups()
    found = find_timestamp(stamp, zone, received)
    body = rest or b""
    structured = _STRUCTURED.match(body)
    if structured is not None:
        body = body[structured.end() :]
    elif body == b"-" or body.startswith(b"- "):
        body = body[2:]
    time = found[0] if found is not None and found[1] == len(stamp) else None
    said = structured[1] if structured is not None else b""
    return Loose(Fields(priority, host, process, pid, msgid, said), time, body)


def _after_time(rest: bytes, priority: int, time: int) -> Loose:
    """Host and tag, a tag alone, or a host alone: RFC 3164 puts a host behind the time."""
    tag = _TAG.match(rest)
    host = None if tag else _HOST.match(rest)
    start = host.end() if host else 0
    if host is not None:
        tag = _TAG.match(rest, start)
    fields = Fields(
        priority, host[1] if host else b"", tag[1] if tag else b"", (tag[2] or b"") if tag else b""
    )
    return Loose(fields, time, rest[tag.end() if tag else start :])


def _without_time(message: bytes, priority: int) -> Loose:
    """All of it is text, but for a tag that is certainly one: with a process id, or behind a priority."""
    tag = _TAG.match(message)
    if tag is None or (priority < 0 and not tag[2]):
        return Loose(Fields(priority), None, message)
    return Loose(Fields(priority, b"", tag[1], tag[2] or b""), None, message[tag.end() :])


def _cisco(message: bytes, found: re.Match[bytes], priority: int, place: tuple[tzinfo, int]) -> Loose:
    preamble = message[: found.start()]
    begun = _CISCO_TIME.search(preamble)
    before = preamble if begun is None else preamble[: begun.start()]
    after = b""
    time = None
    if begun is not None:
        stamp = preamble[begun.start() :]
        dated = find_timestamp(stamp, *place)
        after = stamp[dated[1] :] if dated else b""
        time = dated[0] if dated and not stamp.startswith(b"*") else None
    words = [word.rstrip(b":") for word in before.split()]
    numbers = [word for word in words if word.isdigit()]
    names = [word for word in words if _NAME.fullmatch(word) and not word.isdigit()]
    names += [
        word.rstrip(b":")
        for word in after.split()
        if _NAME.fullmatch(word.rstrip(b":")) and not _ZONE_NAME.fullmatch(word.rstrip(b":"))
    ]
    facility, severity, mnemonic = found.groups()
    fields = Fields(
        priority=priority,
        host=names[0] if names else b"",
        process=facility,
        msgid=b"-".join((facility, severity, mnemonic)),
        sequence=numbers[-1] if numbers else b"",
        severity=int(severity),
    )
    return Loose(fields, time, message[found.start() :])
