"""How often causes were right, from what people said of them: counts, and how much the counts say.

A verdict decides what it decides and no more: of a first hypothesis that is ruled out it is known that it was
wrong, and not whether the second was right. What is not decided is in no total.

Intervals are Wilson's, at 95 % (E. B. Wilson, Probable inference, 1927): they hold for few cases, and for
shares of nought and one, where the textbook one is empty.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

from stormpetrel.model.cause import CauseClass
from stormpetrel.model.cause_verdict import CauseOutcome, CauseVerdict
from stormpetrel.model.scoreboard import (
    CertaintyRow,
    Measure,
    Scoreboard,
    ScoredIncident,
    ScoreFilter,
    ScoreRow,
    Share,
)
from stormpetrel.model.time import to_iso

MOST_MONTHS = 24
BANDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_Z = 1.959964  # of a normal distribution, 95 % lie within so many standard deviations
_THREE = 3


def share_of(right: int, total: int) -> Share:
    """A share with its interval.

    >>> share = share_of(8, 10)
    >>> round(share.low, 2), round(share.high, 2)
    (0.49, 0.94)
    """
    if not total:
        return Share(0, 0, 0.0, 1.0)
    ratio, z2 = right / total, _Z * _Z
    middle = (ratio + z2 / (2 * total)) / (1 + z2 / total)
    half = _Z / (1 + z2 / total) * math.sqrt(ratio * (1 - ratio) / total + z2 / (4 * total * total))
    return Share(right, total, max(0.0, middle - half), min(1.0, middle + half))


def scored(verdict: CauseVerdict) -> ScoredIncident:
    """What a verdict says of what had been told."""
    told = verdict.told
    first = told.causes[0] if told.causes else None
    return ScoredIncident(
        incident_id=verdict.incident_id,
        month=to_iso(verdict.incident_start_unix_nano)[:7],
        cause_class=first.cause_class if first is not None else CauseClass.UNKNOWN,
        entity=first.entity if first is not None else "",
        found=told.found,
        certainty=told.certainty,
        outcome=verdict.outcome,
        cause=verdict.entity,
        actor=verdict.actor,
        time_unix_nano=verdict.time_unix_nano,
        right=_found(verdict) if told.found else _not_found(verdict),
    )


def _found(verdict: CauseVerdict) -> dict[Measure, bool]:
    """What is decided where a cause was told."""
    told = verdict.told
    if verdict.outcome is CauseOutcome.UNDECIDED:
        ruled_out = set(verdict.ruled_out)
        decided = {}
        if told.causes[0].entity in ruled_out:
            decided[Measure.FIRST] = False
        if all(cause.entity in ruled_out for cause in told.causes[:_THREE]):
            decided[Measure.THREE] = False
        return decided
    place = told.place(verdict.entity) if verdict.outcome is CauseOutcome.IT else 0
    return {Measure.FIRST: place == 1, Measure.THREE: 1 <= place <= _THREE}


def _not_found(verdict: CauseVerdict) -> dict[Measure, bool]:
    """What is decided where "no cause found" was told."""
    if verdict.outcome is CauseOutcome.UNDECIDED:
        return {}
    return {Measure.NO_CAUSE: verdict.outcome is CauseOutcome.NO_CAUSE}


def scoreboard_of(verdicts: Sequence[CauseVerdict], most: int) -> Scoreboard:
    """All shares of the verdicts that count; O(verdicts)."""
    every = [scored(one) for one in verdicts]
    return Scoreboard(
        verdicts=len(every),
        most=most,
        overall=_shares(every),
        by_class=_rows(every, lambda one: one.cause_class.value),
        by_month=_rows(every, lambda one: one.month)[::-1][:MOST_MONTHS],
        reliability=tuple(row for band in pairwise(BANDS) if (row := _band(every, *band)) is not None),
    )


def behind(verdicts: Iterable[CauseVerdict], chosen: ScoreFilter) -> list[ScoredIncident]:
    """The incidents behind one number, in the order of their verdicts."""
    return [one for one in map(scored, verdicts) if _matches(one, chosen)]


def _matches(one: ScoredIncident, chosen: ScoreFilter) -> bool:
    right = one.right.get(chosen.measure)
    return (
        right is not None
        and chosen.right in (None, right)
        and chosen.cause_class in (None, one.cause_class)
        and chosen.month in (None, one.month)
        and (chosen.certainty is None or (one.found and band_of(one.certainty) == chosen.certainty))
    )


def band_of(certainty: float) -> float:
    """The lower end of the row of the reliability table that a certainty belongs to.

    >>> band_of(0.42), band_of(0.6), band_of(1.0)
    (0.0, 0.6, 0.9)
    """
    return max(least for least in BANDS[:-1] if least <= max(certainty, 0.0))


def _shares(every: Sequence[ScoredIncident]) -> dict[Measure, Share]:
    decided = {measure: [one.right[measure] for one in every if measure in one.right] for measure in Measure}
    return {measure: share_of(sum(found), len(found)) for measure, found in decided.items()}


def _rows(every: Sequence[ScoredIncident], group: Callable[[ScoredIncident], str]) -> tuple[ScoreRow, ...]:
    groups: dict[str, list[ScoredIncident]] = {}
    for one in every:
        groups.setdefault(group(one), []).append(one)
    return tuple(ScoreRow(name, _shares(found)) for name, found in sorted(groups.items()))


def _band(every: Sequence[ScoredIncident], least: float, most: float) -> CertaintyRow | None:
    inside = [one for one in every if Measure.FIRST in one.right and band_of(one.certainty) == least]
    if not inside:
        return None
    right = sum(one.right[Measure.FIRST] for one in inside)
    mean = math.fsum(one.certainty for one in inside) / len(inside)
    return CertaintyRow(least, most, mean, share_of(right, len(inside)))
