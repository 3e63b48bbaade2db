"""From numbers to an explanation: pure, so that a replay explains as the live system did."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from stormpetrel.detect import wording
from stormpetrel.model.explanation import Explanation, Judged, ModelAge, PastSlot, Strangeness
from stormpetrel.model.time import to_iso, to_seconds

# What each head of the built-in detectors looks at. A head that is not here is named as it is.
SEEN_BY = {
    "residual": "how far the value is from what this time of day and the recent level make likely",
    "jump": "the change since the previous sample, against the usual size of changes",
    "level_shift": "the running mean, which has left the usual level and stays away",
    "far_level": "the distance to the mean of some two thousand samples",
    "flatline": "one value repeated for longer than ever before",
    "lasting": "samples that each are a little unusual, for longer in a row than ever before",
    "season": "how far the value is from its usual for this time of day, and how other times of day differ",
    "forecast": "a change that the last few samples do not explain",
    "spread": "how restless the series is, against how restless it usually is",
    "still": "a line where there was noise",
    "drift": "a level that moved far in steps too small to be strange",
    "error": "the number of error records in a window, against the usual rate of this entity",
    "warning": "the number of warnings in a window, against the usual rate of this entity",
    "silent": "series that fell silent",
}
_FLAT, _JUMP = "flatline", "jump"


@dataclass(frozen=True, slots=True)
class Subject:
    """What is explained; `most` is the greatest value that makes sense."""

    text: str
    series: int
    unit: str
    most: float = math.inf
    quality_ratio: float = 1.0
    quality: tuple[str, ...] = ()


def explain(subject: Subject, judged: Judged, model: ModelAge, past: Sequence[PastSlot]) -> Explanation:
    """The explanation of one judged sample; O(past)."""
    state = _state(judged, model)
    asked = state in (Strangeness.STRANGE, Strangeness.USUAL)
    return Explanation(
        subject=subject.text,
        series=subject.series,
        unit=subject.unit,
        state=state,
        answer=_answer(state, subject, judged, model),
        judged=judged,
        seen_by=SEEN_BY.get(judged.head, judged.head.replace("_", " ")) if asked else "",
        rarity=wording.rarity(judged.p_value, judged.interval_seconds) if asked else "",
        normal_again=_normal_again(subject, judged, model) if state is Strangeness.STRANGE else (),
        past=tuple(past),
        past_says=_past_says(subject, judged, past),
        model=model,
        learnt=_learnt(judged, model),
        quality_ratio=subject.quality_ratio,
        quality=subject.quality,
    )


def _state(judged: Judged, model: ModelAge) -> Strangeness:
    if math.isnan(judged.observed):
        return Strangeness.MISSING
    if math.isnan(judged.p_value):
        return Strangeness.WARMING_UP
    return Strangeness.STRANGE if judged.p_value <= model.p_open else Strangeness.USUAL


def _answer(state: Strangeness, subject: Subject, judged: Judged, model: ModelAge) -> str:
    at = to_iso(judged.time_unix_nano)
    if state is Strangeness.MISSING:
        return (
            f"There is no sample at {at}: what the series did then is unknown, neither healthy nor strange."
        )
    seen = wording.amount(judged.observed, subject.unit)
    if state is Strangeness.WARMING_UP:
        return f"{seen} at {at} was not judged: the model had not seen enough of the series, or had a gap."
    usual = wording.amount(judged.expected, subject.unit)
    rare = wording.rarity(judged.p_value, judged.interval_seconds)
    if state is Strangeness.STRANGE:
        return f"{seen} at {at} is strange: {usual} was expected, and such a sample is {rare}."
    why = f"{seen} at {at} is not strange: {usual} was expected, and such a sample is {rare}."
    need = wording.duration(judged.interval_seconds / model.p_open)
    return f"{why} It would have to be rarer than once in {need}."


def _normal_again(subject: Subject, judged: Judged, model: ModelAge) -> tuple[str, ...]:
    """What would end it: each alone is enough."""
    ways = []
    low, high = (wording.amount(edge, subject.unit) for edge in (judged.low, judged.high))
    if judged.head == _FLAT:
        ways.append("any other value")
    elif judged.head == _JUMP:
        ways.append("samples that stay where it went: a jump is judged once")
    elif judged.observed > judged.high:
        ways.append(f"below {high}")
    elif judged.observed < judged.low:
        ways.append(f"above {low}")
    else:
        ways.append(f"nearer to {wording.amount(judged.expected, subject.unit)} for a while")
    if model.relearn_samples > 0 and judged.interval_seconds > 0:
        lasting = wording.duration(model.relearn_samples * judged.interval_seconds)
        ways.append(f"{lasting} of it: a change that lasts becomes the new normal")
    return tuple(ways)


def _past_says(subject: Subject, judged: Judged, past: Sequence[PastSlot]) -> str:
    known = [slot for slot in past if slot.samples]
    if not known:
        return ""
    least = wording.amount(min(slot.mean for slot in known), subject.unit)
    most = wording.amount(max(slot.mean for slot in known), subject.unit)
    said = f"At this time on {len(known)} earlier days it was {least} to {most}"
    if math.isnan(judged.low) or math.isnan(judged.high):
        return f"{said}."
    inside = sum(slot.inside for slot in known)
    if inside == len(known):
        return f"{said}, each time within the present band."
    return f"{said}, on {inside} of them within the present band."


def _learnt(judged: Judged, model: ModelAge) -> str:
    if not model.samples:
        return f"{model.detector} version {model.version} had nothing stored to learn from before."
    span = wording.duration(to_seconds(judged.time_unix_nano - model.since_unix_nano))
    return (
        f"{model.detector} version {model.version}, from {model.samples:,} stored samples over {span}"
        f" (since {to_iso(model.since_unix_nano)[:16]}Z)."
    )


def within(mean: float, judged: Judged) -> bool:
    """Whether an earlier mean lies in the band of the explained moment; false where either is unknown."""
    return bool(judged.low <= mean <= judged.high)


def day_label(days: int) -> str:
    """How a person says it.

    >>> day_label(1), day_label(3), day_label(7), day_label(21)
    ('the day before', '3 days before', 'a week before', '3 weeks before')
    """
    if days == 1:
        return "the day before"
    if days % 7 == 0:
        return "a week before" if days == 7 else f"{days // 7} weeks before"
    return f"{days} days before"
