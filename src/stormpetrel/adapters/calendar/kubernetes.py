"""CronJobs of Kubernetes as expected jobs: from manifests, and from an answer of the API.

Read are `schedule`, `timeZone`, `suspend` and the job's `activeDeadlineSeconds` of `batch/v1`. What runs
under a CronJob is in scope by its namespace and the names of its pods. Whether the job *ran* is not told by
a manifest: such entries are expected, not watched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import yaml

from stormpetrel.adapters.calendar.ical import CalendarSourceError
from stormpetrel.model.calendar import CalendarEntry, Cron, EntryKind

SOURCE = "kubernetes"
API_PATH = "/apis/batch/v1/cronjobs?limit=500"
MAX_BYTES = 16 << 20
MAX_JOBS = 2000
# Kubernetes' own names: what else stands there is no manifest of ours.
_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def read_cronjobs(body: bytes, where: str, zone: str, duration_seconds: float) -> list[CalendarEntry]:
    """The CronJobs in YAML documents or JSON, lists of any kind included; suspended ones are left out.

    Args:
        where: the file or address, for messages. zone: for jobs that name none.
        duration_seconds: for jobs without a deadline.

    Raises:
        CalendarSourceError: neither YAML nor JSON, or too large. Other kinds of objects are passed over.
    """
    if len(body) > MAX_BYTES:
        raise CalendarSourceError(f"{where}: more than {MAX_BYTES >> 20} MiB of manifests")
    found: list[CalendarEntry] = []
    for one in _cronjobs(_documents(body, where)):
        entry = _entry(one, zone, duration_seconds)
        if entry is not None and len(found) < MAX_JOBS:
            found.append(entry)
    return found


def _documents(body: bytes, where: str) -> list[Any]:
    """JSON if it is, or else YAML: that knows fewer characters, and is slow."""
    try:
        return [orjson.loads(body)]
    except orjson.JSONDecodeError:
        pass
    try:
        return list(yaml.load_all(body, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise CalendarSourceError(f"{where}: cannot be read as YAML or JSON: {str(error)[:200]}") from None


def _cronjobs(values: list[Any]) -> Iterator[Mapping[str, Any]]:
    for value in values:
        if not isinstance(value, Mapping):
            continue
        kind = str(value.get("kind", ""))
        if kind == "CronJob":
            yield value
        elif kind.endswith("List") and isinstance(value.get("items"), list):
            # The API leaves the kind of the members of a CronJobList out.
            of = kind.removesuffix("List")
            yield from _cronjobs([{"kind": of, **one} for one in value["items"] if isinstance(one, Mapping)])


def _entry(value: Mapping[str, Any], zone: str, duration_seconds: float) -> CalendarEntry | None:
    metadata, spec = _map(value, "metadata"), _map(value, "spec")
    name, schedule = str(metadata.get("name", "")), str(spec.get("schedule", ""))
    namespace = str(metadata.get("namespace", "")) or "default"
    if not (_NAME.fullmatch(name) and _NAME.fullmatch(namespace) and schedule) or spec.get("suspend") is True:
        return None
    deadline = _map(_map(spec, "jobTemplate"), "spec").get("activeDeadlineSeconds")
    usual = float(deadline) if isinstance(deadline, int) and deadline > 0 else duration_seconds
    pods = f"{re.escape(name)}-.*".replace("\\", "\\\\")
    return CalendarEntry(
        entry_id=f"{SOURCE}:{namespace}/{name}",
        kind=EntryKind.EXPECTED_JOB,
        title=f"CronJob {namespace}/{name}",
        scopes=(f'{{namespace="{namespace}",pod=~"{pods}"}}', f"pod:{name}-*"),
        recurrence=Cron(schedule, str(spec.get("timeZone") or zone), usual),
        source=SOURCE,
        train=True,
    )


def _map(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, Mapping) else {}
