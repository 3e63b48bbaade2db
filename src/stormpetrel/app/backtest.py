"""Backtests in the background: one at a time, bounded, with progress, to be cancelled, results kept."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from time import perf_counter

import structlog
from pydantic import ValidationError

from stormpetrel.app.backtest_compare import as_json, from_json, with_result
from stormpetrel.app.config import Config
from stormpetrel.app.feedback import book_of, stored_feedback
from stormpetrel.app.replay import ReplayReport, replay_store
from stormpetrel.errors import ConfigError, NotFoundError, OverloadedError, StateError, StormPetrelError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.backtest import Backtest, BacktestState, Tunable
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.store import TelemetryStore

log = structlog.get_logger(__name__)

# What a backtest may change, by its name in the configuration.
TUNABLE: tuple[tuple[str, str], ...] = (
    ("detect", "p_open"),
    ("detect", "p_close"),
    ("detect", "false_per_day"),
    ("detect", "hold_samples"),
    ("detect", "close_seconds"),
    ("detect", "refractory_seconds"),
    ("incidents", "window_seconds"),
    ("incidents", "resolve_seconds"),
    ("pages", "per_week"),
)
LONGEST_SECONDS = 31 * 86_400.0
# Samples of the range and the day before it; each is judged twice. At half a million a second: two minutes.
MAX_SAMPLES = 30_000_000
MAX_WAITING = 3
KEPT = 20


class _CancelledError(Exception):
    """A person wants no result any more."""


def tunables(config: Config) -> list[Tunable]:
    """The settings that a backtest may change, as they are now."""
    found = []
    for section, name in TUNABLE:
        part = getattr(config, section)
        meaning = type(part).model_fields[name].description or ""
        value = getattr(part, name)
        found.append(Tunable(f"{section}.{name}", section, meaning, float(value), isinstance(value, int)))
    return found


def changed_config(config: Config, settings: Mapping[str, float]) -> Config:
    """The configuration with some settings changed.

    Raises:
        ConfigError: a name that may not be changed here, or a value that is out of bounds.
    """
    known = {one.name: one for one in tunables(config)}
    tree = config.model_dump()
    for name, value in settings.items():
        if name not in known:
            raise ConfigError(f"a backtest cannot change {name[:60]!r}; it can change {', '.join(known)}")
        section, _, key = name.partition(".")
        tree[section][key] = int(value) if known[name].whole and value == int(value) else value
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{place}: {first['msg']} (got {first['input']!r})") from error


class BacktestDesk:
    """Queues, runs, keeps and cancels backtests. Safe from any thread; one worker thread.

    A backtest replays the stored past twice through fresh pipelines, with the present settings and with
    changed ones, from a day before the range on, so that the detectors are warm in it. Both begin equally
    cold, so what differs is due to the settings; what was really told may differ from both. Opinions weigh
    as they did at the time.
    """

    def __init__(
        self,
        config: Config,
        store: TelemetryStore,
        control: ControlStore,
        registry: SeriesRegistry,
        clock: Clock,
    ) -> None:
        self._config, self._store, self._control = config, store, control
        self._registry, self._clock = registry, clock
        self._lock = threading.Condition()
        self._jobs: dict[str, Backtest] = {}
        self._cancelled: set[str] = set()
        self._closing = False
        self._thread: threading.Thread | None = None
        for content in control.list_backtests():
            job = from_json(content)
            if job.open:
                job = replace(
                    job,
                    state=BacktestState.FAILED,
                    error="the process ended before it was done; run it again",
                )
                control.save_backtest(job.backtest_id, job.created_unix_nano, as_json(job))
            self._jobs[job.backtest_id] = job

    # ------------------------------------------------------------------------------------- asking

    def tunables(self) -> list[Tunable]:
        """What may be changed."""
        return tunables(self._config)

    def jobs(self) -> list[Backtest]:
        """All that are kept, newest first."""
        with self._lock:
            return sorted(self._jobs.values(), key=lambda one: (-one.created_unix_nano, one.backtest_id))

    def job(self, backtest_id: str) -> Backtest:
        """One of them; NotFoundError."""
        with self._lock:
            job = self._jobs.get(backtest_id)
        if job is None:
            raise NotFoundError(f"there is no backtest {backtest_id[:60]}; only the last {KEPT} are kept")
        return job

    def submit(self, window: Window, settings: Mapping[str, float], actor: str) -> Backtest:
        """Queue a backtest.

        Raises:
            ConfigError: settings that cannot be, a range that is too long, or holds too much.
            OverloadedError: too many wait already.
        """
        changed_config(self._config, settings)
        if window.seconds > LONGEST_SECONDS:
            raise ConfigError(
                f"the range is longer than {LONGEST_SECONDS / 86_400:.0f} days; choose a shorter one"
            )
        held = int(self._store.count_samples(self._wide(window), LONGEST_SECONDS * 2).sum())
        if held > MAX_SAMPLES:
            raise ConfigError(
                f"the range and the day before it hold {held:,} samples, a backtest takes {MAX_SAMPLES:,}"
                " at most; choose a shorter one"
            )
        now = self._clock.now_unix_nano()
        today = {one.name: one.value for one in self.tunables()}
        number = hashlib.sha256(f"{now}\0{actor}\0{sorted(settings.items())}".encode()).hexdigest()[:16]
        job = Backtest(
            backtest_id=f"b{number}",
            state=BacktestState.QUEUED,
            actor=actor,
            created_unix_nano=now,
            start_unix_nano=window.start_unix_nano,
            end_unix_nano=window.end_unix_nano,
            settings=dict(settings),
            today_settings={name: today[name] for name in settings},
        )
        with self._lock:
            if sum(one.open for one in self._jobs.values()) > MAX_WAITING:
                raise OverloadedError(f"{MAX_WAITING} backtests wait already; cancel one, or come back later")
            self._jobs[job.backtest_id] = job
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="backtest", daemon=True)
                self._thread.start()
            self._lock.notify_all()
        self._keep(job)
        return job

    def cancel(self, backtest_id: str) -> Backtest:
        """Stop it at the next step; NotFoundError, StateError when it is over."""
        job = self.job(backtest_id)
        if not job.open:
            raise StateError(f"the backtest {backtest_id} is {job.state} and cannot be cancelled")
        with self._lock:
            self._cancelled.add(backtest_id)
            if self._jobs[backtest_id].state is BacktestState.QUEUED:
                job = self._jobs[backtest_id] = replace(job, state=BacktestState.CANCELLED)
        if not job.open:
            self._keep(job)
        return job

    def close(self) -> None:
        """Cancel what runs and end; what was queued is failed at the next start."""
        with self._lock:
            self._closing = True
            self._lock.notify_all()
        if self._thread is not None:
            self._thread.join(30)

    # ------------------------------------------------------------------------------------- the worker

    def _work(self) -> None:
        while (job := self._next()) is not None:
            begun = perf_counter()
            try:
                reports = (self._replay(job, {}, 0.0), self._replay(job, job.settings, 0.5))
                done = with_result(job, reports, lambda one: self._control.incident(one) is not None)
            except _CancelledError:
                done = replace(self.job(job.backtest_id), state=BacktestState.CANCELLED)
            except StormPetrelError as error:
                done = replace(job, state=BacktestState.FAILED, error=str(error)[:500])
            # A defect in a detector must not end the only worker; the job says so.
            except Exception as error:  # logged, shown with the job
                log.exception("backtest_failed", backtest=job.backtest_id)
                done = replace(
                    job, state=BacktestState.FAILED, error=f"{type(error).__name__}: {error}"[:500]
                )
            self._finish(replace(done, seconds=perf_counter() - begun))

    def _next(self) -> Backtest | None:
        """The oldest that waits, now running; None when this ends."""
        with self._lock:
            while not self._closing:
                waiting = [one for one in self._jobs.values() if one.state is BacktestState.QUEUED]
                if waiting:
                    oldest = min(waiting, key=lambda one: (one.created_unix_nano, one.backtest_id))
                    running = replace(oldest, state=BacktestState.RUNNING)
                    self._jobs[running.backtest_id] = running
                    return running
                self._lock.wait(5.0)
            return None

    def _replay(self, job: Backtest, settings: Mapping[str, float], base: float) -> ReplayReport:
        config = changed_config(self._config, settings)
        wide = self._wide(Window(job.start_unix_nano, job.end_unix_nano))
        book = book_of(stored_feedback(self._control, wide.start_unix_nano), self._registry)
        return replay_store(config, self._store, self._registry, wide, self._progress(job, base), book)

    def _progress(self, job: Backtest, base: float) -> Callable[[float], None]:
        def tell(share: float) -> None:
            with self._lock:
                if self._closing or job.backtest_id in self._cancelled:
                    raise _CancelledError
                self._jobs[job.backtest_id] = replace(
                    self._jobs[job.backtest_id], progress_ratio=min(base + 0.5 * share, 1.0)
                )

        return tell

    def _wide(self, window: Window) -> Window:
        """With a day before it, in which the detectors warm up."""
        lead = from_seconds(max(86_400.0, self._config.detect.season_seconds))
        return Window(max(0, window.start_unix_nano - lead), window.end_unix_nano)

    def _finish(self, job: Backtest) -> None:
        with self._lock:
            self._jobs[job.backtest_id] = job
            self._cancelled.discard(job.backtest_id)
            over = [one for one in self._jobs.values() if not one.open]
            over.sort(key=lambda one: one.created_unix_nano)
            dropped = [one.backtest_id for one in over[: max(0, len(over) - KEPT)]]
            for backtest_id in dropped:
                del self._jobs[backtest_id]
        self._keep(job)
        for backtest_id in dropped:
            self._control.delete_backtest(backtest_id)

    def _keep(self, job: Backtest) -> None:
        try:
            self._control.save_backtest(job.backtest_id, job.created_unix_nano, as_json(job))
        except StormPetrelError as error:  # it is in memory, and shown, until the process ends
            log.warning("backtest_not_kept", backtest=job.backtest_id, error=str(error))
