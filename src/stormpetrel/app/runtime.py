"""The runtime: puts the parts together, starts and stops them in order."""

from __future__ import annotations

import socket
import threading
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import structlog

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.sources.targets import TargetSource
from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.adapters.store.inprocess import DirectoryLock
from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.ahead import CompileAhead
from stormpetrel.app.automation_build import Surroundings, build_automation
from stormpetrel.app.backup.desk import SnapshotDesk
from stormpetrel.app.backup.make import control_file, outside_files
from stormpetrel.app.backup.snapshot import ADDRESS, TOKEN_FILE, Owned
from stormpetrel.app.backup_reports import BackupReportDesk
from stormpetrel.app.bonds import BondDesk
from stormpetrel.app.calendar import CalendarDesk
from stormpetrel.app.config import Config
from stormpetrel.app.derive import Deriver, Told
from stormpetrel.app.desks import build_desks
from stormpetrel.app.flight.desk import FlightDesk
from stormpetrel.app.inserts import Stored
from stormpetrel.app.intake_queue import IntakeQueue
from stormpetrel.app.judge import Judge
from stormpetrel.app.keeper import OutcomeKeeper
from stormpetrel.app.live import LiveHub
from stormpetrel.app.notify.desk import NotifyDesk
from stormpetrel.app.parts import Parts
from stormpetrel.app.pattern_file import PatternFile
from stormpetrel.app.people import People
from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.app.prepare import Prepare
from stormpetrel.app.quarantine import QuarantineDesk
from stormpetrel.app.recover import recover
from stormpetrel.app.registry import DECODERS, load_all
from stormpetrel.app.selfmon import Observed, OwnMetrics
from stormpetrel.app.slos import SloKeeper, counts_log_levels
from stormpetrel.app.source_health import SourceHealth
from stormpetrel.app.source_memory import SourceMemory
from stormpetrel.app.sources import build_receivers, build_sources
from stormpetrel.app.spill import Spill
from stormpetrel.app.tail import LogTail
from stormpetrel.app.tally import SourceTally
from stormpetrel.app.usecases import LiveService
from stormpetrel.app.warm_up import warm_up
from stormpetrel.app.watched import WatchedVariables
from stormpetrel.app.writer import StoreWriter
from stormpetrel.errors import ConfigError, StoreError, StormPetrelError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.access import Caller, Role, Scope
from stormpetrel.model.signal import AdmittedMetrics, LogBatch
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.decode import Decoder
from stormpetrel.ports.source import Source
from stormpetrel.ports.store import TelemetryStore

log = structlog.get_logger(__name__)

INGEST_TOKEN_FILE = "ingest.token"  # noqa: S105 - a file name
READ_TOKEN_FILE = "read.token"  # noqa: S105 - a file name
_HOUR = from_seconds(3600)
# Between a source's failure and its next run; doubles each time.
_SOURCE_PAUSE_SECONDS = 2.0
_LONGEST_SOURCE_PAUSE_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Announcement:
    """What a person needs to know after a start."""

    url: str
    setup_url: str | None
    data_dir: Path
    ingest_token_file: Path
    sources: tuple[str, ...]


def _make_directory(data_dir: Path) -> None:
    try:
        data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            f"the data directory {data_dir} cannot be made: {error.strerror}; name another with --data-dir"
        ) from error


