"""The stage `context`: before detection for samples, between policy and correlation for findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.context.book import EntryBook
from stormpetrel.context.excursions import BEGAN, ENDED, LOST, SILENT, Edge, Excursions
from stormpetrel.context.heartbeats import Heartbeat, deploys_of, heartbeats_of
from stormpetrel.context.jobs import JobWatch
from stormpetrel.context.marks import Expectation, Marks
from stormpetrel.context.recur import check_zone, occurrences
from stormpetrel.context.roster import Roster
from stormpetrel.context.slots import SlotLearner
from stormpetrel.context.slots_state import Arrays, from_arrays, to_arrays
from stormpetrel.context.timetable import Timetable
from stormpetrel.model.calendar import CalendarView, EntryKind, EntrySource
from stormpetrel.model.finding import Finding
from stormpetrel.model.records import ChangeBatch
from stormpetrel.model.signal import AdmittedMetrics, SeriesInfo
from stormpetrel.model.time import Window, from_seconds

_HEARTBEATS = 10_000
_SHOWN = 50
# Between looks for slots that come no more.
_FORGET = from_seconds(600)


@dataclass(frozen=True, slots=True)
class ContextSettings:
    """What the stage is told: the zone of days and weeks, how long a change is kept in mind, whether slots
    are learned, and how long after a job's time what follows from it is still its."""

    zone: str = "UTC"
    deploy_seconds: float = 900.0
    learn: bool = True
    grace_seconds: float = 300.0


