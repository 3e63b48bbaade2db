"""The calendar as configured: entries of the configuration, and the stage that uses them."""

from __future__ import annotations

from collections.abc import Callable

import structlog

from stormpetrel.app.config import Config
from stormpetrel.app.config_context import ContextConfig, JobConfig, Scheduled
from stormpetrel.context.book import EntryBook
from stormpetrel.context.slots_state import Arrays
from stormpetrel.context.stage import ContextSettings, ContextStage
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.calendar import CalendarEntry, Cron, EntryKind, Watch

CONFIG = "config"
Recall = Callable[[], Arrays | None]

log = structlog.get_logger(__name__)


def build_book(config: Config) -> EntryBook:
    """A book that holds what the configuration says."""
    book = EntryBook()
    book.put(CONFIG, entries_of(config.context))
    return book


def build_context(
    config: Config, registry: SeriesRegistry, book: EntryBook, learned: Arrays | None = None
) -> ContextStage:
    """The stage as configured, with what was learned before; learnt anew when that does not fit."""
    context = config.context
    stage = ContextStage(
        describe=registry.info,
        known=registry.__len__,
        book=book,
        settings=ContextSettings(
            context.time_zone, context.deploy_seconds, context.learn, context.grace_seconds
        ),
    )
    if learned is not None:
        try:
            stage.restore(learned)
        except ValueError as error:
            log.warning("slots_not_taken", error=str(error))
    return stage


def entries_of(context: ContextConfig) -> list[CalendarEntry]:
    """The jobs and windows of the configuration."""
    jobs = [
        _entry(f"job:{job.name}", EntryKind.EXPECTED_JOB, job, context, train=True, watch=_watch(job))
        for job in context.jobs
    ]
    windows = [
        _entry(f"window:{one.name}", EntryKind(one.kind), one, context, train=one.train)
        for one in context.windows
    ]
    return jobs + windows


def _watch(job: JobConfig) -> Watch | None:
    if not job.heartbeat and not job.series:
        return None
    heartbeat = job.name if job.heartbeat else ""
    return Watch(heartbeat, tuple(job.series), job.late_seconds, job.overlong_seconds)


def _entry(
    entry_id: str,
    kind: EntryKind,
    rule: Scheduled,
    context: ContextConfig,
    *,
    train: bool,
    watch: Watch | None = None,
) -> CalendarEntry:
    zone = rule.time_zone or context.time_zone
    return CalendarEntry(
        entry_id=entry_id,
        kind=kind,
        title=rule.title or rule.name,
        scopes=tuple(rule.scopes),
        recurrence=Cron(rule.cron, zone, rule.duration_seconds),
        source=CONFIG,
        train=train,
        watch=watch,
    )
