"""Feedback as a bounded, fading, reversible weight on p-values.

Each opinion multiplies how rare a sample has to be: *not useful* by 4, *expected* by 16, *useful* by a half.
The weight of an opinion (in logarithms) halves every two weeks; the product stays in [1/4, 64]. What is
undone counts no more from that moment on. All is a pure function of the opinions and of the time of the
sample, so that a replay hears what the live system heard, when it heard it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from stormpetrel.model.feedback import Feedback, Opinion
from stormpetrel.model.finding import Finding, Scores
from stormpetrel.model.signal import MetricBatch
from stormpetrel.model.time import from_seconds

LEAST, MOST = 0.25, 64.0
HALF_LIFE_DAYS = 14.0
STEPS = {Opinion.USEFUL: 0.5, Opinion.NOT_USEFUL: 4.0, Opinion.EXPECTED: 16.0}
# Older opinions weigh less than a hundredth and are left out.
FADED_DAYS = 98.0
ATTRIBUTE = "rarer_by_feedback"

_HALF_LIFE = float(from_seconds(HALF_LIFE_DAYS * 86_400.0))
_FADED = from_seconds(FADED_DAYS * 86_400.0)
Key = tuple[str, str, str]  # detector, kind, subject
# What people mean is the kind of thing that happened: which view of a value was the strangest changes from
# one time to the next.
KINDS: Mapping[str, str] = {
    **dict.fromkeys(
        ("residual", "jump", "level_shift", "far_level", "lasting", "season", "forecast", "drift"), "value"
    ),
    **dict.fromkeys(("flatline", "still"), "still"),
}


def factors(given: Iterable[Feedback], times: NDArray[np.int64]) -> NDArray[np.float64]:
    """float64[n]: by how much rarer a sample of each time has to be, for opinions about one thing."""
    logs = np.zeros(len(times))
    for one in given:
        age = times - one.time_unix_nano
        counts = (age >= 0) & (age <= _FADED)
        if one.undone_unix_nano:
            counts &= times < one.undone_unix_nano
        logs += np.where(
            counts, math.log(STEPS[one.opinion]) * np.exp2(-np.maximum(age, 0) / _HALF_LIFE), 0.0
        )
    found: NDArray[np.float64] = np.exp(np.clip(logs, math.log(LEAST), math.log(MOST)))
    return found


def factor(given: Iterable[Feedback], time_unix_nano: int) -> float:
    """`factors` at one moment."""
    return float(factors(given, np.array([time_unix_nano], np.int64))[0])


def key_of(one: Feedback) -> Key:
    """What an opinion is about."""
    return one.detector, kind_of(one.head), one.subject


def kind_of(head: str) -> str:
    """The kind of thing that a head sees; a head of its own kind is called as it is."""
    return KINDS.get(head, head)


@dataclass(frozen=True, slots=True)
class Weighed:
    """Scores with p-values as the policy is to hear them, and the rows that were changed."""

    scores: Scores
    rows: NDArray[np.int64]


class FeedbackBook:
    """All opinions, by what they are about. Immutable: a new opinion makes a new book.

    Args:
        given: in any order.
        series: ids of the subjects that are series known here.
    """

    def __init__(self, given: Sequence[Feedback] = (), series: dict[str, int] | None = None) -> None:
        self._about: dict[Key, list[Feedback]] = {}
        for one in sorted(given, key=lambda f: (f.time_unix_nano, f.feedback_id)):
            self._about.setdefault(key_of(one), []).append(one)
        ids = series or {}
        self._series = {key: ids[key[2]] for key in self._about if key[2] in ids}
        self._mask: NDArray[np.bool_] = np.zeros(max(self._series.values(), default=-1) + 2, np.bool_)
        self._mask[list(self._series.values())] = True

    def about(self) -> dict[Key, list[Feedback]]:
        """Opinions by what they are about, oldest first."""
        return self._about

    def series_of(self, key: Key) -> int:
        """The id of a subject, -1 where it is none."""
        return self._series.get(key, -1)

    def weigh(self, detector: str, heads: Sequence[str], batch: MetricBatch, scores: Scores) -> Weighed:
        """The scores of one bank as its policy hears them.

        Cost: two nanoseconds a row; NumPy for the rows of series that somebody spoke about.
        """
        last = len(self._mask) - 1
        rows = np.flatnonzero(self._mask[np.minimum(batch.series, last)]) if last else np.empty(0, np.int64)
        if not len(rows):
            return Weighed(scores, rows)
        alarm = scores.alarm.copy()
        for key, series in self._series.items():
            seeing = [number for number, head in enumerate(heads) if kind_of(head) == key[1]]
            if key[0] != detector or not seeing:
                continue
            mine = rows[(batch.series[rows] == series) & np.isin(scores.head[rows], seeing)]
            if len(mine):
                alarm[mine] *= factors(self._about[key], batch.time_unix_nano[mine])
        return Weighed(replace(scores, alarm=np.minimum(alarm, 1.0)), rows)

    def told(
        self, weighed: Weighed, batch: MetricBatch, scores: Scores, found: list[Finding]
    ) -> list[Finding]:
        """Findings made of weighed scores, with the p-value as the bank gave it and the weight beside it."""
        if not len(weighed.rows):
            return found
        rows = {(int(batch.series[row]), int(batch.time_unix_nano[row])): int(row) for row in weighed.rows}
        return [_plain(one, rows, weighed.scores, scores) for one in found]

    def hears(self, finding: Finding, p_open: float) -> bool:
        """Whether a finding over log records is rare enough after all opinions about it.

        It depends on the finding's own numbers alone, which do not change while it is open.
        """
        given = self._about.get((finding.detector, kind_of(finding.head), finding.evidence.query))
        if not given:
            return True
        weight = factor(given, finding.start_unix_nano)
        return weight <= 1.0 or finding.evidence.p_value * weight <= p_open


def _plain(one: Finding, rows: dict[tuple[int, int], int], heard: Scores, scores: Scores) -> Finding:
    row = rows.get((one.evidence.series, one.evidence.end_unix_nano))
    if row is None or one.evidence.p_value != heard.alarm[row] or heard.alarm[row] == scores.alarm[row]:
        return one
    plain = float(scores.alarm[row])
    weight = f"{one.evidence.p_value / plain:.3g}"
    return replace(
        one,
        evidence=replace(one.evidence, p_value=plain),
        attributes={**(one.attributes or {}), ATTRIBUTE: weight},
    )
