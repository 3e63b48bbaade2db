"""A series as columns of JSON: what charts draw, with silence as null and never as a straight line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from starlette.responses import Response

from stormpetrel.model.finding import Finding, FindingState
from stormpetrel.model.page import Page
from stormpetrel.model.signal import SeriesPoints
from stormpetrel.model.time import NANOS_PER_SECOND
from stormpetrel.model.view import SeriesView
from stormpetrel.web.show import p_text, severity_word, unit_of, visible

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS

# A step this many times the usual one is silence: the line breaks there.
_GAP_STEPS = 5.0


def json_response(payload: object, status: int = 200) -> Response:
    """JSON of dataclasses, NumPy arrays (NaN becomes null), enums and sets."""
    body = orjson.dumps(payload, default=_plain, option=_OPTIONS)
    return Response(body, status, {"Cache-Control": "no-store"}, media_type="application/json")


def _plain(value: object) -> object:
    if isinstance(value, (frozenset, set)):
        return sorted(value)
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"no JSON for {type(value).__name__}")


def series_columns(view: SeriesView) -> dict[str, Any]:
    """Everything a chart of one series needs.

    Returns:
        `series`, `name`, `unit`, `step_seconds`, `samples`; `points` with columns `t` (Unix seconds),
        `mean`, `low`, `high`; `band` with `t`, `expected`, `low`, `high`, `p_value`, or null; `findings`.
        A null between two points says that the series was silent there. O(points).
    """
    info = view.info
    times = view.points.time_unix_nano
    newest = int(times[-1]) if len(times) else 0
    return {
        "series": info.series,
        "name": visible(info.text()),
        "unit": unit_of(info),
        "kind": info.kind.value,
        "step_seconds": view.points.step_seconds,
        "samples": view.points.samples,
        "points": _points(view.points),
        "band": _band(view),
        "findings": [mark_of(finding, newest) for finding in view.findings],
    }


def mark_of(finding: Finding, newest_unix_nano: int) -> dict[str, Any]:
    """A finding as a chart marks it: one that is open lasts up to the newest point."""
    open_until = newest_unix_nano if finding.state is FindingState.OPEN else 0
    return {
        "id": finding.finding_id,
        "title": visible(finding.title),
        "severity": severity_word(finding.severity),
        # A rule that holds or does not has no odds: "about 1 in 1" would say nothing.
        "odds": p_text(finding.evidence.p_value) if finding.evidence.p_value < 1 else "",
        "start": finding.start_unix_nano / NANOS_PER_SECOND,
        "end": max(finding.end_unix_nano, open_until) / NANOS_PER_SECOND,
        "state": finding.state.value,
    }


def _points(points: SeriesPoints) -> dict[str, Any]:
    columns = _with_gaps(points.time_unix_nano, (points.mean, points.low, points.high))
    return dict(zip(("t", "mean", "low", "high"), columns, strict=True))


def _band(view: SeriesView) -> dict[str, Any] | None:
    band = view.band
    if band is None:
        return None
    columns = _with_gaps(band.time_unix_nano, (band.expected, band.low, band.high, band.p_value))
    return dict(zip(("t", "expected", "low", "high", "p_value"), columns, strict=True))


def _with_gaps(
    time_unix_nano: NDArray[np.int64], columns: tuple[NDArray[np.float64], ...]
) -> list[NDArray[np.float64]]:
    """The columns, times as seconds, with a NaN row inside every silence."""
    seconds = time_unix_nano / NANOS_PER_SECOND
    if len(seconds) < 3:
        return [seconds, *(np.ascontiguousarray(column, np.float64) for column in columns)]
    steps = np.diff(seconds)
    silent = np.flatnonzero(steps > _GAP_STEPS * np.median(steps))
    middles = (seconds[silent] + seconds[silent + 1]) / 2
    return [
        np.insert(seconds, silent + 1, middles),
        *(np.insert(np.asarray(column, np.float64), silent + 1, np.nan) for column in columns),
    ]


def finding_json(finding: Finding) -> dict[str, Any]:
    """A finding with its evidence, severity as a word."""
    return {**fields_of(finding), "severity": severity_word(finding.severity)}


def page_json(page: Page | None) -> dict[str, Any] | None:
    """A page decision, its tier as a word; None while nothing is decided."""
    return None if page is None else {**fields_of(page), "tier": severity_word(page.tier)}


def fields_of(value: object) -> dict[str, Any]:
    """The fields of a dataclass by name, not copied; what they hold is written as JSON later."""
    if not is_dataclass(value):
        raise TypeError(f"{type(value).__name__} is no dataclass")
    return {field.name: getattr(value, field.name) for field in fields(value)}
