"""The clock port: the only way any stage learns what time it is."""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Tells the time. Live it is the system's, in replay the recording's, in tests whatever they say."""

    def now_unix_nano(self) -> int:
        """UTC now in nanoseconds; may go backwards, callers must cope."""
        ...
