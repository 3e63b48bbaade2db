"""Flights in the background: one at a time, bounded, with progress, to be cancelled, reports kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from stormpetrel.app.calendar import MADE
from stormpetrel.app.config import Config
from stormpetrel.app.context import CONFIG
from stormpetrel.app.flight.crew import Stored
from stormpetrel.app.flight.fly import check, fly
from stormpetrel.app.flight.shelf import Shelf
from stormpetrel.app.jobs import JobQueue, Progress
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.context.book import EntryBook
from stormpetrel.errors import NotFoundError
from stormpetrel.model import canonical
from stormpetrel.model.flight import Flight, FlightReport
from stormpetrel.model.job import JobState
from stormpetrel.model.time import Window
from stormpetrel.ports.actuate import Actuator
from stormpetrel.ports.automation import AutomationStore
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.store import TelemetryStore

MAX_WAITING = 2


def stored_now(
    control: ControlStore,
    store: TelemetryStore,
    actuators: Mapping[str, Actuator],
    book: EntryBook | None = None,
) -> Stored:
    """What a flight over these stores is made of: the newest version of every runbook in use.

    Args:
        book: the calendar of a running process, which also knows what was fetched.
    """
    own = {CONFIG, MADE}
    entries = book.others(own) if book is not None else ()
    return Stored(store, control, tuple(row.runbook for row in control.runbooks()), actuators, entries)


def record(store: AutomationStore, report: FlightReport) -> tuple[tuple[str, str], ...]:
    """Let the days that a flight covered count for the versions it flew with, in the ledger.

    Returns:
        (runbook, version) of each; a version that is gone meanwhile is left out.
    """
    kept = []
    for one in report.runbooks:
        try:
            store.set_replay_days(one.name, one.version, report.covered_days)
        except NotFoundError:
            continue
        kept.append((one.name, one.version))
    return tuple(kept)


class FlightDesk:
    """Queues, flies, keeps and cancels flights. Safe from any thread; one worker thread.

    A flight is over all runbooks in use, each in its newest version: they share budgets, locks and the
    breaker, so one alone would be flown under other rules than it lives under.

    Args:
        control: where runbooks are, what people said, and where reports are kept.
        pipeline: the live one, for its series and its calendar.
        actuators: the real ones; read once a flight.
    """

    def __init__(
        self,
        config: Config,
        store: TelemetryStore,
        control: ControlStore,
        pipeline: Pipeline,
        actuators: Mapping[str, Actuator],
        clock: Clock,
    ) -> None:
        self._config, self._store, self._control = config, store, control
        self._pipeline, self._actuators, self._clock = pipeline, actuators, clock
        self._shelf = Shelf(control)
        self._jobs: JobQueue[Flight] = JobQueue(
            "flight", lambda one: one.flight_id, self._fly, self._shelf.keep, MAX_WAITING
        )
        self._jobs.finished = self._shelf.tidy
        self._jobs.recall(self._shelf.recall())

    # ------------------------------------------------------------------------------------- asking

    def flights(self) -> list[Flight]:
        """All that are kept, newest first."""
        return self._jobs.all()

    def flight(self, flight_id: str) -> Flight:
        """One of them; NotFoundError."""
        return self._jobs.one(flight_id)

    def submit(self, window: Window, actor: str) -> Flight:
        """Queue a flight.

        Raises:
            ConfigError: there is nothing to fly, or the range is too long or holds too much.
            OverloadedError: too many wait already.
        """
        check(self._stored(), window)
        now = self._clock.now_unix_nano()
        seed = f"{now}\0{actor}\0{window.start_unix_nano}\0{window.end_unix_nano}"
        flight = Flight(
            f"f{canonical.digest(seed)[:16]}", JobState.QUEUED, actor, now, window.start_unix_nano,
            window.end_unix_nano,
        )  # fmt: skip
        return self._jobs.submit(flight)

    def cancel(self, flight_id: str) -> Flight:
        """Stop it at the next step; NotFoundError, StateError when it is over."""
        return self._jobs.cancel(flight_id)

    def close(self) -> None:
        """Cancel what flies and end; what was queued is failed at the next start."""
        self._jobs.close()

    def _fly(self, flight: Flight, progress: Progress) -> Flight:
        window = Window(flight.start_unix_nano, flight.end_unix_nano)
        report = fly(self._config, self._pipeline.registry, self._stored(), window, progress)
        recorded = record(self._control, report)
        return replace(flight, state=JobState.DONE, progress_ratio=1.0, report=report, recorded=recorded)

    def _stored(self) -> Stored:
        return stored_now(self._control, self._store, self._actuators, self._pipeline.book)
