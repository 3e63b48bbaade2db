"""Times in addresses: `from=-1h`, `to=now`, or absolute ISO 8601 in UTC."""

from __future__ import annotations

import re
from dataclasses import dataclass

from stormpetrel.model.time import NANOS_PER_SECOND, Window, from_iso, to_iso
from stormpetrel.web.errors import BadRequestError

_RELATIVE = re.compile(r"^-(\d{1,6})(s|m|h|d)$")
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_LONGEST_SECONDS = 400 * 86400
_FIRST, _LAST = 0, (1 << 63) - 1

PRESETS: tuple[tuple[str, str], ...] = (
    ("-15m", "15 min"),
    ("-1h", "1 h"),
    ("-6h", "6 h"),
    ("-1d", "1 day"),
    ("-7d", "7 days"),
    ("-30d", "30 days"),
)


@dataclass(frozen=True, slots=True)
class Span:
    """A window together with how it was asked for, so that links keep `-1h` relative."""

    window: Window
    start_text: str
    end_text: str

    @property
    def relative(self) -> bool:
        """Does the window move with the clock?"""
        return self.end_text == "now"


def moment(text: str, now_unix_nano: int) -> int:
    """Unix nanoseconds of `now`, `-90m`, an ISO 8601 moment, or Unix nanoseconds in digits.

    Raises:
        BadRequestError: it is none of these.
    """
    if text == "now":
        return now_unix_nano
    relative = _RELATIVE.match(text)
    if relative:
        return now_unix_nano - int(relative[1]) * _UNIT_SECONDS[relative[2]] * NANOS_PER_SECOND
    if text.isascii() and text.isdigit() and len(text) == 19:
        return int(text)
    try:
        return from_iso(text.replace(" ", "+") if "T" in text else text)
    except (ValueError, OverflowError):
        raise BadRequestError(
            f"{text[:40]!r} is no time; write now, -15m, -6h, -7d or 2026-01-31T12:00:00Z"
        ) from None


def span(start: str, end: str, now_unix_nano: int, default: str = "-1h") -> Span:
    """The span that `from` and `to` of an address mean; empty texts mean the default up to now.

    Raises:
        BadRequestError: not a time, the end before the start, or longer than 400 days.
    """
    start, end = start or default, end or "now"
    first, last = moment(start, now_unix_nano), moment(end, now_unix_nano)
    if last <= first:
        raise BadRequestError(f"the end {end[:40]!r} is not after the start {start[:40]!r}")
    if first < _FIRST or last > _LAST or (last - first) > _LONGEST_SECONDS * NANOS_PER_SECOND:
        raise BadRequestError("the window is longer than 400 days or lies outside of representable time")
    return Span(Window(first, last), start, end)


def around(time_unix_nano: int, seconds: float) -> tuple[str, str]:
    """ISO texts of the window around a moment, for links."""
    half = round(seconds * NANOS_PER_SECOND)
    return to_iso(max(time_unix_nano - half, 0)), to_iso(time_unix_nano + half)