def _write_private(path: Path, text: str) -> None:
    """A new file of one line, for its owner only."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text + "\n", encoding="ascii")


class Runtime:
    """One running Storm Petrel, without its web server. `start` then `stop`, once each.

    Start order: control store, telemetry store (takes the lock of the data directory), what is known
    (series, newest samples, request tokens), writer, judge, sources. Stop is the reverse: nothing new
    comes in, what waits is stored and judged, then the stores close.
    """

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self.config = config
        self.clock = clock or SystemClock()
        self.instance = config.instance or socket.gethostname()
        self._stop_sources = threading.Event()
        self._threads: list[threading.Thread] = []
        _make_directory(config.data_dir)
        with ExitStack() as undo:
            # A remote store locks nothing here, and the spill is one process's own.
            self._spill_lock = DirectoryLock(config.data_dir / "spill")
            undo.callback(self._spill_lock.release)
            self._store = open_store(config.store, config.data_dir)
            undo.callback(self._store.close)
            self._control = open_control_store(
                config.store.control_url or f"sqlite:///{(config.data_dir / 'control.sqlite').resolve()}",
                config.data_dir.resolve(),
                self.clock,
            )
            self._assemble()
            undo.pop_all()

    def _assemble(self) -> None:
        config, clock, now = self.config, self.clock, self.clock.now_unix_nano()
        spill = self._recall(now)
        self._health = SourceHealth(self.registry)
        self._prepare = Prepare(config.redact)
        self._tally = SourceTally(self._health, self._prepare.text)
        self._watched = WatchedVariables(self._control)
        self._source_memory = SourceMemory(self._tally, self._control)
        self._hub, self._log_tail = LiveHub(), LogTail()
        self._keeper = OutcomeKeeper(self._store, self._control, self._hub)
        self._slo_keeper = SloKeeper(self._control)
        self._judge = Judge(self.pipeline, clock, self._keep, self._warm_up, self._keeper.keep_step)
        self._calendar = CalendarDesk(config, self._control, self.pipeline, self._judge, clock)
        self._desks = build_desks(config, self._store, self._control, self.pipeline, clock, self._judge)
        self._judge.after_tick = self._after_tick
        self._keeper.noticed = self._desks.similar.noticed
        self.writer = StoreWriter(self.pipeline, self._store, clock, self._tally, self._stored, self._prepare)
        self._deriver = Deriver(config.derive, self.registry, clock, self.writer, self._tally, self._told())
        self._set_bounds(self.writer.queue)
        # The engine in this process shares its disk with the spill: no room there is none here.
        self.writer.spill_to(spill, when_full=bool(config.store.url))
        self.access = People(self._control, clock)
        self._automation = build_automation(config, self._control, self._around(), clock)
        actuators = self._automation.inventory.actuators
        self._flights = FlightDesk(config, self._store, self._control, self.pipeline, actuators, clock)
        self._notices = NotifyDesk(config, self._control, self.access, clock, self._automation.expires)
        decoders = self._load_decoders()
        self._own_metrics = OwnMetrics(self._observed())
        self._own_metrics.also(self._notices)
        self.service = LiveService(
            Parts(
                config, clock, self._store, self._control, self.pipeline, self.writer, self._judge,
                self._tally, self._health, self._hub, self._log_tail,
                QuarantineDesk(config, self._store, self.pipeline, clock),
                self._calendar, self.access, decoders, self._own_metrics, now, self._desks, self._watched,
                BondDesk(self._control, self.pipeline, self._judge, clock, self._keeper.keep_steps),
                self._automation, *self._backup_desks(), self._flights, self._notices,
            )
        )  # fmt: skip
        self._sources = self._build_sources(decoders)

    def _observed(self) -> Observed:
        """What is told of this process itself."""
        return Observed(
            self.writer, self._judge, self.pipeline, self._tally, self._control, self.clock.now_unix_nano,
            self._prepare, self._deriver,
        )  # fmt: skip

    def _around(self) -> Surroundings:
        """What automation looks at."""
        return Surroundings(
            self.pipeline,
            self._store,
            self._judge.within,
            self._desks.diagnose,
            self._well,
            self._prepare.text,
            self._judge.move,
            self._judge.note,
            lambda: not self._calendar.unread(),
        )

    def _well(self) -> bool:
        """Whether what comes in is stored and judged as it should be."""
        return self._judge.warm.is_set() and not (self.writer.trouble() or self._judge.trouble())

    def _backup_desks(self) -> tuple[SnapshotDesk, BackupReportDesk]:
        """Of this installation's own backups, and of what tools report of others."""
        config, local = self.config, not self.config.store.url
        owned = Owned(
            config.data_dir, self.instance, control_file(config), self._store.freeze if local else None,
            self._store.schema() if local else 0, outside_files(config),
        )  # fmt: skip
        self._snapshots = SnapshotDesk(
            owned, self.clock, lambda ask: self._judge.within(lambda: self.writer.within(ask))
        )
        self._backups = BackupReportDesk(
            self._control, self.pipeline.backup_book, self.clock, self._tally, self._prepare.text
        )
        return self._snapshots, self._backups

    def _recall(self, now: int) -> Spill:
        """The registry and a pipeline with what store and spill know of series and their newest samples."""
        config = self.config
        self.registry = SeriesRegistry(config.intake.max_series_per_source)
        self.pipeline = Pipeline(config, self.registry)
        self.pipeline.gate.resume(self._store.last_samples(now - from_seconds(config.intake.late_seconds)))
        spill = Spill(config.data_dir / "spill", config.intake.spill_bytes)
        series, self._spilled_tokens = recover(spill, list(self._store.all_series()), self.pipeline.gate)
        self.registry.load(series)
        self._warm_window = Window(now - from_seconds(config.detect.warm_start_hours * 3600), now)
        return spill

    def _told(self) -> Told:
        """What the deriver is told of patterns; they are kept beside the models."""
        self._pattern_file = PatternFile(
            self.config.data_dir / "models" / "patterns.json.gz", 60.0 * self.config.detect.snapshot_minutes
        )
        patterns = self.pipeline.patterns
        return Told(patterns.find, patterns.values, self._watched, counts_log_levels(self.config))

    def _load_decoders(self) -> dict[str, Decoder]:
        limit = self.config.server.max_unpacked_bytes
        makers = load_all(DECODERS)
        self._ahead = CompileAhead(makers)
        return {name: make(self.registry, limit) for name, make in makers.items()}

    def _build_sources(self, decoders: dict[str, Decoder]) -> list[tuple[str, Source]]:
        own = build_sources(
            self.config, self.instance, self.registry, self.clock, self._control, self._own_metrics.text
        )
        if self._automation.enabled:
            inventory, seconds = self._automation.inventory, self.config.automation.read_seconds
            own.append(("actuator", TargetSource(inventory, self.registry, self.clock, seconds)))
        return own + build_receivers(self.config, decoders, self.access.caller_of_token, self.clock)

    def _set_bounds(self, queue: IntakeQueue) -> None:
        intake = self.config.intake
        queue.capacity_rows = intake.queue_rows
        queue.source_share = intake.source_share
        queue.batch_rows = intake.batch_rows
        queue.batch_seconds = intake.batch_seconds

    @property
    def store(self) -> TelemetryStore:
        """The telemetry store."""
        return self._store

    @property
    def control(self) -> ControlStore:
        """The control store."""
        return self._control

    def start(self) -> None:
        """Start writer, judge and sources."""
        now = self.clock.now_unix_nano()
        self._pattern_file.restore(self.pipeline.patterns, now)
        self._source_memory.recall(now)
        stored = self._store.recent_tokens(now - _HOUR)
        self.writer.start(np.concatenate([stored, self._spilled_tokens]))
        self._judge.start()
        self._deriver.start()
        self._ahead.start()
        self._calendar.start()
        self._automation.start()
        self._notices.start()
        for kind, source in self._sources:
            self._tally.expect(source.name, kind)
            thread = threading.Thread(
                target=self._run_source, args=(source,), name=f"source-{source.name}", daemon=True
            )
            self._threads.append(thread)
            thread.start()

    def stop(self) -> None:
        """Stop everything in order; whatever was acknowledged is stored."""
        self._automation.stop()
        self._stop_sources.set()
        self._ahead.ask_to_stop()
        for thread in self._threads:
            thread.join(timeout=5)
        self._ahead.join()
        self._desks.backtests.close()
        self._flights.close()
        self._deriver.stop()
        self.writer.stop()
        self._judge.stop()
        self._notices.stop()
        self._slo_keeper.keep_at_end(self.pipeline.slos)
        self._calendar.stop()
        if self._judge.warm.is_set():  # else a good snapshot would be replaced by a cold one
            self._desks.models.close(self.pipeline, self.clock.now_unix_nano())
        self._pattern_file.close(self.pipeline.patterns, self.clock.now_unix_nano())
        self._source_memory.keep()
        self._desks.similar.close(self.clock.now_unix_nano())
        self._control.close()
        self._store.close()
        self._spill_lock.release()

    def announcement(self, url: str) -> Announcement:
        """Make the one-time set-up link (while nobody has an account) and the tokens for this host."""
        base = self._notices.writer.base = self.config.server.public_url.rstrip("/") or url
        setup = None
        if self.access.setup_needed():
            setup = f"{base}/set-up?secret={self.access.new_setup_secret()}"
        watched = tuple(view.name for view in self._tally.views(self.clock.now_unix_nano()))
        ingest = self._local_token(INGEST_TOKEN_FILE, Scope.INGEST)
        self._local_token(READ_TOKEN_FILE, Scope.READ)
        self._local_token(TOKEN_FILE, Scope.BACKUP)
        _write_private(self.config.data_dir.resolve() / ADDRESS, url)
        return Announcement(base, setup, self.config.data_dir.resolve(), ingest, watched)

    def _local_token(self, name: str, scope: Scope) -> Path:
        """A file with a token for programs on this host; made at the first start, one file a scope."""
        path = self.config.data_dir.resolve() / name
        if path.exists() and self.access.caller_of_token(path.read_text(encoding="ascii").strip()):
            return path
        _, secret = self.access.add_token(
            "local" if scope is Scope.INGEST else f"local-{scope}",
            frozenset({scope}),
            Caller("petrel", Role.ADMIN),
        )
        _write_private(path, secret)
        return path

    # ------------------------------------------------------------------------------------- threads

    def _stored(self, stored: Stored) -> None:
        """What was stored goes to whoever looks, to the deriver, and to the judge."""
        if not isinstance(stored, AdmittedMetrics):
            self._health.see(stored, self.clock.now_unix_nano())
        self._deriver.put(stored)
        self._judge.put(stored)
        if isinstance(stored, LogBatch):
            self._log_tail.offer(stored)

    def _after_tick(self, tick: int) -> None:
        self._desks.models.tick(self.pipeline, tick)
        self._pattern_file.tick(self.pipeline.patterns, tick)
        self._source_memory.tick(tick)
        self._snapshots.sweep()
        self._desks.similar.tick(tick)

    def _run_source(self, source: Source) -> None:
        pause = _SOURCE_PAUSE_SECONDS
        while not self._stop_sources.is_set():
            try:
                source.run(self.writer, self._stop_sources)
                return
            # Its position could not be put down (a full disk), or a defect: it is shown as failing on the
            # page, and goes on from where it was. The other sources must not hear of it.
            except Exception as error:  # logged, shown as failing, started again
                log.exception("source_failed", source=source.name)
                reason = error.reason if isinstance(error, StormPetrelError) else "source_failed"
                self.writer.rejected(source.name, reason, 1, f"{type(error).__name__}: {error}")
            self._stop_sources.wait(pause)
            pause = min(2 * pause, _LONGEST_SOURCE_PAUSE_SECONDS)

    def _keep(self, outcome: Outcome) -> None:
        self._notices.told(outcome.incidents)  # also when the store refuses them just now
        self._keeper.keep(outcome)
        self._slo_keeper.keep(self.pipeline.slos, self.clock.now_unix_nano())

    def _warm_up(self) -> None:
        self._pattern_file.catch_up(self.pipeline.patterns, self._store)
        self.pipeline.forget()  # what a try before this one learnt
        self._backups.recall()
        self._slo_keeper.restore(self.pipeline.slos)
        outcome = warm_up(
            self.config, self.pipeline, self._desks.models, self._store, self._control, self._warm_window
        )
        try:
            self._keeper.keep(outcome)
        except StoreError as error:  # it waits, and is stored with a later step; the warm start is done
            log.warning("outcome_not_stored", reason=error.reason, error=str(error))


def allowed_hosts(config: Config) -> frozenset[str]:
    """Host names under which requests are answered: a page of a stranger cannot rebind its name to us."""
    names = {"localhost", "127.0.0.1", "[::1]", "::1", config.server.host}
    if config.server.public_url:
        names.add(urlsplit(config.server.public_url).hostname or "")
    if config.server.host in ("0.0.0.0", "::"):  # noqa: S104 - compared, not bound
        names.update({socket.gethostname(), socket.getfqdn()})
    return frozenset(names - {""})
