"""A flight: the stored past once more, with automation awake in it, and what it would have done."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from stormpetrel.app.calendar import MADE
from stormpetrel.app.config import Config
from stormpetrel.app.feedback import book_of, stored_feedback
from stormpetrel.app.flight.crew import Crew, Stored
from stormpetrel.app.flight.opinions import Said
from stormpetrel.app.flight.report import counted, flown_plans, sealed
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.replay import ReplayReport, play
from stormpetrel.errors import ConfigError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.flight import FlightReport
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.store import TelemetryStore

DAY_SECONDS = 86_400.0
LONGEST_SECONDS = 31 * DAY_SECONDS
# Samples of the range and the day before it: some minutes.
MAX_SAMPLES = 60_000_000
_STEP_SECONDS = 600.0  # of time that has telemetry or has not
_LEAST_SHARE = 0.1  # of what a usual step holds; less is one sender in an outage of all others
_MOST_NAMED = 5
_FETCHED = "fetched"

ASSUMED = (
    "Every runbook was flown as if signed, at the highest level that its file asks for; nobody answered.",
    "Nothing was really done: that it came right afterwards is no proof that the act helps, and that it did "
    "not is none that it does not.",
    "How targets are built (groups, bounds, who else controls them) is as their systems say today.",
    "The flight's own ledger, stores and right to act were well all the time; no kill switch was engaged.",
)


def fly(
    config: Config,
    registry: SeriesRegistry,
    stored: Stored,
    window: Window,
    progress: Callable[[float], None] = lambda _share: None,
) -> FlightReport:
    """Fly over a stored past. Nothing that is stored is changed, and nothing is acted on.

    The pipeline, the causes, proposing, planning, the guardrails, admission and the runs are the live ones.
    Deterministic: the same past, configuration and actuators give the same report, bit for bit.

    Args:
        registry: the series of the store.
        window: in which automation is awake. The day before it is replayed too, so that detectors are warm.
        progress: called with the share done, 0 to 1; what it raises ends the flight.

    Raises:
        ConfigError: there is nothing to fly: no runbook, no actuator, or more than `MAX_SAMPLES`.
        StoreError: a store does not answer.
    """
    check(stored, window)
    pipeline = _pipeline(config, registry, stored, window)
    with tempfile.TemporaryDirectory(prefix="petrel-flight-") as name:
        crew = Crew(config, stored, pipeline, window, Path(name))
        try:
            replayed = play(pipeline, stored.store, _wide(config, stored, window), progress, crew.tick)
            return _report(crew, stored, window, replayed)
        finally:
            crew.close()


def check(stored: Stored, window: Window) -> None:
    """ConfigError when there is nothing to fly, or too much."""
    if not stored.actuators:
        raise ConfigError("no actuator is configured, so no plan has a target; see docs/actuators.md")
    if not stored.runbooks:
        raise ConfigError("no runbook is in use; name some under automation.library, or write your own")
    if window.seconds > LONGEST_SECONDS:
        days = LONGEST_SECONDS / DAY_SECONDS
        raise ConfigError(f"the range is longer than {days:.0f} days; choose a shorter one")
    around = Window(max(0, window.start_unix_nano - from_seconds(DAY_SECONDS)), window.end_unix_nano)
    held = int(stored.store.count_samples(around, LONGEST_SECONDS * 2).sum())
    if held > MAX_SAMPLES:
        raise ConfigError(
            f"the range and the day before it hold {held:,} samples, a flight takes {MAX_SAMPLES:,} at most; "
            "choose a shorter one"
        )


def _wide(config: Config, stored: Stored, window: Window) -> Window:
    """With a day before it, in which the detectors warm up, where anything is stored of it."""
    lead = max(DAY_SECONDS, config.detect.season_seconds)
    if not _known_before(stored, window, lead):
        return window
    return Window(max(0, window.start_unix_nano - from_seconds(lead)), window.end_unix_nano)


def _known_before(stored: Stored, window: Window, seconds: float = DAY_SECONDS) -> bool:
    start = max(0, window.start_unix_nano - from_seconds(seconds))
    return bool(stored.store.count_samples(Window(start, window.start_unix_nano), 2 * seconds).sum())


def covered_days(store: TelemetryStore, window: Window) -> float:
    """How much of a window holds telemetry, in days: in steps of ten minutes, each of which counts when it
    holds at least a tenth of what such steps usually hold."""
    steps = store.count_samples(window, _STEP_SECONDS)
    usual = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    full = int(((steps > 0) & (steps >= _LEAST_SHARE * usual)).sum())
    return min(full * _STEP_SECONDS, window.seconds) / DAY_SECONDS


def _pipeline(config: Config, registry: SeriesRegistry, stored: Stored, window: Window) -> Pipeline:
    """A fresh one, with the calendar as it is and what people had said of findings by then."""
    pipeline = Pipeline(config, registry, stored=True)
    pipeline.feedback = book_of(stored_feedback(stored.control, window.start_unix_nano), registry)
    pipeline.book.put(MADE, stored.control.list_entries())
    pipeline.book.put(_FETCHED, stored.entries)
    pipeline.book.decide(stored.control.list_decisions())
    return pipeline


def _report(crew: Crew, stored: Stored, window: Window, replayed: ReplayReport) -> FlightReport:
    said = Said(stored.control, crew.incidents, window)
    plans = flown_plans(crew, said)
    ordered = sorted(stored.runbooks, key=lambda one: one.name)
    report = FlightReport(
        start_unix_nano=window.start_unix_nano,
        end_unix_nano=window.end_unix_nano,
        covered_days=covered_days(stored.store, window),
        samples=replayed.samples,
        log_records=replayed.log_records,
        incidents=len(crew.incidents),
        runbooks=tuple(counted(one, plans.get(one.name, [])) for one in ordered),
        notes=(*ASSUMED, *_unknown(crew, stored, window)),
    )
    return sealed(report)


def _unknown(crew: Crew, stored: Stored, window: Window) -> list[str]:
    """What this past in particular cannot tell."""
    notes = list(crew.missing)
    unknown = sorted(crew.readings.unknown)
    if unknown:
        named = ", ".join(unknown[:_MOST_NAMED])
        rest = f" and {len(unknown) - _MOST_NAMED} more" if len(unknown) > _MOST_NAMED else ""
        notes.append(
            f"Whether {named}{rest} served was not stored all the time; what needs to know it was refused."
        )
    if not _known_before(stored, window):
        notes.append("Nothing is stored of the day before: in its first hours the detectors were learning.")
    return notes
