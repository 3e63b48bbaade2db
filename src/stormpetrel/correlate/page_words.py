"""Page decisions in words."""

from __future__ import annotations

from stormpetrel.correlate.page_ledger import Allowance
from stormpetrel.correlate.strength import Strength
from stormpetrel.model.finding import Severity
from stormpetrel.model.time import to_iso


def describe(strength: Strength) -> str:
    """The evidence in half a sentence.

    >>> describe(Strength(9.44, 3, 2, 60.0)), describe(Strength(4.0, 1, 1, 0.0))
    ('strength 9.4 (3 signals on 2 entities)', 'strength 4.0 (1 signal)')
    """
    signals = f"{strength.signals} signal" + ("" if strength.signals == 1 else "s")
    where = f" on {strength.entities} entities" if strength.entities > 1 else ""
    return f"strength {strength.value:.1f} ({signals}{where})"


def paged_why(strength: Strength, bar: float, rank: int, tier: Severity) -> str:
    """Why it was paged.

    >>> paged_why(Strength(9.44, 3, 1, 60.0), 6.0, 2, Severity.WARNING)
    'strength 9.4 (3 signals) reaches the bar of 6.0; number 2 of the last seven days'
    >>> paged_why(Strength(26.0, 9, 1, 60.0), 0.0, 1, Severity.CRITICAL)
    'strength 26.0 (9 signals), ranked as critical: no bar is asked; number 1 of the last seven days'
    """
    asked = (
        f", ranked as {tier.name.lower()}: no bar is asked"
        if tier >= Severity.CRITICAL
        else f" reaches the bar of {bar:.1f}"
    )
    return f"{describe(strength)}{asked}; number {rank} of the last seven days"


def held_for_room(tier: Severity, allowance: Allowance, next_free_unix_nano: int) -> str:
    """Why there is no room.

    >>> held_for_room(Severity.WARNING, Allowance(5), 0)
    'no room: 3 of 5 pages in seven days are used, the other 2 are kept for what is worse'
    >>> held_for_room(Severity.CRITICAL, Allowance(5), 1_700_000_000_000_000_000)
    'no room: all 5 pages in seven days are used; room again at 2023-11-14T22:13Z'
    """
    limit, whole = allowance.limit(tier), allowance.per_week
    kept = whole - limit
    used = (
        f"{limit} of {whole} pages in seven days are used, the other {kept} are kept for what is worse"
        if kept
        else f"all {whole} pages in seven days are used"
    )
    free = f"; room again at {to_iso(next_free_unix_nano)[:16]}Z" if next_free_unix_nano else ""
    return f"no room: {used}{free}"
