"""From a series to a chart of a report: lines that break where it was silent, the band, the finding."""

from __future__ import annotations

import sys

import numpy as np
from numpy.typing import NDArray

from stormpetrel.model.finding import Finding
from stormpetrel.model.time import NANOS_PER_SECOND, to_iso
from stormpetrel.model.view import SeriesView
from stormpetrel.web.columns import series_columns
from stormpetrel.web.report.document import LONGEST_UNIT, Chart, Figure, Line, cut
from stormpetrel.web.show import quantity, unit_of

Floats = NDArray[np.float64]

_LEAST_POINTS = 2
# The band widens the picture by at most this many times the height of what was observed: what is expected
# of an untaught model can be as wide as the numbers go.
_BAND_STRETCH = 1.0
_LEAST_MARGIN = 1e-300


def figure_of(view: SeriesView, finding: Finding) -> Figure | None:
    """The chart of a finding with its caption; None where fewer than two samples are kept. O(points)."""
    columns = series_columns(view)
    points = columns["points"]
    times, mean = _floats(points["t"]), _floats(points["mean"])
    seen = np.isfinite(mean)
    if int(seen.sum()) < _LEAST_POINTS:
        return None
    band = columns["band"]
    sides = None if band is None else tuple(_floats(band[name]) for name in ("t", "low", "high"))
    least, most = float(mean[seen].min()), float(mean[seen].max())
    bottom, top = _heights(least, most, sides)
    start, end = float(times[0]), float(times[-1])
    span = max(end - start, 1e-9)

    def across(seconds: Floats) -> Floats:
        return np.clip((seconds - start) / span, 0.0, 1.0)

    def up(values: Floats) -> Floats:
        # Halves: the difference of the greatest numbers is no number.
        inside = np.clip(values, bottom, top)
        return np.clip((inside / 2 - bottom / 2) / (top / 2 - bottom / 2), 0.0, 1.0)

    marked = across(np.array([finding.start_unix_nano, finding.end_unix_nano]) / NANOS_PER_SECOND)
    unit = cut(unit_of(view.info), LONGEST_UNIT)
    chart = Chart(
        lines=_lines(across(times), up(mean), seen),
        band=() if sides is None else _outlines(across(sides[0]), up(sides[1]), up(sides[2])),
        marked=(float(marked[0]), float(marked[1])),
        top=quantity(top, unit),
        bottom=quantity(bottom, unit),
        start=_moment(start),
        end=_moment(end),
    )
    return Figure(_caption(view, finding, quantity(least, unit), quantity(most, unit), chart), chart)


def _caption(view: SeriesView, finding: Finding, least: str, most: str, chart: Chart) -> str:
    seen = finding.evidence
    unit = cut(seen.unit or unit_of(view.info), LONGEST_UNIT)
    band = f"{quantity(seen.low, unit)} to {quantity(seen.high, unit)}"
    return (
        f"{cut(finding.title)} on {cut(finding.entity)}: {quantity(seen.observed, unit)} where {band} was"
        f" expected. {cut(view.info.text())} lay between {least} and {most} from {chart.start} to"
        f" {chart.end}."
    )


def _heights(least: float, most: float, sides: tuple[Floats, ...] | None) -> tuple[float, float]:
    """Bottom and top of the picture, never the same."""
    reach = (most - least) * _BAND_STRETCH
    bottom, top = least, most
    if sides is not None:
        low, high = (side[np.isfinite(side)] for side in sides[1:])
        bottom = max(min(least, float(low.min(initial=least))), least - reach)
        top = min(max(most, float(high.max(initial=most))), most + reach)
    if top / 2 > bottom / 2:  # halves of the smallest numbers can be the same
        return bottom, top
    margin = max(abs(top) * 0.1, _LEAST_MARGIN) if top else 1.0
    return max(bottom - margin, -sys.float_info.max), min(top + margin, sys.float_info.max)


def _lines(x: Floats, y: Floats, seen: NDArray[np.bool_]) -> tuple[Line, ...]:
    """The pieces between silences; a lone sample is a piece of one point."""
    edges = np.flatnonzero(np.diff(seen.astype(np.int8), prepend=0, append=0))
    return tuple(_line(x[begin:end], y[begin:end]) for begin, end in edges.reshape(-1, 2))


def _outlines(x: Floats, low: Floats, high: Floats) -> tuple[Line, ...]:
    known = np.isfinite(low) & np.isfinite(high)
    edges = np.flatnonzero(np.diff(known.astype(np.int8), prepend=0, append=0)).reshape(-1, 2)
    return tuple(
        _line(np.concatenate([x[a:b], x[a:b][::-1]]), np.concatenate([high[a:b], low[a:b][::-1]]))
        for a, b in edges
        if b - a > 1
    )


def _line(x: Floats, y: Floats) -> Line:
    return tuple(zip(x.tolist(), y.tolist(), strict=True))


def _floats(column: Floats) -> Floats:
    return np.asarray(column, np.float64)


def _moment(seconds: float) -> str:
    return to_iso(int(seconds * NANOS_PER_SECOND))[:19].replace("T", " ")
