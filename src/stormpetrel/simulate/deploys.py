"""The estate's deploys, as whoever deploys tells of them: a change each, over `/hooks/changes`."""

from __future__ import annotations

import json

from stormpetrel.model.time import to_iso
from stormpetrel.simulate.signals import LogColumns

CHANGES_HEADERS = {"Content-Type": "application/json"}
_KIND = ("change.kind", "deploy")


def deploys_of(logs: LogColumns) -> list[dict[str, str]]:
    """One object for each log record that tells of a deploy; O(records).

    Its members are those of a change: `title`, `kind`, `service`, `version`, `state`, `time`, `id`.
    """
    found = []
    for row, said in enumerate(logs.attributes):
        if _KIND not in said:
            continue
        told, at = dict(said), int(logs.time_unix_nano[row])
        found.append(
            {
                "title": logs.body[row],
                "kind": "deploy",
                "service": logs.service[row],
                "version": told.get("service.version", ""),
                "state": told.get("deployment.status", "unknown"),
                "time": to_iso(at),
                "id": f"deploy-{logs.service[row]}-{told.get('service.version', at)}",
            }
        )
    return found


def deploys_request(logs: LogColumns) -> bytes:
    """The body of a request with all of them; empty where there is none."""
    found = deploys_of(logs)
    return json.dumps(found).encode() if found else b""
