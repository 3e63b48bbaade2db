"""How good one source is, as a share and in words: from the verdicts its samples earned lately."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.admit_trouble import BADNESS
from stormpetrel.model.quality import Quality
from stormpetrel.model.time import from_seconds

HALF_LIFE_SECONDS = 900.0
_LEAST_SHARE = 0.002  # of the rows lately; less is not worth a sentence
_MAX_REASONS = 32  # reasons of refusal remembered by name

_WORDS: dict[Quality, str] = {
    Quality.NOT_FINITE: "are NaN or infinite: is a division by zero reported as a number?",
    Quality.OUT_OF_ORDER: "are out of order: do two senders write the same series?",
    Quality.DUPLICATE: "come twice: does the sender repeat itself, or run twice?",
    Quality.CONFLICT: "contradict what the same moment already holds: two senders, one series?",
    Quality.FUTURE: "are dated in the future: look at the sender's clock",
    Quality.TOO_OLD: "are older than the lateness bound: is a backlog being sent?",
    Quality.KIND_CHANGED: "belong to series whose type changed: release them on this page if that is right",
    Quality.UNIT_CHANGED: "belong to series whose unit changed: release them on this page if that is right",
    Quality.CARDINALITY: "belong to series beyond the limit: which label holds ids?",
    Quality.GAP: "came after a gap",
    Quality.LATE: "came late and were put into their place",
    Quality.IMPLAUSIBLE: "are beyond anything their series could mean",
    Quality.RESCALED: "are a power of 10 or 1024 times what they were: was a unit changed?",
}
_RARE: dict[Quality, str] = {
    Quality.STUCK: "series that used to move stand still",
    Quality.INTERVAL_CHANGED: "series are sampled at another rate than before",
    Quality.TENFOLD: "series are ten times or a tenth of what they were: a surge, or another unit?",
    Quality.COUNTER_RESET: "counters restarted",
}
_BADNESS = np.array([BADNESS.get(verdict, 1.0) for verdict in Quality])


@dataclass(frozen=True, slots=True)
class SourceReport:
    """What is said of a source: a ratio from 0 (nothing is usable) to 1, and why it is not 1, worst first."""

    quality_ratio: float
    reasons: tuple[str, ...]


class SourceQuality:
    """Counts of one source that fade with a half-life of 15 minutes; about 400 bytes.

    `now` is the receiver's clock and may stand still or go back: counts then do not fade.
    """

    def __init__(self) -> None:
        self._verdicts: NDArray[np.float64] = np.zeros(len(Quality))
        self._refused: dict[str, float] = {}
        self._faded = 0

    def judged(self, counts: NDArray[np.int64], now_unix_nano: int) -> None:
        """The gate gave verdicts; `counts` is int64[len(Quality)]."""
        self._fade(now_unix_nano)
        self._verdicts += counts

    def accepted(self, rows: int, now_unix_nano: int) -> None:
        """Records that no gate judges were stored."""
        self._fade(now_unix_nano)
        self._verdicts[Quality.GOOD] += rows

    def rejected(self, reason: str, rows: int, now_unix_nano: int) -> None:
        """Rows, or whole requests, were refused before the gate."""
        self._fade(now_unix_nano)
        if reason not in self._refused and len(self._refused) >= _MAX_REASONS:
            reason = "other"
        self._refused[reason] = self._refused.get(reason, 0.0) + rows

    def report(self, now_unix_nano: int) -> SourceReport:
        """The ratio and its reasons."""
        self._fade(now_unix_nano)
        total = float(self._verdicts.sum()) + sum(self._refused.values())
        if total < 1.0:
            return SourceReport(1.0, ())
        lost = float(self._verdicts @ _BADNESS) + sum(self._refused.values())
        found: list[tuple[float, str]] = []
        for verdict, words in _WORDS.items():
            share = float(self._verdicts[verdict]) / total
            if share >= _LEAST_SHARE:
                found.append((share * _BADNESS[verdict], f"{_percent(share)} of samples {words}"))
        for verdict, words in _RARE.items():
            count = float(self._verdicts[verdict])
            if count >= 0.5:
                found.append((_BADNESS[verdict] * count / total, f"{round(count)} {words}"))
        for reason, rows in self._refused.items():
            if rows >= 0.5:
                found.append((rows / total, f"{_percent(rows / total)} of rows refused: {reason}"))
        found.sort(key=lambda entry: (-entry[0], entry[1]))
        return SourceReport(max(0.0, 1.0 - lost / total), tuple(text for _, text in found))

    def _fade(self, now_unix_nano: int) -> None:
        passed = now_unix_nano - self._faded
        if passed <= 0:
            return
        if self._faded:
            kept = 0.5 ** (passed / from_seconds(HALF_LIFE_SECONDS))
            self._verdicts *= kept
            self._refused = {name: rows * kept for name, rows in self._refused.items() if rows * kept > 0.01}
        self._faded = now_unix_nano


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if share < 0.1 else f"{100 * share:.0f} %"
