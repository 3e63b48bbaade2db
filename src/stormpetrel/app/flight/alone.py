"""A flight by a process that has the data directory for itself, as the command line makes it."""

from __future__ import annotations

from collections.abc import Callable

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.actuators import build_actuators
from stormpetrel.app.config import Config
from stormpetrel.app.flight.desk import record, stored_now
from stormpetrel.app.flight.fly import fly
from stormpetrel.app.prepare import Prepare
from stormpetrel.app.runbooks import keep_runbooks
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.flight import FlightReport
from stormpetrel.model.time import Window


def fly_alone(config: Config, window: Window, progress: Callable[[float], None]) -> FlightReport:
    """Fly over what is stored, and let it count for the runbooks' versions.

    Raises:
        StoreLockedError: a running Storm Petrel owns the data directory.
        ConfigError: there is nothing to fly, or too much.
    """
    store = open_store(config.store, config.data_dir)
    try:
        clock = SystemClock()
        url = config.store.control_url or f"sqlite:///{(config.data_dir / 'control.sqlite').resolve()}"
        control = open_control_store(url, config.data_dir.resolve(), clock)
        actuators = build_actuators(config, Prepare(config.redact).text)
        try:
            registry = SeriesRegistry(config.intake.max_series_per_source)
            registry.load(store.all_series())
            keep_runbooks(config, control, clock.now_unix_nano())
            report = fly(config, registry, stored_now(control, store, actuators), window, progress)
            record(control, report)
            return report
        finally:
            for one in actuators.values():
                one.close()
            control.close()
    finally:
        store.close()
