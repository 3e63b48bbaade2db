"""Change records as the calendar reads them: deploys to keep in mind, and heartbeats of jobs."""

from __future__ import annotations

from typing import NamedTuple

from stormpetrel.context.marks import Deployed, deploy_entry
from stormpetrel.model.records import ChangeBatch, ChangeKind, ChangeState

# Kinds that may be behind what is found soon after; a job's run is not one of them.
_CAUSES = frozenset({ChangeKind.DEPLOY, ChangeKind.CONFIG, ChangeKind.FLAG, ChangeKind.SCALING})
_MOST = 1000


class Heartbeat(NamedTuple):
    """A job told that it began (`begins`), or ended; ordered by time."""

    time_unix_nano: int
    name: str
    begins: bool
    failed: bool


def heartbeats_of(batch: ChangeBatch) -> list[Heartbeat]:
    """The heartbeats in change records of the kind *job*; a title is the name of the job."""
    return [
        Heartbeat(
            row["time_unix_nano"],
            row["title"],
            row["state"] == ChangeState.STARTED,
            row["state"] == ChangeState.FAILED,
        )
        for row in batch.records.to_pylist()[:_MOST]
        if row["kind"] == ChangeKind.JOB and row["state"] != ChangeState.UNKNOWN
    ]


def deploys_of(batch: ChangeBatch, for_nanos: int) -> list[Deployed]:
    """The deploys and other changes in change records, each with the time that it is kept in mind."""
    found = []
    for row in batch.records.to_pylist()[:_MOST]:
        if row["kind"] not in _CAUSES:
            continue
        start, entity = row["time_unix_nano"], row["entity"]
        by = f" by {row['actor']}" if row["actor"] else ""
        version = f" {row['version']}" if row["version"] and row["version"] not in row["title"] else ""
        kind = "" if row["title"].lower().startswith(row["kind"]) else f"{row['kind']} "
        text = f"{kind}{row['title']}{version}{by}"
        span = (start, start + for_nanos)
        entry = deploy_entry(row["change_id"], text, entity, span, row["source"])
        found.append(Deployed(start, span[1], entity, text, entry, row["kind"]))
    return found
