"""An error ratio that a handful of requests does not throw about: drawn towards what is usual."""

from __future__ import annotations

from dataclasses import dataclass

# Requests that the usual ratio counts for, and requests after which half of that is forgotten.
DRAWN_BY, USUAL_REQUESTS = 50.0, 5000.0
UNSURE_REQUESTS = 20.0  # without a failure, as if they had been before the first one


@dataclass(slots=True)
class UsualRatio:
    """How many requests there were of late, and how many of them failed; old ones fade.

    One failure of one request moves the ratio by two hundredths, fifty of fifty by a half.
    """

    requests: float = 0.0
    errors: float = 0.0

    def drawn(self, requests: float, failures: float) -> float:
        """The error ratio of a window, drawn towards the usual one; the window counts as usual afterwards."""
        usual = self.errors / (self.requests + UNSURE_REQUESTS)
        ratio = (failures + DRAWN_BY * usual) / (requests + DRAWN_BY)
        keep: float = 0.5 ** (requests / USUAL_REQUESTS)
        self.requests = self.requests * keep + requests
        self.errors = self.errors * keep + failures
        return ratio
