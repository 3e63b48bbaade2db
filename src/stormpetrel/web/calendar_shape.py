"""How the calendar is shown and read: times of forms, rules in words, and the strip of a slot's runs."""

from __future__ import annotations

from dataclasses import dataclass

from stormpetrel.model.calendar import (
    DAY_SECONDS,
    OPEN_END,
    CalendarEntry,
    Cron,
    EntryKind,
    Every,
    Listed,
    Once,
    Proposal,
    Run,
)
from stormpetrel.model.time import from_iso, from_seconds, to_iso
from stormpetrel.web import show
from stormpetrel.web.errors import BadRequestError

KIND_WORDS = {
    EntryKind.EXPECTED_JOB: "expected job",
    EntryKind.MAINTENANCE: "maintenance",
    EntryKind.DEPLOY: "deploy",
    EntryKind.FREEZE: "freeze",
    EntryKind.HOLIDAY: "holiday",
}
STRIP_WIDTH = 400.0


@dataclass(frozen=True, slots=True)
class Lane:
    """One period of a slot's strip: when its run began (0: it was not seen), and the bar of it."""

    time_unix_nano: int
    x: float
    width: float
    seconds: float
    unknown: bool = False

    @property
    def seen(self) -> bool:
        """Whether there was a run."""
        return self.seconds > 0


def rule_words(entry: CalendarEntry, now_unix_nano: int) -> str:
    """When an entry recurs, in words."""
    rule = entry.recurrence
    if isinstance(rule, Once):
        since = show.clock(rule.start_unix_nano, now_unix_nano)
        if rule.end_unix_nano >= OPEN_END:
            return f"from {since} until somebody ends it"
        return f"{since} to {show.clock(rule.end_unix_nano, now_unix_nano)}"
    if isinstance(rule, Cron):
        return f"{rule.expression} ({rule.zone}), for {show.duration(rule.duration_seconds)}"
    if isinstance(rule, Every):
        how = "every day" if rule.period_seconds == DAY_SECONDS else "every week"
        if rule.period_seconds < DAY_SECONDS:
            how = f"every {show.duration(rule.period_seconds)}"
        return f"{how}, for about {show.duration(rule.duration_seconds)}"
    return _listed_words(rule, now_unix_nano)


def _listed_words(rule: Listed, now_unix_nano: int) -> str:
    coming = [start for start, end in rule.spans if end > now_unix_nano]
    if not coming:
        return f"{len(rule.spans)} times, none of them to come"
    return f"{len(coming)} times to come, next {show.clock(coming[0], now_unix_nano)}"


def lanes_of(proposal: Proposal) -> list[Lane]:
    """The last periods of a slot, oldest first; the bar shows when in the slot it ran, and how long.

    The strip reaches from the tolerance before the usual start to twice the longest run after it.
    """
    if not proposal.runs:
        return []
    period = from_seconds(proposal.rule.period_seconds)
    newest = proposal.runs[-1]
    before = from_seconds(proposal.tolerance_seconds)
    span = 2 * before + 2 * from_seconds(proposal.longest_seconds)
    by_number: dict[int, Run] = {}
    for run in proposal.runs:
        by_number[round((newest.start_unix_nano - run.start_unix_nano) / period)] = run
    usual = proposal.runs[len(proposal.runs) // 2]
    middle = round((newest.start_unix_nano - usual.start_unix_nano) / period)
    anchor = usual.start_unix_nano + middle * period  # where the newest would begin if it were as usual
    lanes = []
    for number in range(min(max(by_number), max(proposal.possible, 4) - 1), -1, -1):
        due = anchor - number * period
        one = by_number.get(number)
        if one is None:
            lanes.append(Lane(due, 0.0, 0.0, 0.0, number in proposal.unknown))
            continue
        x = STRIP_WIDTH * (one.start_unix_nano - due + before) / max(span, 1)
        width = STRIP_WIDTH * (one.end_unix_nano - one.start_unix_nano) / max(span, 1)
        x = min(max(x, 0.0), STRIP_WIDTH - 2)
        lanes.append(
            Lane(
                one.start_unix_nano, round(x, 1), round(min(max(width, 2.0), STRIP_WIDTH - x), 1), one.seconds
            )
        )
    return lanes


def moment_of(text: str, what: str) -> int:
    """The moment of a date-time field, in UTC.

    Raises:
        BadRequestError: it is no date and time.
    """
    try:
        return from_iso(text)
    except (ValueError, OverflowError):
        raise BadRequestError(f"{what}: {text[:40]!r} is no time; write 2026-01-31T12:00 (UTC)") from None


def scopes_of(text: str) -> tuple[str, ...]:
    """One scope a line; none means everything."""
    return tuple(line.strip() for line in text.splitlines() if line.strip()) or ("*",)


def field_time(time_unix_nano: int) -> str:
    """A moment as a date-time field has it, in UTC.

    >>> field_time(0)
    '1970-01-01T00:00'
    """
    return to_iso(time_unix_nano)[:16]
