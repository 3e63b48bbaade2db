"""Backtests in the background: one at a time, bounded, with progress, to be cancelled, results kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import structlog
from pydantic import ValidationError

from stormpetrel.app.backtest_compare import as_json, from_json, with_result
from stormpetrel.app.config import Config
from stormpetrel.app.feedback import book_of, stored_feedback
from stormpetrel.app.jobs import JobQueue, Progress
from stormpetrel.app.replay import ReplayReport, replay_store
from stormpetrel.errors import ConfigError, StormPetrelError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.backtest import Backtest, Tunable
from stormpetrel.model.job import JobState
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
        self._jobs: JobQueue[Backtest] = JobQueue(
            "backtest", lambda one: one.backtest_id, self._run, self._keep, MAX_WAITING
        )
        self._jobs.finished = self._tidy
        self._jobs.recall(from_json(content) for content in control.list_backtests())

    # ------------------------------------------------------------------------------------- asking

    def tunables(self) -> list[Tunable]:
        """What may be changed."""
        return tunables(self._config)

    def jobs(self) -> list[Backtest]:
        """All that are kept, newest first."""
        return self._jobs.all()

    def job(self, backtest_id: str) -> Backtest:
        """One of them; NotFoundError."""
        return self._jobs.one(backtest_id)

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
            state=JobState.QUEUED,
            actor=actor,
            created_unix_nano=now,
            start_unix_nano=window.start_unix_nano,
            end_unix_nano=window.end_unix_nano,
            settings=dict(settings),
            today_settings={name: today[name] for name in settings},
        )
        return self._jobs.submit(job)

    def cancel(self, backtest_id: str) -> Backtest:
        """Stop it at the next step; NotFoundError, StateError when it is over."""
        return self._jobs.cancel(backtest_id)

    def close(self) -> None:
        """Cancel what runs and end; what was queued is failed at the next start."""
        self._jobs.close()

    # ------------------------------------------------------------------------------------- the worker

    def _run(self, job: Backtest, progress: Progress) -> Backtest:
        today = self._replay(job, {}, lambda share: progress(0.5 * share))
        changed = self._replay(job, job.settings, lambda share: progress(0.5 + 0.5 * share))
        return with_result(job, (today, changed), lambda one: self._control.incident(one) is not None)

    def _replay(self, job: Backtest, settings: Mapping[str, float], progress: Progress) -> ReplayReport:
        config = changed_config(self._config, settings)
        wide = self._wide(Window(job.start_unix_nano, job.end_unix_nano))
        book = book_of(stored_feedback(self._control, wide.start_unix_nano), self._registry)
        return replay_store(config, self._store, self._registry, wide, progress, book)

    def _wide(self, window: Window) -> Window:
        """With a day before it, in which the detectors warm up."""
        lead = from_seconds(max(86_400.0, self._config.detect.season_seconds))
        return Window(max(0, window.start_unix_nano - lead), window.end_unix_nano)

    def _tidy(self, oldest_first: list[Backtest]) -> list[str]:
        """Let go of the oldest that are over; their ids."""
        dropped = [one.backtest_id for one in oldest_first if not one.open][:-KEPT]
        try:
            for backtest_id in dropped:
                self._control.delete_backtest(backtest_id)
        except StormPetrelError as error:  # they go with the next one
            log.warning("backtests_not_tidied", error=str(error))
        return dropped

    def _keep(self, job: Backtest) -> None:
        try:
            self._control.save_backtest(job.backtest_id, job.created_unix_nano, as_json(job))
        except StormPetrelError as error:  # it is in memory, and shown, until the process ends
            log.warning("backtest_not_kept", backtest=job.backtest_id, error=str(error))
