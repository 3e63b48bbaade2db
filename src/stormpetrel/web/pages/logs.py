"""Logs: how many of what severity over time, and the records themselves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import Query, Request
from numpy.typing import NDArray
from starlette.responses import Response

from stormpetrel.model.pattern_view import PatternOrder
from stormpetrel.model.query import LogCounts, LogQuery
from stormpetrel.model.signal import LogRecord
from stormpetrel.model.time import Window
from stormpetrel.web.access import guarded_router
from stormpetrel.web.filters import LogFilter
from stormpetrel.web.pages.patterns import spark
from stormpetrel.web.site import Site, SiteOf
from stormpetrel.web.windows import PRESETS, around

router = guarded_router()

_BUCKETS = 60
_SHORT_CHARACTERS = 600
_LONG_CHARACTERS = 20_000
_AROUND_SECONDS = 60.0
_PATTERNS = 8

# What the histogram stacks, from the bottom: word, first and last severity number.
LAYERS: tuple[tuple[str, int, int], ...] = (
    ("error", 17, 24),
    ("warn", 13, 16),
    ("info", 9, 12),
    ("other", 0, 8),
)


@dataclass(frozen=True, slots=True)
class Bar:
    """One rectangle of the histogram, in units of one bucket wide and 100 high, from the top left."""

    layer: str
    x: int
    y: float
    height: float


@router.get("/logs")
def logs_page(request: Request, site: SiteOf, query: Annotated[LogFilter, Query()]) -> Response:
    """The histogram over the whole window, and one page of records."""
    now = site.service.now_unix_nano()
    question = query.log_query(now)
    records = site.service.logs(question)
    counts = site.service.log_counts(question, _BUCKETS)
    context: dict[str, Any] = {
        "filter": query,
        "parameters": query.parameters(),
        "span": query.span(now),
        "presets": PRESETS,
        "records": [(record, _shortened(record), _surroundings(record)) for record in records],
        "older": query.next_before(records),
        "histogram": histogram(counts, question.window),
        "patterns": _remarkable(site, question) if not (query.pattern or query.before) else None,
    }
    return site.page(request, "logs.html", context)


def _remarkable(site: Site, question: LogQuery) -> dict[str, Any]:
    """The patterns that say most about the window: new ones, then those that changed, then the frequent."""
    found = site.service.patterns(question, _PATTERNS, PatternOrder.REMARKABLE)
    return {"rows": [(row, spark(row.counts)) for row in found.rows if row.pattern], "total": found.patterns}


def histogram(counts: LogCounts, window: Window) -> dict[str, Any]:
    """Bars of the log histogram, and the totals a screen reader is told instead.

    Returns:
        `bars`, `columns` (start, end and total of each bucket), `peak` and `totals` by layer.
    """
    layers = [(name, _layer(counts.count, low, high)) for name, low, high in LAYERS]
    total: NDArray[np.int64] = np.sum([column for _, column in layers], axis=0, dtype=np.int64)
    peak = int(total.max(initial=0))
    base = np.zeros(len(total))
    bars: list[Bar] = []
    for name, column in layers:
        heights = column * (100.0 / peak) if peak else np.zeros(len(column))
        for x in np.flatnonzero(column).tolist():
            # A single error among a million lines must still be seen: nothing is thinner than 2 %.
            height = max(float(heights[x]), 2.0)
            bars.append(Bar(name, x, max(100.0 - float(base[x]) - height, 0.0), height))
            base[x] += height
    starts = counts.bucket_unix_nano.tolist()
    ends = [*starts[1:], window.end_unix_nano]
    columns = list(zip(starts, ends, total.tolist(), strict=True))
    totals = [(name, int(column.sum())) for name, column in layers]
    return {"bars": bars, "columns": columns, "peak": peak, "totals": totals, "total": int(total.sum())}


def _layer(count: NDArray[np.int64], low: int, high: int) -> NDArray[np.int64]:
    layer: NDArray[np.int64] = count[:, low : high + 1].sum(axis=1)
    return layer


def _shortened(record: LogRecord) -> dict[str, Any]:
    body = record.body
    return {
        "line": body[:_SHORT_CHARACTERS],
        "cut": len(body) > _SHORT_CHARACTERS,
        "long": body[:_LONG_CHARACTERS],
        "left_out": max(len(body) - _LONG_CHARACTERS, 0),
    }


def _surroundings(record: LogRecord) -> dict[str, Any]:
    start, end = around(record.time_unix_nano, _AROUND_SECONDS)
    return {"from": start, "to": end, "source": record.source, "mark": record.time_unix_nano}
