"""The estate's sources, its quarantine, and what others told it; partly hostile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import numpy as np
from tests.web import content

from stormpetrel.errors import NotFoundError
from stormpetrel.model.access import Caller
from stormpetrel.model.quality import Quality, QualityCount
from stormpetrel.model.query import LogQuery
from stormpetrel.model.records import Alert, AlertState, Change, ChangeKind, ChangeState, Flow
from stormpetrel.model.signal import LogRecord, MetricBatch
from stormpetrel.model.time import Window, from_seconds
from stormpetrel.model.view import (
    QuarantineEntry,
    QuarantinePreview,
    SeriesQuality,
    Snippet,
    SourcePage,
    SourceView,
    TailMessage,
)

MINUTE = from_seconds(60)


class SourceEstate:
    """One part of the `Service` protocol, deterministic."""

    empty = False

    def __init__(self) -> None:
        super().__init__()
        self.released: list[int] = []
        self.dropped: list[int] = []
        self.tailed: list[LogQuery] = []
        self.tail_lingers = False

    def sources(self) -> list[SourceView]:
        if self.empty:
            return []
        troubled = replace(
            content.SOURCES[0],
            quality_ratio=0.913,
            reasons=("7.2 % of samples come twice", f"the field {content.HOSTILE} is missing", "and a third"),
            usual_seconds=15.0,
        )
        return [troubled, *content.SOURCES[1:]]

    def source(self, name: str) -> SourcePage:
        view = next((view for view in self.sources() if view.name == name), None)
        if view is None:
            raise NotFoundError(f"no source called {name} has spoken since the start")
        counts = [
            QualityCount(name, Quality.GOOD, 912_000, content.NOW),
            QualityCount(name, Quality.DUPLICATE, 71_000, content.NOW - MINUTE, content.HOSTILE),
        ]
        worst = [SeriesQuality(content.SERIES[4], 0.41, ("duplicate", "stuck"))]
        return SourcePage(view, counts, [(content.HOSTILE, 12)], 20_991, 250_000, worst)

    def snippets(self) -> list[Snippet]:
        return [
            Snippet("remote_write", "Prometheus", "yaml", "url: {address}/x\nfile: {token_file}", "connect/x")
        ]

    def quarantine(self) -> list[QuarantineEntry]:
        if self.empty:
            return []
        start = content.NOW - 60 * MINUTE
        return [
            QuarantineEntry(
                content.SERIES[4], Quality.RESCALED, 120, start, content.NOW, 1e3, 4e3, releasable=True
            ),
            QuarantineEntry(
                content.SERIES[2], Quality.NOT_FINITE, 3, start, content.NOW, np.nan, np.nan, releasable=False
            ),
        ]

    def quarantine_preview(self, series: int) -> QuarantinePreview:
        entry = next((entry for entry in self.quarantine() if entry.info.series == series), None)
        if entry is None:
            raise NotFoundError(f"nothing of series {series} is kept apart")
        times = entry.first_unix_nano + MINUTE * np.arange(60)
        stored = MetricBatch(np.full(60, series, np.uint32), times - 60 * MINUTE, np.sin(np.arange(60.0)))
        apart = MetricBatch(np.full(60, series, np.uint32), times, 1e308 * np.cos(np.arange(60.0)))
        return QuarantinePreview(entry.info, stored, apart, ("rescaled",), 58, 1.5, 1024.0, 2, 14)

    def release_quarantine(self, series: int, by: Caller) -> int:
        self.released.append(series)
        return 58

    def drop_quarantine(self, series: int, by: Caller) -> int:
        self.dropped.append(series)
        return 60

    def alerts(self, window: Window, limit: int = 200) -> list[Alert]:
        alert = Alert(
            content.NOW, content.NOW - MINUTE, 0, "host:db-1", "am/alertmanager", "f1", content.HOSTILE,
            AlertState.FIRING, 17, "disk is full", "javascript:alert(1)",
        )  # fmt: skip
        return [] if self.empty else [alert]

    def changes(self, window: Window, limit: int = 200) -> list[Change]:
        change = Change(
            content.NOW, "service:checkout", "ci/github", "c1", ChangeKind.DEPLOY, ChangeState.SUCCEEDED,
            content.HOSTILE, "production", "1.4.2", "ada", "javascript:alert(1)",
        )  # fmt: skip
        return [] if self.empty else [change]

    def flows(self, window: Window, limit: int = 200, address: str = "") -> list[Flow]:
        flow = Flow(
            content.NOW,
            content.NOW,
            "host:fw",
            "zeek",
            "10.0.0.1",
            1,
            "10.0.0.2",
            443,
            6,
            10,
            20,
            "SF",
            "tls",
        )
        return [flow] if address in ("", "10.0.0.1", "10.0.0.2") else []

    async def tail(self, query: LogQuery) -> AsyncIterator[TailMessage]:
        self.tailed.append(query)
        record = LogRecord(content.NOW, "host:db-1", "otel", 17, content.HOSTILE)
        yield TailMessage([record], 3)
        while self.tail_lingers:
            await asyncio.sleep(0.02)
