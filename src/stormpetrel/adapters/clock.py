"""The system's clock: the one place of the running program that asks what time it is."""

from __future__ import annotations

import time


class SystemClock:
    """The `Clock` of a live installation. It may go backwards when the host's clock is set."""

    def now_unix_nano(self) -> int:
        """UTC now in nanoseconds."""
        return time.time_ns()
