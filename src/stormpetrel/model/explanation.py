"""Why something was strange, or was not: every number a person needs to check it, and the words for them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Strangeness(StrEnum):
    """What the model made of a sample. Warming up and missing are neither strange nor usual."""

    STRANGE = "strange"
    USUAL = "usual"
    WARMING_UP = "warming_up"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class PastSlot:
    """The same time of day earlier: mean, least and greatest of `samples` there; NaN where there is none."""

    label: str
    start_unix_nano: int
    end_unix_nano: int
    mean: float
    least: float
    greatest: float
    samples: int
    inside: bool  # the mean lies in the band of the explained moment


@dataclass(frozen=True, slots=True)
class Judged:
    """One judged sample; NaN numbers where nothing was judged."""

    time_unix_nano: int
    observed: float
    expected: float
    low: float
    high: float
    p_value: float
    head: str
    interval_seconds: float


@dataclass(frozen=True, slots=True)
class ModelAge:
    """Who judged, and from how much.

    Attributes:
        samples, since_unix_nano: learnt from, in the stored past that was read for this explanation.
        relearn_samples: samples after which a lasting change is the new normal; 0 where unknown.
        p_open: a sample at or below it counts as strange.
        hold_samples: so many strange ones in a row open a finding.
    """

    detector: str
    version: int
    samples: int
    since_unix_nano: int
    relearn_samples: int
    p_open: float
    hold_samples: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """The whole answer to «why is this (not) strange?».

    Attributes:
        subject: the series, or the log query, in this system's terms; `series` is its id or -1.
        answer: one plain sentence.
        seen_by: what the head looks at, in words.
        rarity: the p-value in words at this series' interval; empty where nothing was judged.
        normal_again: each of these would end it.
        past_says: the past slots in one sentence; empty where there are none.
        learnt: the model's age in one sentence.
        quality_ratio, quality: how good the series is, and the remarks of the quality gate on it.
    """

    subject: str
    series: int
    unit: str
    state: Strangeness
    answer: str
    judged: Judged
    seen_by: str
    rarity: str
    normal_again: tuple[str, ...]
    past: tuple[PastSlot, ...]
    past_says: str
    model: ModelAge
    learnt: str
    quality_ratio: float = 1.0
    quality: tuple[str, ...] = ()
