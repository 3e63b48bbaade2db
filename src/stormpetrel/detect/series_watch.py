"""Rules that look at each series by itself: meeting, seeing and forgetting is the same for all of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from stormpetrel.detect.standing import Standing, Watchlist
from stormpetrel.model.finding import Finding
from stormpetrel.model.signal import AdmittedMetrics, SeriesInfo
from stormpetrel.model.time import to_iso


@dataclass(slots=True)
class Watched:
    """Where one series stands. `newest`: time of its newest sample."""

    newest: int = 0


W = TypeVar("W", bound=Watched)


class SeriesWatch(ABC, Generic[W]):
    """One finding for each watched series of which something holds.

    A series that falls silent while its finding stands is closed as unknown after `forget_nanos`.

    Cost: nothing while no such series exists; else one look-up a batch, and Python for their rows alone.
    Deterministic, in event time.

    Args:
        describe: what is known of a series id.
        most: series that are watched; further ones are not.
    """

    name: ClassVar[str]
    forget_nanos: ClassVar[int]

    def __init__(self, describe: Callable[[int], SeriesInfo], most: int = 10_000) -> None:
        self._describe = describe
        self._watched: dict[int, W] = {}
        self._list, self._standing = Watchlist(most), Standing(self.name)

    @abstractmethod
    def wanted(self, info: SeriesInfo) -> bool:
        """Whether a series is one of those that the rule is about."""

    @abstractmethod
    def fresh(self) -> W:
        """What is known of a series before its first sample."""

    @abstractmethod
    def see(self, series: int, time: int, value: float) -> list[Finding]:
        """One sample, in order of arrival; finding changes."""

    def fallen_silent(self, one: W) -> None:
        """Its finding was closed as unknown."""

    def meet(self, new: Iterable[SeriesInfo]) -> None:
        """Series that were not there before."""
        taken = self._list.add([one.series for one in new if self.wanted(one)])
        self._watched.update({one: self.fresh() for one in taken})

    def update(self, admitted: AdmittedMetrics) -> list[Finding]:
        """Finding changes of these samples, in their order."""
        return [change for row in self._list.rows(admitted) for change in self.see(*row)]

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """What says nothing any more is not known to hold."""
        changes: list[Finding] = []
        for key in self._standing.standing():
            one = self._watched[int(key)]
            if now_unix_nano - one.newest > self.forget_nanos:
                changes += self._standing.unknown(key, f"It said nothing more since {to_iso(one.newest)}")
                self.fallen_silent(one)
        return changes
