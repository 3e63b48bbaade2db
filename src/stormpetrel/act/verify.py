"""Verification: whether an act helped, from numbers. An exit code of 0 is none of them. Pure.

Difference in differences with medians: how far the series of a target moved between the window before the act
and the window after it had settled, less how far the same series of untouched members of its group moved
meanwhile. What moved everybody is not what the act did. Noise is measured by the median absolute deviation,
with fewer effective samples where neighbours in time are alike.

Works for level shifts that last as long as the window. It says `inconclusive`, never a guess, when samples
are few or missing, when the series goes to and fro, when noise is as large as what is looked for, when
untouched members got worse meanwhile, and when it is not known whether targets serve or the symptom shows.

Cost: O(samples). See Abadie, "Semiparametric Difference-in-Differences Estimators" (2005), for the idea;
Huber and Ronchetti, "Robust Statistics" (2009), for the median and its deviation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stormpetrel.act.progress import Verified
from stormpetrel.act.windows import (
    LEAST_BEFORE,
    Moved,
    change,
    drift,
    enough,
    flaps,
    last_third,
    level,
    level_error,
    spread,
    usual_range,
)
from stormpetrel.model.action import Condition
from stormpetrel.model.run import Verification

# A change must exceed so many standard errors to be one.
SIGMAS = 3.0
# Of the step that the trouble made: so much the wrong way, and clearly out of the noise, is worse.
WORSE_RATIO = 0.2
# So much the wrong way of untouched members: the trouble was moved to them, not mended.
OTHERS_RATIO = 0.5

# What was exactly level before has still the noise of its last digits.
_LEAST_LOSS = 1e-9
# Of the window after the act: whether it is its end alone, how that is told, and how many times as much may
# be lost there as in a whole window, since the level of a shorter one is less certain.
_PARTS = ((False, "", 1.0), (True, " at the end", 2.0))

FIXED, NO_EFFECT = Verification.FIXED, Verification.NO_EFFECT
WORSE, INCONCLUSIVE = Verification.WORSE, Verification.INCONCLUSIVE
# Which one counts when several were looked at.
_STRICTEST = (WORSE, INCONCLUSIVE, NO_EFFECT, FIXED)


@dataclass(frozen=True, slots=True)
class Side:
    """One series in the window before the act and in the window after it; NaN where a sample is missing."""

    before: NDArray[np.float64]
    after: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Seen:
    """What was measured for one condition on one target.

    Attributes:
        condition: what must be so.
        name: of the series, for the sentence.
        calm: the series before the trouble began; how large the trouble is, is told against it. Of what must
            only hold it is a longer past, which says how far it moves by itself.
        target: of the target.
        others: of untouched members of its group; empty when it has none.
    """

    condition: Condition
    name: str
    calm: NDArray[np.float64]
    target: Side
    others: tuple[Side, ...]


@dataclass(frozen=True, slots=True)
class TargetHealth:
    """Whether a target served before the act and serves now; None: it could not be read."""

    entity: str
    before: bool | None
    now: bool | None


@dataclass(frozen=True, slots=True)
class Found:
    """Whether what a detector found in the incident still shows; None: it found nothing, or nobody knows."""

    detector: str
    shows: bool | None


@dataclass(frozen=True, slots=True)
class Measured:
    """Everything that is looked at after an act; see `verify`."""

    seen: tuple[Seen, ...]
    health: tuple[TargetHealth, ...]
    symptom_fires: bool | None
    found: tuple[Found, ...] = ()
    told: bool = False


def verify(
    seen: Sequence[Seen],
    health: Sequence[TargetHealth],
    symptom_fires: bool | None,
    found: Sequence[Found] = (),
    told: bool = False,
) -> Verified:
    """What became of an act: the strictest of everything that was looked at, each with its sentence.

    Args:
        seen: one for each condition and target; one without samples where nothing was found to measure.
        health: of the targets of the act.
        symptom_fires: whether what triggered the plan still shows; None: not known.
        found: the findings that must be over.
        told: what was found is what was measured, so that nothing else has to say whether the symptom shows.
            A surge still shows in the load when more replicas have made it bearable.
    """
    parts = [judge_series(one) for one in seen]
    # What had only to hold says nothing of whether the trouble is over.
    bettered = [part for one, part in zip(seen, parts, strict=True) if not one.condition.hold]
    numbers_say_fixed = bool(bettered) and all(part[0] is FIXED for part in parts)
    parts += [_judge_health(one) for one in health]
    parts += [_judge_found(one) for one in found]
    if not told:
        parts.append(_judge_symptom(symptom_fires, numbers_say_fixed))
    if not parts:
        parts.append((INCONCLUSIVE, "Nothing was measured."))
    results = {part[0] for part in parts}
    result = next(one for one in _STRICTEST if one in results)
    return Verified(result, tuple(reason for _, reason in parts))


def judged(measured: Measured) -> Verified:
    """`verify` of everything that was looked at."""
    return verify(measured.seen, measured.health, measured.symptom_fires, measured.found, measured.told)


def judge_series(seen: Seen) -> tuple[Verification, str]:
    """What one series says, with a sentence of its numbers."""
    short = enough(seen.target.before, LEAST_BEFORE) or enough(seen.target.after)
    if short:
        return INCONCLUSIVE, f"{seen.name}: {short}."
    sign = _sign(seen)
    own, others, measured = _moves(seen)
    gain = sign * (own.amount - others.amount)
    error = float(np.hypot(own.error, others.error))
    told = f"{seen.name} went from {own.start:.4g} to {own.end:.4g}"
    if measured:
        told += f" (untouched members: {others.start:.4g} to {others.end:.4g})"
    if seen.condition.hold:
        return _against_loss(seen, told, bool(seen.others) and not measured)
    trouble = enough(seen.calm)
    size = 0.0 if trouble else sign * (level(seen.calm) - own.start)
    floor = max(SIGMAS * error, spread(seen.target.before))
    if size <= SIGMAS * error:
        # Without a trouble whose fifth could be told, a fifth of its level is: last digits are no harm.
        floor = max(floor, WORSE_RATIO * abs(own.start), _LEAST_LOSS)
    if gain < 0 and -gain > max(floor, WORSE_RATIO * size):
        return WORSE, f"{told}: {-gain:.4g} the wrong way."
    unclear = ""
    if trouble:
        unclear = f"how it was before the trouble is not known ({trouble})"
    elif seen.others and not measured:
        unclear = "untouched members could not be measured"
    elif size <= SIGMAS * error:
        unclear = "the trouble does not stand out of its noise"
    elif -sign * others.amount > OTHERS_RATIO * size:
        unclear = "untouched members got worse meanwhile, so the trouble may only have moved"
    if unclear:
        return INCONCLUSIVE, f"{told}; {unclear}."
    return _against_need(seen, told, gain, error, size)


def _against_loss(seen: Seen, told: str, blind: bool) -> tuple[Verification, str]:
    """Whether what need not get better has not got worse: in the whole window, and at its end for itself.

    A loss of more than may be is worse where it stands out of the noise, and within the noise a doubt: what
    became noisy after the act is not excused by that.

    Args:
        blind: there are untouched members, and none of them could be measured.
    """
    may, doubt = _may_lose(seen), "untouched members could not be measured" if blind else ""
    for late, where, times in _PARTS:
        lost, room = _lost(seen, late), times * may
        if lost.own > max(room, lost.noise):
            return WORSE, f"{told}: {lost.own:.4g} the wrong way{where}, and {room:.4g} may be."
        if lost.own > room:
            doubt = (
                f"{lost.own:.4g} the wrong way{where}, and {room:.4g} may be; the noise is {lost.noise:.4g}"
            )
        elif lost.others > room:
            doubt = "untouched members got worse meanwhile, so the trouble may only have moved"
    if doubt:
        return INCONCLUSIVE, f"{told}; {doubt}."
    return FIXED, f"{told}; it had to hold within {may:.4g} and did."


@dataclass(frozen=True, slots=True)
class _Lost:
    """By how much the target got worse beyond what untouched members did; these; and what may be noise."""

    own: float
    others: float
    noise: float


def _lost(seen: Seen, late: bool) -> _Lost:
    """See `_Lost`. What untouched members gained by themselves is no loss of the target."""
    own, others, _ = _moves(seen, late)
    own_loss, others_loss = -_sign(seen) * own.amount, max(-_sign(seen) * others.amount, 0.0)
    return _Lost(own_loss - others_loss, others_loss, SIGMAS * float(np.hypot(own.error, others.error)))


def _may_lose(seen: Seen) -> float:
    """By how much the level of a window may be worse: told from before the act alone.

    A share of its level, or what it does by itself: its noise before the act, and how far its level moves in
    calm times from one window to the next: a ratio of few events drifts, and hardly moves within one window.
    The latter is never more than what the past usually covered: of a past with outages, or of few windows,
    three deviations of the moves may be more than it ever moved.
    """
    before = seen.target.before
    drifts = min(SIGMAS * drift(seen.calm, len(seen.target.after)), usual_range(seen.calm))
    noise = max(SIGMAS * level_error(before), spread(before))
    return max(drifts, noise, seen.condition.ratio * abs(level(before)), _LEAST_LOSS)


def _against_need(seen: Seen, told: str, gain: float, error: float, size: float) -> tuple[Verification, str]:
    """Whether a gain is what the condition asks for, of a trouble of a known size."""
    need, noise = seen.condition.ratio * size, SIGMAS * error
    wanted = f"it had to go {seen.condition.direction} by {need:.4g}"
    calm, start = level(seen.calm), level(seen.target.before)
    if flaps(seen.target.after, calm, start):
        return INCONCLUSIVE, f"{told}, to and fro; {wanted} and stay there."
    if gain >= max(need, noise):
        if _sign(seen) * (level(last_third(seen.target.after)) - start) < need * 0.5:
            return INCONCLUSIVE, f"{told}, and came back towards the end of the window."
        return FIXED, f"{told}; {wanted} and did."
    if noise > need:
        return INCONCLUSIVE, f"{told}; {wanted}, and the noise is {noise:.4g}."
    if gain > noise and gain > 0.5 * need:
        return INCONCLUSIVE, f"{told}; {wanted}, and went {gain:.4g}: better, not good."
    return NO_EFFECT, f"{told}; {wanted}."


def _sign(seen: Seen) -> float:
    """What makes a change of the series positive where it is for the better."""
    return -1.0 if seen.condition.direction == "down" else 1.0


def _moves(seen: Seen, late: bool = False) -> tuple[Moved, Moved, int]:
    """How the target moved, how untouched members did, and how many of these could be measured.

    Args:
        late: to the last third of the window after the act, instead of to the whole of it.
    """

    def moved(side: Side) -> Moved:
        return change(side.before, last_third(side.after) if late else side.after)

    measurable = [one for one in seen.others if not (enough(one.before, LEAST_BEFORE) or enough(one.after))]
    return moved(seen.target), _of_others([moved(one) for one in measurable]), len(measurable)


def _of_others(moves: Sequence[Moved]) -> Moved:
    """How untouched members moved together: medians over them; nothing when there are none."""
    if not moves:
        return Moved(0.0, 0.0, 0.0, 0.0)
    amounts = np.array([move.amount for move in moves])
    errors = np.array([move.error for move in moves])
    between = spread(amounts) / np.sqrt(len(amounts)) if len(amounts) > 2 else 0.0
    within = float(np.median(errors)) / np.sqrt(len(amounts))
    return Moved(
        float(np.median([move.start for move in moves])),
        float(np.median([move.end for move in moves])),
        float(np.median(amounts)),
        float(np.hypot(between, within)),
    )


def _judge_health(one: TargetHealth) -> tuple[Verification, str]:
    if one.now is None:
        return INCONCLUSIVE, f"Whether {one.entity} serves is not known."
    if one.now:
        return FIXED, f"{one.entity} serves."
    if one.before is None:
        return INCONCLUSIVE, f"{one.entity} does not serve, and whether it did before is not known."
    if one.before:
        return WORSE, f"{one.entity} served before and does not now."
    return NO_EFFECT, f"{one.entity} does not serve, as before."


def _judge_found(one: Found) -> tuple[Verification, str]:
    if one.shows is None:
        return INCONCLUSIVE, f"Whether {one.detector} is over is not known."
    if one.shows:
        return NO_EFFECT, f"What {one.detector} found still shows."
    return FIXED, f"What {one.detector} found is over."


def _judge_symptom(fires: bool | None, numbers_say_fixed: bool) -> tuple[Verification, str]:
    if fires is None:
        return INCONCLUSIVE, "Whether the symptom still shows is not known."
    if fires and numbers_say_fixed:
        return INCONCLUSIVE, "The symptom still shows, though the numbers say that it should not."
    if fires:
        return NO_EFFECT, "The symptom still shows."
    return FIXED, "The symptom does not show any more."
