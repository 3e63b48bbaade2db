"""Counts against a learnt rate: the negative binomial tail, and how rate and spread are learnt."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import betainc, nbdtrik

# How much of its weight a strange window keeps where the spread is learnt. With all of it two windows of a
# surge would make the third look usual, and the finding would close while the surge lasts.
_STRANGE_WEIGHT = 0.05


@dataclass(slots=True)
class CountModel:
    """What one kind of count per window usually is.

    A Gamma-Poisson model: the count of a window is Poisson with a rate that itself varies from window to
    window, so counts are negative binomial with mean `mean` and variance `mean + spread * mean**2`. Both
    are running means over about `memory` windows with clipped steps, and strange windows teach the spread
    little, so a surge stays strange, and a lasting change is learnt in some tens of windows. Works for
    counts of independent lines and of bursts; fails, towards false alarms, where bursts are rarer than
    once in `memory` windows.

    Reference: Cameron and Trivedi, *Regression Analysis of Count Data*, 2nd ed. 2013, chapter 3 (NB2).
    """

    mean: float = 0.0
    spread: float = 1.0  # starts wide: over-dispersed until shown otherwise
    windows: int = 0

    def expected(self) -> float:
        """The mean, with half a record added over the whole history: never zero."""
        return (self.mean * self.windows + 0.5) / (self.windows + 1.0)

    def p_value(self, count: int) -> float:
        """P(a healthy window has at least this many), in (0, 1]."""
        if count <= 0:
            return 1.0
        mean = self.expected()
        size = 1.0 / max(self.spread, 1e-3)
        tail = float(betainc(count, size, mean / (size + mean)))  # the negative binomial's upper tail
        return min(max(tail, 1e-300), 1.0)

    def high(self, p: float = 1e-3) -> float:
        """The count that only the share `p` of healthy windows exceed."""
        size, mean = 1.0 / max(self.spread, 1e-3), self.expected()
        count = max(math.ceil(nbdtrik(1.0 - p, size, size / (size + mean))), 0)
        # The inverse is continuous and inexact: one less may do as well.
        less_does = count > 0 and betainc(count, size, mean / (size + mean)) <= p
        return float(count - 1 if less_does else count)

    def learn(self, count: int, memory: float, strange: bool = False) -> None:
        """Take one window's count, clipped at five standard deviations; `strange` where it is trouble."""
        rate = max(1.0 / memory, 1.0 / (self.windows + 1.0))
        mean = self.expected()
        deviation = math.sqrt(mean + self.spread * mean * mean)
        limit = mean + 5.0 * deviation + 2.0 if self.windows >= 8 else math.inf
        clipped = min(float(count), limit)
        excess = (clipped - mean) ** 2 - mean
        self.mean += rate * (clipped - self.mean)
        step = excess / max(mean * mean, 0.25) - self.spread
        weight = max(0.5 * rate, 0.01) * (_STRANGE_WEIGHT if strange else 1.0)
        self.spread = min(max(self.spread + weight * step, 0.02), 20.0)
        self.windows += 1
