"""Read-only links to the report of one incident, for people without an account."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stormpetrel.model.time import from_seconds

# What does not differ by more than this is the same time on two clocks.
CLOCK_SLACK_UNIX_NANO = from_seconds(60.0)


class Lifetime(StrEnum):
    """How long a link is good for."""

    HOUR = "1h"
    DAY = "1d"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def nanoseconds(self) -> int:
        """Its length."""
        return from_seconds(3600.0 * _HOURS[self])

    @property
    def words(self) -> str:
        """As people say it.

        >>> Lifetime.WEEK.words
        '7 days'
        """
        return _WORDS[self]


_HOURS = {Lifetime.HOUR: 1, Lifetime.DAY: 24, Lifetime.WEEK: 7 * 24, Lifetime.MONTH: 30 * 24}
_WORDS = {Lifetime.HOUR: "1 hour", Lifetime.DAY: "1 day", Lifetime.WEEK: "7 days", Lifetime.MONTH: "30 days"}


@dataclass(frozen=True, slots=True)
class ShareLink:
    """A link to one incident's report. Only the SHA-256 of its secret is kept.

    Attributes:
        share_id: names it where it is listed and revoked; it opens nothing.
        hint: the last four characters of its secret.
        opened: how often the report was read with it.
        last_opened_unix_nano: when that was last; 0 for never.
    """

    share_id: str
    incident_id: str
    token_hash: str
    hint: str
    created_unix_nano: int
    created_by: str
    ends_unix_nano: int
    opened: int = 0
    last_opened_unix_nano: int = 0

    def good_at(self, now_unix_nano: int) -> bool:
        """Does it open the report now? Not from its end on, and not before its making."""
        begins = self.created_unix_nano - CLOCK_SLACK_UNIX_NANO
        return begins <= now_unix_nano < self.ends_unix_nano
