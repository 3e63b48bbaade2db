"""Objectives and the burn rates that alert."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from stormpetrel.detect.slo_select import Selector
from stormpetrel.model.finding import Severity


@dataclass(frozen=True, slots=True)
class BurnAlert:
    """One pair of windows: `rate` times the burn that the objective allows, over both."""

    rate: float
    long_minutes: int
    short_minutes: int
    severity: Severity


BURN_ALERTS = (
    BurnAlert(14.4, 60, 5, Severity.CRITICAL),
    BurnAlert(6.0, 360, 30, Severity.ERROR),
    BurnAlert(3.0, 1440, 120, Severity.WARNING),
    BurnAlert(1.0, 4320, 360, Severity.WARNING),
)


@dataclass(frozen=True, slots=True)
class Objective:
    """One objective.

    Attributes:
        name: unique.
        target: share that has to be good, for example 0.999.
        window_days: length of the window it is for.
        selectors: by role, two of `slo_count.TOTAL`, `GOOD` and `ERRORS`; or one, a latency, as `TOTAL`.
        threshold_seconds: with a latency: at or below it is good; 0 with counts.
        page_burn: alerts of this rate and faster page.
        least_failures: failures in the long window before any alert.
    """

    name: str
    target: float
    window_days: float
    selectors: Mapping[int, Selector]
    threshold_seconds: float = 0.0
    page_burn: float = 6.0
    least_failures: int = 5

    @property
    def allowed(self) -> float:
        """Share that may fail."""
        return 1.0 - self.target
