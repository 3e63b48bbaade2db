"""Syslog messages to log records: RFC 5424, RFC 3164, and what devices send instead.

    <165>1 2003-10-11T22:14:15.003Z web-1 su 77 ID47 [origin@1 ip="10.0.0.1"] text     RFC 5424
    <34>Oct 11 22:14:15 web-1 su[77]: text                                             RFC 3164
    <34>2003-10-11T22:14:15.003000+02:00 web-1 su[77]: text                            rsyslog, syslog-ng

These are read by one pattern each, and what messages of one program have in common is looked up whole:
time to the second, and everything between time and text. All else goes to `syslog_loose`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import NamedTuple

import numpy as np

from stormpetrel.ingest.syslog_fields import STRUCTURED_DATA, Described, Fields, describe
from stormpetrel.ingest.syslog_loose import read_loosely
from stormpetrel.ingest.timestamps import find_timestamp
from stormpetrel.model.columns import build_logs
from stormpetrel.model.signal import LogBatch
from stormpetrel.model.time import from_seconds

TRUNCATED = "log.truncated"
FUTURE = "syslog.time_in_future"
_MAX_KNOWN = 4096  # headers remembered; begun anew when full

_CLOCK = rb"\d\d:\d\d:\d\d"
_ISO = rb"\d{4}-\d\d-\d\dT" + _CLOCK
_ZONE = rb"(Z|[+-]\d\d:\d\d)"
_FRACTION = rb"(?:\.(\d{1,9}))?"
_RFC5424 = re.compile(
    rb"<(\d{1,3})>1 (" + _ISO + rb")" + _FRACTION + _ZONE + rb" (\S++ \S++ \S++ \S++) "
    rb"(-|" + STRUCTURED_DATA + rb")(?: (.*+))?$",
    re.DOTALL,
)
_RFC3164 = re.compile(
    rb"<(\d{1,3})>((?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) [ \d]\d " + _CLOCK + rb"|" + _ISO
    + rb")" + _FRACTION + _ZONE + rb"? ([\w.:%\x80-\xff-]{0,254}[\w.%\x80-\xff-] "
    # Behind a process id rsyslog leaves the colon out, if the message came to it as RFC 5424.
    rb"[^\s:\[\]]{1,128}(?:\[[^\]\s]{1,128}\])?)(?::|(?<=\]))(?: |$)(.*+)",
    re.DOTALL,
)  # fmt: skip
_BOM = b"\xef\xbb\xbf"
_SCALE = tuple(10 ** (9 - digits) for digits in range(10))

_Row = tuple[int, Described, bytes]


class _Here(NamedTuple):
    """What holds for all messages of one call."""

    received: int
    latest: int
    seconds: dict[bytes, int]  # text of a time to the second -> nanoseconds; -1: no time


class SyslogParser:
    """Turns messages into log batches. Not thread-safe: one listener, one parser.

    The time is the message's own, where it has one that is not more than `future_seconds` ahead of the
    reception; else that of the reception, and a time ahead is marked by the attribute
    `syslog.time_in_future`. `observed_unix_nano` rises by a nanosecond from message to message, so that
    messages of one second keep their order. A missing priority leaves the severity unset. See
    `syslog_fields.describe` for entity and attributes.

    Args:
        zone: of times that name none.
        source: name of the source.
        longest_bytes: longer messages are cut to this, and marked by the attribute `log.truncated`.
        future_seconds: how far ahead of the receiver's clock a time may be.
    """

    def __init__(
        self,
        zone: tzinfo = UTC,
        source: str = "syslog",
        longest_bytes: int = 64 << 10,
        future_seconds: float = 300.0,
    ) -> None:
        self._zone = zone
        self._source = source
        self._longest = longest_bytes
        self._future = from_seconds(future_seconds)
        self._known: dict[tuple[bytes, bytes, bytes, str], Described] = {}

    def parse(
        self, messages: Sequence[bytes], peers: Sequence[str], received_unix_nano: int, token: int = 0
    ) -> LogBatch:
        """Log records of messages, in order; empty messages are none. Some 3 microseconds a message.

        Takes any bytes: what is no UTF-8 is replaced, what is not recognised is text.

        Args:
            messages: without their framing.
            peers: the sender's address of each.
            received_unix_nano: the receiver's clock.
            token: request token of the batch; see `ports.intake`.
        """
        here = _Here(received_unix_nano, received_unix_nano + self._future, {})
        # Plain lists: a tuple for each message would have the interpreter search all of its objects for
        # garbage every few batches, which costs more than the parsing.
        times: list[int] = []
        described: list[Described] = []
        bodies: list[str] = []
        for message, peer in zip(messages, peers, strict=True):
            stripped = message.rstrip(b"\r\n\0 ")
            if not stripped:
                continue
            cut = len(message) > self._longest
            time, shared, body = (self._cut if cut else self._row)(stripped, peer, here)
            times.append(time)
            described.append(shared)
            bodies.append(body.decode("utf-8", "replace"))
        return build_logs(
            np.array(times, np.int64),
            bodies,
            source=self._source,
            observed_unix_nano=received_unix_nano + np.arange(len(times), dtype=np.int64),
            entity=[shared.entity for shared in described],
            severity_number=np.array([shared.severity_number for shared in described], np.uint8),
            attributes=[shared.attributes for shared in described],
            request_token=token,
        )

    def _row(self, message: bytes, peer: str, here: _Here) -> _Row:
        match = _RFC5424.match(message)
        if match is not None:
            priority, stamp, fraction, zone, header, structured, body = match.groups()
            if body is None:
                body = b""
            elif body[:3] == _BOM:
                body = body[3:]
        else:
            match = _RFC3164.match(message)
            if match is None:
                return self._loose(message, peer, here)
            priority, stamp, fraction, zone, header, body = match.groups()
            structured = b""
        key = stamp if zone is None else stamp + zone
        time = here.seconds.get(key)
        if time is None:
            time = self._second(key, here)
        if time < 0:
            time = here.received
        elif fraction is not None:
            time += int(fraction) * _SCALE[len(fraction)]
        described = self._known.get((priority, header, structured, peer))
        if described is None:
            described = self._describe(priority, header, structured, peer)
        if time > here.latest:
            return here.received, _marked(described, FUTURE), body
        return time, described, body

    def _second(self, text: bytes, here: _Here) -> int:
        found = find_timestamp(text, self._zone, here.received)
        time = -1 if found is None else found[0]
        here.seconds[text] = time
        return time

    def _describe(self, priority: bytes, header: bytes, structured: bytes, peer: str) -> Described:
        if structured:
            host, process, pid, msgid = header.split(b" ")
        else:
            host, _, tag = header.partition(b" ")
            process, _, pid = tag.rstrip(b"]").partition(b"[")
            msgid = b""
        described = describe(Fields(int(priority), host, process, pid, msgid, structured), peer)
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[(priority, header, structured, peer)] = described
        return described

    def _loose(self, message: bytes, peer: str, here: _Here) -> _Row:
        fields, time, body = read_loosely(message, self._zone, here.received)
        body = body.removeprefix(_BOM)
        if time is not None and time > here.latest:
            return here.received, describe(fields, peer, (FUTURE,)), body
        return here.received if time is None else time, describe(fields, peer), body

    def _cut(self, message: bytes, peer: str, here: _Here) -> _Row:
        time, described, body = self._row(message[: self._longest], peer, here)
        return time, _marked(described, TRUNCATED), body


def _marked(described: Described, mark: str) -> Described:
    inner = described.attributes[1:-1]
    return described._replace(attributes=f'{{{inner}{"," if inner else ""}"{mark}":true}}')
