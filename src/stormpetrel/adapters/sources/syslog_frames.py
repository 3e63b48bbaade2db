"""Cutting a stream into syslog messages: RFC 6587, both framings, told apart by the first bytes."""

from __future__ import annotations

import re
from enum import Enum

# A message in octet counting begins with its priority; a text that begins with a number does not.
_COUNTED = re.compile(rb"([1-9]\d{0,7}) <")
_PERHAPS_COUNTED = re.compile(rb"[1-9]\d{0,7} ?\Z")
_LENGTH = re.compile(rb"[\r\n\0]*+([1-9]\d{0,7}) ")
_PERHAPS_LENGTH = re.compile(rb"[\r\n\0]*+((?:[1-9]\d{0,7})?)\Z")
_LEADING = b"\r\n\0"


class FrameError(ValueError):
    """A stream in octet counting has something else where a length must be."""


class Framing(Enum):
    """How a stream is cut; decided once a stream."""

    UNKNOWN = "unknown"
    LINES = "lines"  # "non-transparent": a newline or a zero byte after each message
    COUNTED = "counted"  # "octet counting": its length and a space before each message


class SyslogFrames:
    """Cuts one stream. Holds at most `longest_bytes` + 1 bytes of an unfinished message.

    A message longer than `longest_bytes` comes cut to `longest_bytes` + 1, by which it is known; its rest
    is passed over. Works for streams of either framing from their first byte on; a stream that changes its
    framing in mid-way raises `FrameError` or yields wrong messages.

    >>> SyslogFrames(100).feed(b"4 <1>a5 <2>bc")
    [b'<1>a', b'<2>bc']
    >>> SyslogFrames(100).feed(b"<1>a" + bytes([10]) + b"<2>b")
    [b'<1>a']
    """

    def __init__(self, longest_bytes: int) -> None:
        self._keep = longest_bytes + 1
        self._framing = Framing.UNKNOWN
        self._rest = b""  # an unfinished message, or length
        self._skip = 0  # bytes, or for LINES any number, of a message already handed on

    @property
    def framing(self) -> Framing:
        """What the stream turned out to be."""
        return self._framing

    def feed(self, received: bytes) -> list[bytes]:
        """The messages that end in what was received.

        Raises:
            FrameError: no length where one must be; the stream cannot be read on.
        """
        if self._framing is Framing.UNKNOWN:
            received = (self._rest + received).lstrip(_LEADING)
            self._rest = b""
            if _COUNTED.match(received):
                self._framing = Framing.COUNTED
            elif received and not _PERHAPS_COUNTED.match(received):
                self._framing = Framing.LINES
            else:
                self._rest = received
                return []
        return self._counted(received) if self._framing is Framing.COUNTED else self._lines(received)

    def finish(self) -> list[bytes]:
        """What is left when the stream ends: a last message without its end."""
        rest, self._rest = self._rest, b""
        if self._skip or not rest:
            return []
        if self._framing is Framing.COUNTED:
            length = _LENGTH.match(rest)
            rest = b"" if length is None else rest[length.end() :]
        return [rest] if rest else []

    def _lines(self, received: bytes) -> list[bytes]:
        if b"\0" in received:
            received = received.replace(b"\0", b"\n")
        if self._skip:  # the rest of a line that was cut
            _, end, received = received.partition(b"\n")
            if not end:
                return []
            self._skip = 0
        messages = (self._rest + received).split(b"\n")
        self._rest = messages.pop()
        if len(self._rest) >= self._keep:
            messages.append(self._rest)
            self._rest, self._skip = b"", 1
        if max(map(len, messages), default=0) > self._keep:
            messages = [message[: self._keep] for message in messages]
        return messages

    def _counted(self, received: bytes) -> list[bytes]:
        messages: list[bytes] = []
        buffer = self._rest + received
        at = 0
        if self._skip:
            at = min(self._skip, len(buffer))
            self._skip -= at
        while at < len(buffer):
            found = _LENGTH.match(buffer, at)
            if found is None:
                perhaps = _PERHAPS_LENGTH.match(buffer, at)
                if perhaps is not None:
                    at = perhaps.start(1)  # what stands before a length is not kept: it may have no end
                    break
                raise FrameError(f"expected a length, got {buffer[at : at + 40]!r}")
            start = found.end()
            end = start + int(found[1])
            if end <= len(buffer):
                messages.append(buffer[start : min(end, start + self._keep)])
            elif len(buffer) - start >= self._keep:
                messages.append(buffer[start : start + self._keep])
                self._skip = end - len(buffer)
                end = len(buffer)
            else:
                break
            at = end
        self._rest = buffer[at:]
        return messages
