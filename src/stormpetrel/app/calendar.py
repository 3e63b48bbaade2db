"""The calendar's desk: what people enter, what is fetched, what was learned, and what jobs tell."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from stormpetrel.app.access import require
from stormpetrel.app.calendar_fetch import HOLIDAYS, Fetching, fetchers
from stormpetrel.app.calendar_memory import SlotFile
from stormpetrel.app.config import Config
from stormpetrel.app.judge import Judge
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.context.recur import check_cron, check_zone
from stormpetrel.context.scope import read_scope
from stormpetrel.errors import NotFoundError, StateError, StormPetrelError
from stormpetrel.model.access import Caller, Role, Scope
from stormpetrel.model.calendar import (
    CalendarEntry,
    CalendarView,
    Cron,
    Decided,
    Decision,
    EntryDraft,
    EntrySource,
    Once,
)
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore

log = structlog.get_logger(__name__)

MADE = "made"
MAX_MADE = 2000
_LOOK_SECONDS = 5.0
_SAVE = from_seconds(900)
_MAX_TITLE = 200
_LONGEST = from_seconds(366 * 86_400)


@dataclass(slots=True)
class _Looked:
    refreshed_unix_nano: int = 0
    problem: str = ""
    tried_unix_nano: int = 0


class CalendarDesk:
    """Keeps the book in step with the control store and the sources outside, and acts for people.

    Sources are looked at in one thread, one after the other, each with a deadline; what fails is told on
    the page, and the last good copy stays.
    """

    def __init__(
        self, config: Config, control: ControlStore, pipeline: Pipeline, judge: Judge, clock: Clock
    ) -> None:
        self._config = config
        self._control = control
        self._pipeline = pipeline
        self._judge = judge
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="calendar", daemon=True)
        self._looked: dict[str, _Looked] = {}
        self._fetchers: list[Fetching] = fetchers(config)
        self._slots = SlotFile(config.data_dir / "calendar")
        self._saved = clock.now_unix_nano()
        pipeline.recall = self._slots.read  # what was learned before, at every beginning anew
        self._read_made()
        for fetcher in self._fetchers:
            self._take(fetcher, fetcher.last_good)

    def _read_made(self) -> None:
        self._pipeline.book.put(MADE, self._control.list_entries())
        self._pipeline.book.decide(self._control.list_decisions())

    # --------------------------------------------------------------------------------- the thread

    def start(self) -> None:
        """Begin to look at the sources."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking, and keep what was learned; call it after the judge has stopped."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)
        self._save()

    def _run(self) -> None:
        while True:
            self.look()
            if self._clock.now_unix_nano() - self._saved >= _SAVE:
                self._save()
            if self._stopping.wait(_LOOK_SECONDS):
                return

    def look(self) -> None:
        """Look at every source whose time has come."""
        now = self._clock.now_unix_nano()
        for fetcher in self._fetchers:
            looked = self._looked.setdefault(fetcher.name, _Looked())
            if looked.tried_unix_nano and now - looked.tried_unix_nano < from_seconds(
                fetcher.refresh_seconds
            ):
                continue
            looked.tried_unix_nano = now
            self._take(fetcher, fetcher.look)

    def _take(self, fetcher: Fetching, look: Callable[[int], list[CalendarEntry] | None]) -> None:
        now = self._clock.now_unix_nano()
        looked = self._looked.setdefault(fetcher.name, _Looked())
        try:
            entries = look(now)
            if entries is None:
                return
            bad = [problem for problem in map(problem_of, entries) if problem]
            good = [entry for entry in entries if not problem_of(entry)] if bad else entries
            left_out = self._pipeline.book.put(fetcher.name, good)
        except StormPetrelError as error:
            looked.problem = str(error)
            log.warning("calendar_source", source=fetcher.name, reason=error.reason, error=str(error))
            return
        looked.refreshed_unix_nano = now
        looked.problem = f"{len(bad)} entries left out: {bad[0]}" if bad else ""
        if left_out:
            looked.problem = f"{left_out} entries left out: a source may have {MAX_MADE}"

    def _save(self) -> None:
        self._saved = self._clock.now_unix_nano()
        try:
            self._slots.write(self._judge.within(self._pipeline.context.snapshot))
        except OSError as error:
            log.warning("slots_not_kept", error=str(error))

    # ------------------------------------------------------------------------------------ reading

    def view(self) -> CalendarView:
        """The page *Calendar*."""
        now = self._clock.now_unix_nano()
        sources = self.sources()
        return self._judge.within(lambda: self._pipeline.context.view(now, sources))

    def sources(self) -> list[EntrySource]:
        """Where entries come from, with how the last look went."""
        book = self._pipeline.book
        found = [EntrySource("configuration", "config", len(book.of("config")))]
        found.append(EntrySource("made here", "page", len(book.of(MADE))))
        for fetcher in self._fetchers:
            looked = self._looked.get(fetcher.name, _Looked())
            found.append(
                EntrySource(
                    fetcher.name,
                    fetcher.kind,
                    len(book.of(fetcher.name)),
                    looked.refreshed_unix_nano,
                    looked.problem,
                )
            )
        return found

    def unread(self) -> tuple[str, ...]:
        """Sources of windows and jobs of which nothing is known, not even a copy of before: whether a freeze
        covers something cannot be told without them."""
        return tuple(
            one.name
            for one in self._fetchers
            if one.kind != HOLIDAYS and not self._looked.get(one.name, _Looked()).refreshed_unix_nano
        )

    # ------------------------------------------------------------------------------------- acting

    def add(self, draft: EntryDraft, source: str, by: Caller) -> CalendarEntry:
        """A person or a program makes an entry.

        Raises:
            AuthError: not theirs to do. StateError: what is wrong with it, or the calendar is full.
        """
        allow(by)
        self._check(draft)
        if len(self._control.list_entries()) >= MAX_MADE:
            raise StateError(f"the calendar holds {MAX_MADE} entries made here; end some first")
        entry = CalendarEntry(
            entry_id=f"e{secrets.token_hex(8)}",
            kind=draft.kind,
            title=draft.title.strip(),
            scopes=draft.scopes,
            recurrence=draft.recurrence,
            source=source,
            train=draft.train,
            watch=draft.watch,
            created_by=by.name,
            created_unix_nano=self._clock.now_unix_nano(),
        )
        problem = problem_of(entry)
        if problem:
            raise StateError(problem)
        self._control.save_entry(entry)
        self._read_made()
        return entry

    def _check(self, draft: EntryDraft) -> None:
        title = draft.title.strip()
        if not (1 <= len(title) <= _MAX_TITLE) or not title.isprintable():
            raise StateError(f"a title has 1 to {_MAX_TITLE} printable characters")
        if not 1 <= len(draft.scopes) <= 50:
            raise StateError("name 1 to 50 scopes; * is everything")
        rule = draft.recurrence
        if isinstance(rule, Once) and not 0 < rule.end_unix_nano - rule.start_unix_nano <= _LONGEST:
            raise StateError("it must end after it starts, and within a year")

    def change(self, entry_id: str, draft: EntryDraft, by: Caller) -> CalendarEntry:
        """Change an entry that was made here; errors as for `add`, and NotFoundError."""
        allow(by)
        self._check(draft)
        known = self._made(entry_id)
        entry = replace(
            known,
            kind=draft.kind,
            title=draft.title.strip(),
            scopes=draft.scopes,
            recurrence=draft.recurrence,
            train=draft.train,
            watch=draft.watch,
        )
        problem = problem_of(entry)
        if problem:
            raise StateError(problem)
        self._control.save_entry(entry)
        self._read_made()
        return entry

    def _made(self, entry_id: str) -> CalendarEntry:
        known = next((e for e in self._control.list_entries() if e.entry_id == entry_id), None)
        if known is None:
            raise NotFoundError("that entry was not made here: end it where it comes from")
        return known

    def end(self, entry_id: str, by: Caller) -> None:
        """End a window that is under way now; anything else is taken out of the calendar."""
        allow(by)
        known, now = self._made(entry_id), self._clock.now_unix_nano()
        rule = known.recurrence
        if isinstance(rule, Once) and rule.start_unix_nano < now < rule.end_unix_nano:
            self._control.save_entry(replace(known, recurrence=Once(rule.start_unix_nano, now)))
        else:
            self._control.delete_entry(entry_id)
        self._read_made()

    def decide(self, proposal_id: str, decision: Decision, by: Caller) -> None:
        """Accept a learned slot, which makes it an entry, or reject it, or neither any more."""
        allow(by)
        now, context = self._clock.now_unix_nano(), self._pipeline.context
        found = self._judge.within(
            lambda: next(
                (
                    (p, context.roster.entry(p))
                    for p in context.roster.proposals(now)
                    if p.proposal_id == proposal_id
                ),
                None,
            )
        )
        if found is None:
            raise NotFoundError("that proposal is not there any more: the slot did not come again")
        proposal, entry = found
        rule = proposal.rule
        self._control.save_decision(
            Decided(
                proposal_id,
                proposal.entity,
                rule.period_seconds,
                rule.offset_seconds,
                decision,
                by.name,
                now,
            )
        )
        if decision is Decision.ACCEPTED:
            self._control.save_entry(replace(entry, created_by=by.name, created_unix_nano=now))
        self._read_made()


def allow(by: Caller) -> None:
    """Responders may change the calendar, and tokens with that scope; AuthError for others."""
    if Scope.CALENDAR not in by.scopes:
        require(by, Role.RESPONDER)


def problem_of(entry: CalendarEntry) -> str:
    """What is wrong with an entry; empty when it can be used."""
    try:
        for text in (*entry.scopes, *(entry.watch.series if entry.watch else ())):
            read_scope(text)
        if isinstance(entry.recurrence, Cron):
            check_zone(entry.recurrence.zone)
            check_cron(entry.recurrence.expression)
    except StormPetrelError as error:
        return f"{entry.title}: {error}"
    return ""
