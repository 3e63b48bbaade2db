"""The use-cases of sources: how good each is, what is kept apart of it, and what others told us."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator

from stormpetrel.app import access as rules
from stormpetrel.app.parts import Parts
from stormpetrel.app.snippets import SNIPPETS
from stormpetrel.errors import NotFoundError
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.query import LogQuery
from stormpetrel.model.records import Alert, Change, Flow
from stormpetrel.model.time import Window
from stormpetrel.model.view import (
    QuarantineEntry,
    QuarantinePreview,
    SeriesQuality,
    Snippet,
    SourcePage,
    SourceView,
    TailMessage,
)

_WORST = 20


class SourceUseCases:
    """One part of `app.service.Service`; methods are documented there."""

    def __init__(self, parts: Parts) -> None:
        self._is = parts

    def sources(self) -> list[SourceView]:
        """Every source with its quality."""
        now = self._is.clock.now_unix_nano()
        return [self._with_quality(view, now) for view in self._is.tally.views(now)]

    def _with_quality(self, view: SourceView, now: int) -> SourceView:
        report = self._is.health.report(view, now)
        return dataclasses.replace(view, quality_ratio=report.quality_ratio, reasons=report.reasons)

    def source(self, name: str) -> SourcePage:
        """One source, whole."""
        now = self._is.clock.now_unix_nano()
        view = next((view for view in self._is.tally.views(now) if view.name == name), None)
        if view is None:
            raise NotFoundError(f"no source called {name[:100]} has spoken since the start")
        registry, trouble = self._is.pipeline.registry, self._is.pipeline.gate.trouble
        worst = [
            SeriesQuality(
                registry.info(series),
                trouble.quality(series),
                tuple(verdict.name.lower() for verdict in trouble.seen(series)),
            )
            for series in trouble.worst(10 * _WORST)
            if series < len(registry) and registry.info(series).source == name
        ]
        return SourcePage(
            view=self._with_quality(view, now),
            verdicts=[count for count in self._is.tally.quality_counts() if count.source == name],
            rejected=[
                (reason, rows) for source, reason, rows in self._is.tally.rejections() if source == name
            ],
            series_total=registry.by_source().get(name, 0),
            series_limit=registry.max_series_per_source,
            worst=worst[:_WORST],
        )

    def snippets(self) -> list[Snippet]:
        """How to connect each kind of sender."""
        return list(SNIPPETS)

    def quarantine(self) -> list[QuarantineEntry]:
        """What is kept apart, by series and verdict."""
        return self._is.desk.entries()

    def quarantine_preview(self, series: int) -> QuarantinePreview:
        """What letting a series in would change."""
        return self._is.desk.preview(series)

    def release_quarantine(self, series: int, by: Caller) -> int:
        """A responder lets a series' quarantine in."""
        rules.require(by, Role.RESPONDER)
        self._known(series)
        return self._is.desk.release(series)

    def drop_quarantine(self, series: int, by: Caller) -> int:
        """A responder deletes a series' quarantine."""
        rules.require(by, Role.RESPONDER)
        self._known(series)
        return self._is.desk.drop(series)

    def _known(self, series: int) -> None:
        if not 0 <= series < len(self._is.pipeline.registry):
            raise NotFoundError(f"there is no series {series}; search for it by name")

    def alerts(self, window: Window, limit: int = 200) -> list[Alert]:
        """Alerts of other systems."""
        return self._is.store.read_alerts(window, limit)

    def changes(self, window: Window, limit: int = 200) -> list[Change]:
        """Deploys and other changes."""
        return self._is.store.read_changes(window, limit)

    def flows(self, window: Window, limit: int = 200, address: str = "") -> list[Flow]:
        """Network flows."""
        return self._is.store.read_flows(window, limit, address)

    def tail(self, query: LogQuery) -> AsyncIterator[TailMessage]:
        """Log records as they are stored."""
        return self._is.log_tail.subscribe(query)
