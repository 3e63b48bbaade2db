"""The API of backups: how entities stand by them, and snapshots of this system's own data.

Snapshots are for `petrel backup` on the same host: their id is answered, never what is in them.
"""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query
from starlette.responses import Response

from stormpetrel.model.backup import BackupReport, BackupView
from stormpetrel.model.time import to_seconds
from stormpetrel.web.access import guarded_router, known_caller
from stormpetrel.web.columns import fields_of, json_response
from stormpetrel.web.site import SiteOf, VisitOf

router = guarded_router()


@router.get("/api/v1/backups")
def backups(site: SiteOf) -> Response:
    """Every entity that reports came of: its newest backup, newest good one, newest restored one."""
    now = site.service.now_unix_nano()
    return json_response({"backups": [view_json(view, now) for view in site.service.backups()]})


@router.get("/api/v1/backups/reports")
def backup_reports(
    site: SiteOf,
    entity: Annotated[str, Query(max_length=256)],
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> Response:
    """What was reported of one entity, the last to finish first."""
    found = site.service.backup_reports(entity, limit)
    return json_response({"reports": [fields_of(one) for one in found]})


def view_json(view: BackupView, now_unix_nano: int) -> dict[str, Any]:
    """An entity's standing with ages in seconds; null where there is nothing."""
    standing = view.standing

    def report(one: BackupReport | None) -> dict[str, Any] | None:
        return None if one is None else fields_of(one)

    def seconds(nanos: int | None) -> float | None:
        return None if nanos is None else to_seconds(nanos)

    return {
        "entity": standing.entity,
        "state": view.state(now_unix_nano),
        "objective_seconds": to_seconds(view.objective_nanos) if view.objective_nanos else None,
        "good_age_seconds": seconds(standing.good_age_nanos(now_unix_nano)),
        "verified_age_seconds": seconds(standing.verified_age_nanos(now_unix_nano)),
        "newest": report(standing.newest),
        "good": report(standing.good),
        "verified": report(standing.verified),
        "test": report(standing.test),
    }


@router.post("/api/v1/snapshots")
def take_snapshot(site: SiteOf, visit: VisitOf) -> Response:
    """Hold a moment of everything still, in the data directory; its id. Needs a token of scope backup."""
    return json_response({"snapshot": site.service.take_snapshot(known_caller(visit))}, 201)


@router.delete("/api/v1/snapshots/{snapshot_id}")
def release_snapshot(site: SiteOf, visit: VisitOf, snapshot_id: str) -> Response:
    """Let go of a moment that was read."""
    site.service.release_snapshot(snapshot_id, known_caller(visit))
    return json_response({"released": snapshot_id})