class ContextStage:
    """What is expected, applied: pure, in event time, one thread at a time.

    `mask` goes before the detectors, `judge` after the policy, `advance` with time; `see_changes` takes
    change records. The calendar comes from a book that others write to.

    Args:
        describe: what is known of a series id.
        known: how many series there are.
    """

    def __init__(
        self,
        describe: Callable[[int], SeriesInfo],
        known: Callable[[], int],
        book: EntryBook,
        settings: ContextSettings,
    ) -> None:
        self._book = book
        self._settings = settings
        self._known = known
        self._grace = from_seconds(settings.grace_seconds)
        self._version = -1
        self.timetable = Timetable(describe)
        self.excursions = Excursions()
        self.learner = SlotLearner(check_zone(settings.zone))
        self.roster = Roster(self.timetable, self.excursions, self.learner, (describe, known), settings.zone)
        self.watch = JobWatch(self.roster.observed)
        self.marks = Marks(self._maintained, self._expectation, self.watch.accounts_for)
        self._was_masked: NDArray[np.bool_] = np.zeros(0, np.bool_)
        self._masking = False
        self._beats: list[Heartbeat] = []
        self._forgot = 0

    # ------------------------------------------------------------------------------------ samples

    def mask(self, admitted: AdmittedMetrics) -> AdmittedMetrics:
        """Before the detectors: samples inside maintenance are not judged and teach nothing.

        Their `signal` is NaN, and the first sample after the window is `resumed`: what lay between is
        unknown, and the state before is what comes after.
        """
        self._read_book()
        batch = admitted.batch
        mask = self.timetable.masked(batch.series, batch.time_unix_nano)
        if mask is None and not self._masking:
            return admitted
        if mask is None:
            mask = np.zeros(len(batch), np.bool_)
        if len(batch):
            size = int(batch.series.max()) + 1
            if size > len(self._was_masked):
                self._was_masked = np.concatenate(
                    [self._was_masked, np.zeros(2 * size - len(self._was_masked), np.bool_)]
                )
        resumed = admitted.resumed.copy()
        _resume(batch.series, mask, self._was_masked, resumed)
        self._masking = bool(self._was_masked.any())
        return replace(admitted, signal=np.where(mask, np.nan, admitted.signal), resumed=resumed)

    def judge(self, admitted: AdmittedMetrics, changes: list[Finding], now_unix_nano: int) -> list[Finding]:
        """After the policy: learn slots and runs from the (masked) samples, then go over the findings."""
        told = self._learn(admitted, now_unix_nano)
        return [*told, *self.marks.over(changes, now_unix_nano)]

    def over(self, changes: list[Finding], now_unix_nano: int) -> list[Finding]:
        """Go over findings that come from elsewhere than samples."""
        self._read_book()
        return self.marks.over(changes, now_unix_nano)

    def advance(self, changes: list[Finding], now_unix_nano: int) -> list[Finding]:
        """Time has reached `now`: findings of others, what was held back, and jobs that misbehave."""
        self._read_book()
        told = self._heartbeats(now_unix_nano)
        if self.learner.slots and abs(now_unix_nano - self._forgot) >= _FORGET:
            self._forgot = now_unix_nano
            for slot in self.learner.forget_gone(now_unix_nano):
                self.roster.forget(slot)
        told += self._sync(now_unix_nano)
        told += self.watch.advance(now_unix_nano)
        return [*self.marks.over([*changes, *told], now_unix_nano), *self.marks.advance(now_unix_nano)]

    def _learn(self, admitted: AdmittedMetrics, now: int) -> list[Finding]:
        told: list[Finding] = self._heartbeats(now)
        for edge in self.excursions.update(admitted):
            told += self._edge(edge, now)
        return told

    def _edge(self, edge: Edge, now: int) -> list[Finding]:
        if edge.kind == ENDED and self._settings.learn:
            step = self.excursions.step_nanos(edge.series)
            found = self.learner.update(edge, self.excursions.first_seen(edge.series), step)
            if found is not None:
                (self.roster.add if found[1] else self.roster.touch)(found[0])
        if edge.kind in (LOST, SILENT):
            self.learner.silent(edge)
        told: list[Finding] = []
        if edge.kind == SILENT:
            return told
        for key, in_time in self.roster.shown_by(edge):
            if edge.kind == BEGAN and (in_time or self.watch.awaited(key)):
                told += self._began(key, edge)
            elif edge.kind in (ENDED, LOST) and self.roster.end(key, edge.series):
                told += self.watch.ended(key, edge.end_unix_nano)
        if edge.kind == ENDED:
            told += self._sync(now)
        return told

    def _began(self, key: str, edge: Edge) -> list[Finding]:
        self.roster.begin(key, edge.series)
        return self.watch.began(key, edge.start_unix_nano)

    def _sync(self, now: int) -> list[Finding]:
        """Jobs that became expected, or are no longer."""
        duties = self.roster.duties(now)
        return [] if duties is None else self.watch.watch(duties, now)

    # ------------------------------------------------------------------------------------ changes

    def see_changes(self, batch: ChangeBatch) -> None:
        """Deploys are kept in mind, heartbeats of jobs wait until time has reached them."""
        for change in deploys_of(batch, from_seconds(self._settings.deploy_seconds)):
            self.marks.deployed(change)
        self._beats = sorted([*self._beats, *heartbeats_of(batch)])[-_HEARTBEATS:]

    def _heartbeats(self, now: int) -> list[Finding]:
        if not self._beats or self._beats[0].time_unix_nano > now:
            return []
        told = self._sync(now)
        due = [beat for beat in self._beats if beat.time_unix_nano <= now]
        self._beats = self._beats[len(due) :]
        for beat in due:
            for key in self.roster.named(beat.name):
                if beat.begins:
                    told += self.watch.began(key, beat.time_unix_nano)
                else:
                    told += self.watch.ended(key, beat.time_unix_nano, beat.failed)
        return told

    def resume(self, findings: list[Finding], now_unix_nano: int) -> set[str]:
        """After a restart: open findings of jobs go on. The ids of those that do."""
        self._read_book()
        self._sync(now_unix_nano)
        return self.watch.resume(findings)

    # ------------------------------------------------------------------------------------- memory

    def snapshot(self) -> dict[str, NDArray[np.generic]]:
        """What was learned, as plain arrays; call it where nothing else runs in this stage."""
        return to_arrays(self.learner)

    def restore(self, arrays: Arrays) -> None:
        """Take over what was learned, into a new stage; ValueError when it does not fit."""
        known = self._known()
        for slot in from_arrays(self.learner, arrays):
            if slot.series < known:
                self.roster.add(slot)
            else:  # of another installation's series: they are not this one's
                self.learner.slots[slot.series].remove(slot)

    # ---------------------------------------------------------------------------------- questions

    def _read_book(self) -> None:
        if self._book.version == self._version:
            return
        self._version, entries, decided = self._book.read()
        self.timetable.set_entries(entries)
        self.roster.renew(entries, decided)

    def _maintained(self, entity: str, series: int, time_unix_nano: int) -> str | None:
        found = self.timetable.covering(EntryKind.MAINTENANCE, entity, series, time_unix_nano)
        return found.entry.title if found else None

    def _expectation(self, finding: Finding) -> Expectation | None:
        return self.roster.expectation(finding, self._grace, self.watch.accounts_for)

    def view(self, now_unix_nano: int, sources: Sequence[EntrySource], days: float = 7.0) -> CalendarView:
        """The page *Calendar*; call it where nothing else runs in this stage."""
        self._read_book()
        ahead = Window(now_unix_nano, now_unix_nano + from_seconds(86_400 * days))
        deploys = self.marks.deploys()
        span = Window(now_unix_nano, now_unix_nano + 1)
        current = [
            *self.timetable.between(span),
            *(one for e in deploys for one in occurrences(e, span)),
        ]
        coming = [o for o in self.timetable.between(ahead) if o.start_unix_nano > now_unix_nano]
        return CalendarView(
            now_unix_nano=now_unix_nano,
            current=tuple(current[:_SHOWN]),
            coming=tuple(coming[:_SHOWN]),
            entries=self.timetable.entries,
            sources=tuple(sources),
            jobs=tuple(self.watch.views(now_unix_nano)),
            proposals=tuple(self.roster.proposals(now_unix_nano)),
            held_total=self.marks.held_total,
            expected_total=self.marks.expected_total,
            zone=self._settings.zone,
        )


@njit(cache=True, nogil=True)
def _resume(
    series: NDArray[np.uint32], mask: NDArray[np.bool_], was: NDArray[np.bool_], resumed: NDArray[np.bool_]
) -> None:
    """Marks the first row of each series after its masked ones."""
    for k in range(len(series)):
        if mask[k]:
            was[series[k]] = True
        elif was[series[k]]:
            was[series[k]] = False
            resumed[k] = True
