"""A runbook's record: when it has earned to act alone, and when it has lost that."""

from __future__ import annotations

from math import sqrt

from stormpetrel.model.facts import Limits, Track
from stormpetrel.model.time import from_seconds

_Z = 1.959963984540054  # of the normal distribution, two-sided 95 %
_DAY_SECONDS = 86_400.0
FAILED_IN_A_ROW = 2


def wilson_lower(good: int, count: int) -> float:
    """The lower bound (95 %) of a share of which `good` of `count` were seen.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, 1927.

    >>> round(wilson_lower(20, 20), 3), round(wilson_lower(19, 20), 3), wilson_lower(0, 0)
    (0.839, 0.764, 0.0)
    """
    if not 0 < good <= count:
        return 0.0
    share, square = good / count, _Z * _Z
    middle = share + square / (2 * count)
    spread = _Z * sqrt(share * (1 - share) / count + square / (4 * count * count))
    return max(0.0, (middle - spread) / (1 + square / count))


def earned(track: Track, limits: Limits, now_unix_nano: int) -> bool:
    """Whether a record supports acting alone: enough judged, useful for sure, and nothing to demote it."""
    return (
        track.judged >= limits.judged_proposals
        and wilson_lower(track.useful, track.judged) >= limits.usefulness_bound
        and not demoted(track, limits, now_unix_nano)
    )


def demoted(track: Track, limits: Limits, now_unix_nano: int) -> str:
    """Why a runbook may go no further than `approve`, in words; "" when nothing stands against it.

    Two failed verifications in a row, or harm within the last days. Harm in the future is harm just now.
    """
    if track.failed_in_a_row >= FAILED_IN_A_ROW:
        return f"its last {track.failed_in_a_row} verifications failed"
    since = now_unix_nano - track.harmful_unix_nano
    if track.harmful_unix_nano > 0 and not since > from_seconds(limits.harmless_days * _DAY_SECONDS):
        return f"it did harm within the last {limits.harmless_days:g} days"
    return ""
