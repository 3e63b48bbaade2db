"""Recurring slots of series: from excursions that come again, with bounded memory a series."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from stormpetrel.context import mining
from stormpetrel.context.excursions import Edge
from stormpetrel.context.recur import local_nanos
from stormpetrel.model.calendar import Run
from stormpetrel.model.time import from_seconds, to_seconds

# Excursions remembered of one series, and series of which any are: some 1 kB each, 100 MB in all.
RING = 32
MAX_SERIES = 100_000
# Slots of one series, and runs remembered of one slot.
MAX_SLOTS = 4
RUNS = 16
# Of the last periods this share must hold for a slot to count without anybody's word.
PRESUMED = (6, 7)
# ... and chance alone may make so many such slots, of all series together. A series may be asked some
# thousand times before it has one.
PRESUMED_FALSE, ASKED = 0.01, 1000.0
Rings = tuple[NDArray[np.generic], NDArray[np.generic], NDArray[np.generic]]
# How fast a slot follows when its time moves.
_DRIFT = 0.3


@dataclass(slots=True)
class Slot:
    """One recurring slot of one series; times on the clock of its period (UTC, or the zone's for days).

    `phase` is the start within the period. `first` and `numbers` count periods: when it was first seen, and
    in which of the last it was. `by_itself` is the chance that an excursion falls into it by itself.
    """

    series: int
    period: int
    phase: int
    width: int
    side: int
    chance: float
    first: int
    by_itself: float = 1.0
    job: str = ""  # the learned job that it is of; kept, so that the job stays the same over a restart
    numbers: deque[int] = field(default_factory=lambda: deque(maxlen=RUNS))
    runs: deque[Run] = field(default_factory=lambda: deque(maxlen=RUNS))
    unknown: deque[int] = field(default_factory=lambda: deque(maxlen=RUNS))  # periods nobody could see

    def number_of(self, clock: int) -> int:
        """Which period a time on its clock belongs to."""
        return (clock - self.phase + self.period // 2) // self.period

    def away(self, clock: int) -> int:
        """How far a time on its clock is from the slot's start."""
        return abs(clock - self.phase - self.number_of(clock) * self.period)

    def seen(self, clock: int, depth: int = 0) -> tuple[int, int]:
        """In how many of the last complete periods it was seen, and how many those are; `depth` at most, by
        default as many as are looked at when a slot is found.

        Periods in which the series was silent are neither: those before them are looked at instead.
        """
        # A run is known when it has ended: a period counts once even a long one would have.
        settled = min(2 * from_seconds(self.longest_seconds()) + 2 * self.width, self.period // 2)
        now = (clock - self.phase - settled) // self.period
        hits = possible = 0
        for number in range(now, max(self.first, now - RUNS + 1) - 1, -1):
            if number in self.numbers:
                hits += 1
            elif number in self.unknown:
                continue
            possible += 1
            if possible == (depth or mining.depth(self.period)):
                break
        return hits, possible

    def presumed(self, clock: int, most_chance: float) -> bool:
        """Whether it is so regular that it counts as expected by itself: chance does that less often than
        `most_chance`."""
        # A slot of short period is found among thousands a day: as many runs again have to bear it out.
        depth = RUNS if self.period < mining.DAY else int(mining.depth(self.period))
        hits, possible = self.seen(clock, depth)
        if possible < depth or hits * PRESUMED[1] < PRESUMED[0] * possible:
            return False
        luck = len(mining.PERIODS) * float(mining.tail(hits - 1, possible - 1, self.by_itself))
        return luck <= most_chance

    def gone(self, clock: int) -> bool:
        """Whether it was seen so rarely of late that it is none any more."""
        hits, possible = self.seen(clock)
        return possible >= mining.LEAST_WEEKS and hits < possible / 2

    def usual_seconds(self) -> float:
        """How long its runs usually last: their median."""
        return float(np.median([run.seconds for run in self.runs])) if self.runs else 0.0

    def longest_seconds(self) -> float:
        """The longest of its runs that is not out of all proportion."""
        usual = self.usual_seconds()
        return max((run.seconds for run in self.runs if run.seconds <= 2 * usual), default=usual)


class SlotLearner:
    """Finds slots in excursions, one pass, and forgets those that do not come any more.

    An excursion that fits a known slot of its series updates that slot; the others go into a ring, and each
    new one is asked whether it completes a row (`mining.regular`).

    Works for jobs at fixed times of day, week, or hour, and for periods of minutes; fails for jobs whose
    start scatters by more than the tolerance (20 minutes for days), and for days of the week that are
    spread unevenly: Monday to Friday becomes five weekly slots, which take four weeks.
    Cost: a few microseconds an excursion. Bytes: about 1,100 for a series with excursions, none for others.
    """

    def __init__(self, zone: ZoneInfo) -> None:
        self._zone = zone
        self._place: dict[int, int] = {}
        self.starts: NDArray[np.int64] = np.zeros((0, 2, RING), np.int64)
        self.runs: NDArray[np.float64] = np.zeros((0, 2, RING))
        self.held: NDArray[np.int64] = np.zeros(0, np.int64)
        self.slots: dict[int, list[Slot]] = {}
        self.newest: dict[int, int] = {}
        self.refused_total = 0  # excursions of series for which there was no room

    def clock(self, period: int, time_unix_nano: int) -> int:
        """A moment on the clock of a period."""
        return local_nanos(self._zone, time_unix_nano) if period >= mining.DAY else time_unix_nano

    def update(self, edge: Edge, first_seen: int, step: int) -> tuple[Slot, bool] | None:
        """Take an excursion that ended; the slot it belongs to, and whether that is new.

        Args:
            first_seen: since when the series is watched. step: its usual interval, in nanoseconds.
        """
        if edge.start_unix_nano <= self.newest.get(edge.series, 0):
            return None  # seen before, and read again from the store at a start
        if edge.series not in self.newest and len(self.newest) >= MAX_SERIES:
            self.refused_total += 1
            return None
        self.newest[edge.series] = edge.start_unix_nano
        known = self.fitting(edge)
        if known is not None:
            self._again(known, edge)
            return known, False
        self._remember(edge)
        found = self._mine(edge, first_seen, step)
        if found is None:
            return None
        self.slots.setdefault(edge.series, []).append(found)
        return found, True

    def most_chance(self) -> float:
        """The chance from which on a slot counts without anybody's word: the stricter, the more series."""
        return PRESUMED_FALSE / (ASKED * max(1, len(self.newest)))

    def silent(self, edge: Edge) -> None:
        """A series was silent, or lost sight of, between two times: its slots there are unknown."""
        for slot in self.slots.get(edge.series, ()):
            clocks = [self.clock(slot.period, t) for t in (edge.start_unix_nano, edge.end_unix_nano)]
            first = slot.number_of(clocks[0] - round(1e9 * slot.usual_seconds()))
            for number in range(first, min(slot.number_of(clocks[1]), first + RUNS) + 1):
                begins = slot.phase + number * slot.period
                ends = begins + round(1e9 * slot.usual_seconds())
                if begins <= clocks[1] and ends >= clocks[0] and number not in slot.unknown:
                    slot.unknown.append(number)

    def fitting(self, edge: Edge) -> Slot | None:
        """The slot of its series that an excursion belongs to by its start and side."""
        side = 1 if edge.height > 0 else -1
        fits = [
            (slot.away(self.clock(slot.period, edge.start_unix_nano)), slot)
            for slot in self.slots.get(edge.series, ())
            if slot.side == side
        ]
        near = [(away, slot) for away, slot in fits if away <= slot.width]
        return min(near, key=lambda pair: pair[0])[1] if near else None

    def _again(self, slot: Slot, edge: Edge) -> None:
        clock = self.clock(slot.period, edge.start_unix_nano)
        number = slot.number_of(clock)
        slot.phase += round(_DRIFT * (clock - slot.phase - number * slot.period))
        if not slot.numbers or number > slot.numbers[-1]:
            slot.numbers.append(number)
            slot.runs.append(Run(edge.start_unix_nano, edge.end_unix_nano, edge.height))

    def _remember(self, edge: Edge) -> None:
        place = self._place.get(edge.series)
        if place is None:
            place = self._place[edge.series] = len(self._place)
            if place >= len(self.held):
                self._grow(max(16, 2 * place))
        n = int(self.held[place])
        if n == RING:
            self.starts[place, :, :-1] = self.starts[place, :, 1:]
            self.runs[place, :, :-1] = self.runs[place, :, 1:]
            n -= 1
        self.starts[place, :, n] = (edge.start_unix_nano, local_nanos(self._zone, edge.start_unix_nano))
        self.runs[place, :, n] = (to_seconds(edge.end_unix_nano - edge.start_unix_nano), edge.height)
        self.held[place] = n + 1

    def _grow(self, size: int) -> None:
        for name in ("starts", "runs", "held"):
            old = getattr(self, name)
            new = np.zeros((size, *old.shape[1:]), old.dtype)
            new[: len(old)] = old
            setattr(self, name, new)

    def _mine(self, edge: Edge, first_seen: int, step: int) -> Slot | None:
        if len(self.slots.get(edge.series, ())) >= MAX_SLOTS:
            return None
        place = self._place[edge.series]
        n = int(self.held[place])
        starts, runs = self.starts[place, :, :n], self.runs[place, :, :n]
        first = int(starts[0, 0]) if n == RING else max(first_seen, 1)
        index, hits, _, chance = mining.regular(
            (starts[0], starts[1]), (runs[0], runs[1]), first, step, mining.PERIODS
        )
        if index < 0:
            return None
        slot = self._slot(edge, place, (int(mining.PERIODS[index]), step), chance)
        # The chance is that of all hits but the newest, which is given, in any of the periods.
        slot.by_itself = min(1.0, chance / len(mining.PERIODS)) ** (1.0 / max(hits - 1, 1))
        return slot

    def _slot(self, edge: Edge, place: int, rhythm: tuple[int, int], chance: float) -> Slot:
        """A new slot of the excursions in the ring that belong to it, which leave the ring."""
        period, step = rhythm
        n = int(self.held[place])
        row = 1 if period >= mining.DAY else 0
        clocks, kept = self.starts[place, row, :n], self.runs[place, :, :n]
        newest = int(clocks[-1])
        width = int(mining.tolerance(period, step))
        apart = newest - clocks
        off = apart - (apart + period // 2) // period * period
        members = np.flatnonzero((np.abs(off) <= width) & (kept[1] * edge.height > 0))
        phase = (newest - round(float(np.median(off[members])))) % period
        side = 1 if edge.height > 0 else -1
        slot = Slot(edge.series, period, phase, width, side, chance, 0)
        for k in members[-RUNS:].tolist():
            start = int(self.starts[place, 0, k])
            slot.numbers.append(slot.number_of(int(clocks[k])))
            slot.runs.append(Run(start, start + from_seconds(float(kept[0, k])), float(kept[1, k])))
        slot.first = slot.numbers[0]
        others = np.setdiff1d(np.arange(n), members)
        self.starts[place, :, : len(others)] = self.starts[place][:, others]
        self.runs[place, :, : len(others)] = self.runs[place][:, others]
        self.held[place] = len(others)
        return slot

    def places(self) -> list[int]:
        """The series with rings, in order of their place."""
        return list(self._place)

    def take_rings(self, series: list[int], rings: Rings) -> None:
        """Take over rings of a learner like this one; ValueError when they do not fit."""
        starts, runs, held = rings
        n = len(series)
        if starts.shape != (n, 2, RING) or runs.shape != (n, 2, RING) or held.shape != (n,):
            raise ValueError("damaged slots: the rings have another shape")
        self._place = {one: place for place, one in enumerate(series)}
        self.starts, self.runs = starts.astype(np.int64), runs.astype(np.float64)
        self.held = np.clip(held.astype(np.int64), 0, RING)

    def forget_gone(self, now_unix_nano: int) -> list[Slot]:
        """Drop the slots that do not come any more, and hand them out; O(slots)."""
        gone = [
            slot
            for slots in self.slots.values()
            for slot in slots
            if slot.gone(self.clock(slot.period, now_unix_nano))
        ]
        for slot in gone:
            self.slots[slot.series].remove(slot)
        return gone
