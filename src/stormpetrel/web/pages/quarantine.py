"""*Quarantine*: what was kept apart, what letting it in would change, and letting it in or dropping it."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from fastapi import Form, Query, Request
from numpy.typing import NDArray
from starlette.responses import RedirectResponse, Response

from stormpetrel.errors import NotFoundError
from stormpetrel.model.quality import EXPLANATION
from stormpetrel.model.signal import MetricBatch
from stormpetrel.model.view import QuarantinePreview
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.site import SiteOf, VisitOf

router = guarded_router()

SeriesField = Annotated[int, Form(ge=0, le=(1 << 32) - 1)]
_SHOWN = 200
_WIDTH, _HEIGHT = 800.0, 160.0
_MOST_POINTS = 600


@router.get("/quarantine")
def quarantine_page(
    request: Request, site: SiteOf, series: Annotated[int, Query(ge=-1, lt=1 << 32)] = -1, done: int = -1
) -> Response:
    """All of it by series, and one series in detail when it is chosen."""
    entries = site.service.quarantine()
    preview = None
    if series >= 0:
        try:
            preview = site.service.quarantine_preview(series)
        except NotFoundError:
            preview = None  # released or dropped by somebody else meanwhile: the list says so
    context = {
        "entries": entries[:_SHOWN],
        "left_out": max(0, len(entries) - _SHOWN),
        "samples": sum(entry.samples for entry in entries),
        "preview": preview,
        # Of NaN there is nothing to let in: a button that says so would only delete it.
        "releasable": any(entry.releasable for entry in entries if entry.info.series == series),
        "drawing": drawing(preview) if preview else None,
        "sentences": sentences(preview) if preview else [],
        "chosen": series,
        "done": done,
        "explanation": EXPLANATION,
    }
    return site.page(request, "quarantine.html", context)


@router.post("/quarantine/release")
def release(site: SiteOf, visit: VisitOf, series: SeriesField) -> Response:
    """A person lets a series' quarantine in."""
    caller = known_caller(visit)
    let_in = site.service.release_quarantine(series, caller)
    return RedirectResponse(f"/quarantine?done={let_in}", 303)


@router.post("/quarantine/drop")
def drop(site: SiteOf, visit: VisitOf, series: SeriesField) -> Response:
    """A person deletes a series' quarantine."""
    caller = known_caller(visit)
    site.service.drop_quarantine(series, caller)
    return RedirectResponse("/quarantine?done=0", 303)


def sentences(preview: QuarantinePreview) -> list[str]:
    """What letting it in would change, in words."""
    if not preview.released:
        return ["Nothing of it can be let in: it has no value, or its moments hold other values already."]
    said = [f"{preview.released:,} of {len(preview.apart):,} samples would be stored where nothing is now."]
    before, after = preview.level_before, preview.level_after
    if np.isfinite(before) and np.isfinite(after):
        same = abs(after - before) <= 1e-3 * max(abs(before), 1e-12)
        said.append(
            f"The model would go on expecting about {before:.4g}."
            if same
            else f"The model would expect about {after:.4g} instead of {before:.4g}."
        )
    more = preview.strange_after - preview.strange_before
    if more > 0:
        said.append(f"{more:,} more samples would have been called strange.")
    elif more < 0:
        said.append(f"{-more:,} fewer samples would have been called strange.")
    else:
        said.append("No more and no fewer samples would have been called strange.")
    return said


def drawing(preview: QuarantinePreview) -> dict[str, object]:
    """Points of an SVG of 800 x 160: stored samples as a line, those kept apart as dots."""
    both = MetricBatch.concat([preview.stored, preview.apart])
    finite = np.isfinite(both.value)
    if not finite.any():
        return {"line": "", "dots": []}
    times, values = both.time_unix_nano[finite], both.value[finite]
    low, high = float(values.min()), float(values.max())
    span = (int(times.min()), int(times.max()))
    line = _places(preview.stored, span, low, high)
    return {
        "line": " ".join(f"{x:.1f},{y:.1f}" for x, y in line),
        "dots": [(round(x, 1), round(y, 1)) for x, y in _places(preview.apart, span, low, high)],
        "low": low,
        "high": high,
        "start": span[0],
        "end": span[1],
    }


def _places(batch: MetricBatch, span: tuple[int, int], low: float, high: float) -> list[tuple[float, float]]:
    rows = np.flatnonzero(np.isfinite(batch.value))
    rows = rows[np.argsort(batch.time_unix_nano[rows], kind="stable")]
    rows = rows[:: max(1, -(-len(rows) // _MOST_POINTS))]
    since = (batch.time_unix_nano[rows] - span[0]).astype(np.float64)
    x: NDArray[np.float64] = since * (_WIDTH / max(1, span[1] - span[0]))
    # Divided first: the range of two finite numbers may be infinite.
    share = (batch.value[rows] / 2 - low / 2) / max(high / 2 - low / 2, 1e-300)
    y = _HEIGHT - np.clip(share, 0.0, 1.0) * _HEIGHT
    return list(zip(x.tolist(), y.tolist(), strict=True))
