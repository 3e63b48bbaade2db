"""What closes and opens again and again: told once, with how often, and not called over before it is calm."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from stormpetrel.model.finding import Finding
from stormpetrel.model.incident import TimelineEntry

# From this many returns in a row on, something flaps: before, each is told as it comes.
LEAST_RETURNS = 3
_REMEMBERED = 2_000

Key = tuple[str, str, str, str]


@dataclass(slots=True)
class _Flap:
    """One thing that is told of: when it closed last, and how often it came back."""

    closed: int = 0
    streak: int = 0  # returns in a row, each soon after the closing before it
    total: int = 0
    gap: int = 0  # the longest pause of this streak, in nanoseconds


class Flapping:
    """Counts the returns of each finding of one incident. O(1) a change; the longest unheard goes first.

    A finding returns when it opens again under its own id, or when another one of the same detector, view,
    entity and query opens, within `window` of the closing.

    Args:
        window: nanoseconds after a closing in which opening again is a return.
    """

    def __init__(self, window: int) -> None:
        self._window = window
        self._flaps: OrderedDict[Key, _Flap] = OrderedDict()
        self._entries: dict[Key, TimelineEntry] = {}

    def closed(self, finding: Finding) -> bool:
        """A finding closed; whether that goes without saying, because it flaps."""
        flap = self._flap(finding)
        flap.closed = finding.end_unix_nano
        return flap.streak >= LEAST_RETURNS

    def opened(self, finding: Finding, since_unix_nano: int) -> bool:
        """A finding opened, anew or again, at a time; whether that is told by the entry of its flapping."""
        flap = self._flap(finding)
        pause = since_unix_nano - flap.closed
        if not flap.closed or pause > self._window:
            flap.streak = flap.gap = 0
            return False
        flap.streak += 1
        flap.total += 1
        flap.gap = max(flap.gap, pause)
        if flap.streak < LEAST_RETURNS:
            return False
        text = f"flapping, {flap.total} times: {finding.entity}: {finding.title}"
        key = key_of(finding)
        first = self._entries.get(key)
        told = first.finding_id if first is not None else finding.finding_id
        self._entries[key] = TimelineEntry(since_unix_nano, "flapping", text, finding_id=told)
        return True

    def entries(self) -> list[TimelineEntry]:
        """One entry for each that flaps or did, with its number of returns."""
        return list(self._entries.values())

    def calm_nanos(self, resolve: int) -> int:
        """How long it must be quiet: `resolve`, or twice the longest pause of what flaps."""
        gaps = (flap.gap for flap in self._flaps.values() if flap.streak >= LEAST_RETURNS)
        return max(resolve, 2 * max(gaps, default=0))

    def _flap(self, finding: Finding) -> _Flap:
        key = key_of(finding)
        flap = self._flaps.setdefault(key, _Flap())
        self._flaps.move_to_end(key)
        while len(self._flaps) > _REMEMBERED:
            gone, _ = self._flaps.popitem(last=False)
            self._entries.pop(gone, None)
        return flap


def key_of(finding: Finding) -> Key:
    """What a finding tells of: two findings of one key tell of the same thing."""
    return finding.detector, finding.head, finding.entity, finding.evidence.query
