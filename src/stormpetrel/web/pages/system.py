"""*Data quality* and *About this system*: what we refused, and how we are ourselves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from fastapi import Request
from starlette.responses import Response

from stormpetrel.model.quality import CORRECTED, DROPPED, EXPLANATION, KEPT, Quality
from stormpetrel.model.signal import SeriesInfo
from stormpetrel.model.time import to_seconds
from stormpetrel.web.access import guarded_router
from stormpetrel.web.site import SiteOf

router = guarded_router()

Kept = tuple[str, SeriesInfo, int, float]


def _fate(verdict: Quality) -> str:
    if verdict in KEPT:
        return "accepted"
    if verdict in CORRECTED:
        return "placed"
    return "dropped" if verdict in DROPPED else "kept apart"


def _by_series(kept: Sequence[Kept]) -> list[tuple[Kept, int]]:
    """The newest of each series and verdict with how many there are; thousands of one kind are one row."""
    counts = Counter((sample[0], sample[1].series) for sample in kept)
    newest: dict[tuple[str, int], Kept] = {}
    for sample in kept:
        newest.setdefault((sample[0], sample[1].series), sample)
    return [(sample, counts[key]) for key, sample in newest.items()]


@router.get("/quality")
def quality_page(request: Request, site: SiteOf) -> Response:
    """Counts by source and verdict, refusals of decoders, and the last samples kept apart."""
    view = site.service.quality()
    remarks = [count for count in view.counts if count.verdict is not Quality.GOOD]
    context = {
        "view": view,
        "kept_apart": sum(count.count for count in remarks if _fate(count.verdict) == "kept apart"),
        "kept": _by_series(view.quarantined),
        "good": sum(count.count for count in view.counts if count.verdict is Quality.GOOD),
        "remarks": sorted(remarks, key=lambda c: -c.last_unix_nano),
        "explanation": EXPLANATION,
        "fate": _fate,
    }
    return site.page(request, "quality.html", context)


@router.get("/about")
def about_page(request: Request, site: SiteOf) -> Response:
    """Versions, throughput, lag, drops, sizes and models of this system."""
    view = site.service.about()
    now = site.service.now_unix_nano()
    up = max(to_seconds(now - view.started_unix_nano), 1.0)
    context = {
        "view": view,
        "up_seconds": up,
        "cpu_ratio": view.cpu_seconds / up,
        "models": site.service.model_state(),
        "untold": site.service.notify_trouble(),
    }
    return site.page(request, "about.html", context)
