"""Time as the whole system speaks of it: UTC nanoseconds since the Unix epoch, as `int`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

NANOS_PER_SECOND = 1_000_000_000
NANOS_PER_MILLISECOND = 1_000_000


def from_seconds(seconds: float) -> int:
    """Seconds (since the epoch, or a duration) as whole nanoseconds.

    >>> from_seconds(1.5)
    1500000000
    """
    return round(seconds * NANOS_PER_SECOND)


def to_seconds(nanos: int) -> float:
    """Nanoseconds as seconds.

    >>> to_seconds(1_500_000_000)
    1.5
    """
    return nanos / NANOS_PER_SECOND


def to_iso(time_unix_nano: int) -> str:
    """RFC 3339 text in UTC with milliseconds.

    >>> to_iso(0)
    '1970-01-01T00:00:00.000Z'
    """
    moment = datetime.fromtimestamp(time_unix_nano / NANOS_PER_SECOND, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def from_iso(text: str) -> int:
    """Nanoseconds of an ISO 8601 moment; a moment without a zone is UTC.

    >>> from_iso("1970-01-01T00:00:01Z")
    1000000000

    Raises:
        ValueError: the text is not an ISO 8601 date or date-time.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000_000) * 1000


@dataclass(frozen=True, slots=True)
class Window:
    """A half-open span of time `[start, end)` in Unix nanoseconds."""

    start_unix_nano: int
    end_unix_nano: int

    def __post_init__(self) -> None:
        if self.end_unix_nano < self.start_unix_nano:
            raise ValueError("a window cannot end before it starts")

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return to_seconds(self.end_unix_nano - self.start_unix_nano)
