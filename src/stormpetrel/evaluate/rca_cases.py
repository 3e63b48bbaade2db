"""Labelled incidents on disk: finding them, and making situations of them without a look at the labels."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
from numpy.typing import NDArray

from stormpetrel.errors import ConfigError
from stormpetrel.explain.logs import tells_of_failure
from stormpetrel.explain.situation import NOBODY, UNTOLD, KnownChange, Sightings, Situation, indexed
from stormpetrel.model.time import NANOS_PER_SECOND, from_seconds

FRONT_DOOR = "__entry__"  # how the format names what stands for the outside
_ROOT = "root"  # and a span without a parent
_FAILING_LEVELS = frozenset({"ERROR", "FATAL", "CRITICAL"})
SLACK_SECONDS = 540.0  # by which reported times may be off
_METHOD = re.compile(r"(HTTP )?(GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS)")


@dataclass(frozen=True, slots=True)
class RcaCase:
    """One incident: the data set it is of, its name, and its folder."""

    dataset: str
    name: str
    path: Path


def find(data: Path) -> list[RcaCase]:
    """All folders below `data` with a `case.json`; ConfigError when there is none.

    The data set is the folder above the split folder (`dev`, `test`, …) that the case is in.
    """
    found = []
    for path in sorted(data.rglob("case.json")):
        folder = path.parent
        found.append(RcaCase(folder.parent.parent.resolve().name, folder.name, folder))
    if not found:
        raise ConfigError(f"{data}: no case.json below it; an incident is a folder DATASET/SPLIT/CASE")
    return found


def situation_of(case: RcaCase, anchor_shift_seconds: float = 0.0) -> Situation:
    """Everything that is known of an incident, but not its label; ConfigError names what is missing."""
    meta = json.loads((case.path / "case.json").read_text("utf-8"))
    anchor, step = int(meta["anchor_time"]), int(meta.get("step_s") or 60)
    times, values, entities, metrics = _grid(_tables(case, meta, anchor, step), anchor, step)
    usable = np.ones(len(times), np.bool_)
    for first, last in meta.get("earlier_incidents") or []:
        usable &= ~((times >= first) & (times <= last))
    sli = meta.get("sli") or {}
    hurts = [
        k
        for k, pair in enumerate(zip(entities, metrics, strict=True))
        if pair == (sli.get("service"), sli.get("metric"))
    ]
    alert = meta.get("alert") or {}
    late = meta.get("anchor_kind") == "alert"
    return Situation(
        time_unix_nano=times * NANOS_PER_SECOND,
        values=values,
        entities=entities,
        metrics=metrics,
        anchor_unix_nano=anchor * NANOS_PER_SECOND + from_seconds(anchor_shift_seconds),
        usable=usable,
        slack_seconds=max(SLACK_SECONDS, float(step)),
        lead_seconds=float(anchor - times[0]) / 2.0 if late else 0.0,
        entry=hurts[0] if hurts else -1,
        calls=_calls(case.path / "graph.csv"),
        patterns=_patterns(case.path / "logs.parquet"),
        spans=_spans(case.path / "traces.parquet"),
        changes=_changes(case.path / "events.json"),
        told=" ".join(str(alert.get(key, "")) for key in ("service", "metric", "monitor", "summary")),
        front_door=frozenset({FRONT_DOOR}),
    )


# Metrics ----------------------------------------------------------------------------------------------


def _tables(case: RcaCase, meta: Mapping[str, Any], anchor: int, step: int) -> list[pa.Table]:
    """Recordings of the past first, then the case's own."""
    root = case.path.parent.parent
    tables = []
    for name in meta.get("baseline") or []:
        table = _read(root / name)
        times = table["time"].to_numpy().astype(np.int64)
        if (times < anchor).any():
            table = table.filter(pa.array(times < anchor))
        else:  # recorded at another time: it is read as the time just before
            moved = pa.array(times - times.max() + anchor - step)
            table = table.set_column(table.schema.get_field_index("time"), "time", moved)
        tables.append(table)
    return [*tables, _read(case.path / "metrics.parquet")]


def _read(path: Path) -> pa.Table:
    try:
        return pa.parquet.read_table(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from error


def _grid(
    tables: Sequence[pa.Table], anchor: int, step: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], tuple[str, ...], tuple[str, ...]]:
    """One regular grid of all series, NaN where nothing was recorded; of several values the last one
    stays."""
    time = np.concatenate([table["time"].to_numpy().astype(np.int64) for table in tables])
    value = np.concatenate([table["value"].to_numpy().astype(np.float64) for table in tables])
    service = [str(one) for table in tables for one in table["service"].to_pylist()]
    metric = [str(one) for table in tables for one in table["metric"].to_pylist()]
    names: dict[tuple[str, str], int] = {}
    column = np.array([names.setdefault(pair, len(names)) for pair in zip(service, metric, strict=True)])
    times, row = np.unique(anchor + (time - anchor) // step * step, return_inverse=True)
    values = np.full((len(times), len(names)), np.nan)
    values[row, column] = value
    return times, values, tuple(pair[0] for pair in names), tuple(pair[1] for pair in names)


# Logs, traces, changes, calls -------------------------------------------------------------------------


def _texts(table: pa.Table, name: str) -> list[str]:
    return ["" if one is None else str(one) for one in table[name].to_pylist()]


def _count(table: pa.Table) -> NDArray[np.float64]:
    if "count" not in table.column_names:
        return np.ones(len(table))
    return np.asarray(table["count"].to_numpy(), np.float64)


def _patterns(path: Path) -> Sightings | None:
    if not path.exists():
        return None
    table = _read(path)
    place, places = indexed(_texts(table, "service"))
    levels = _texts(table, "level") if "level" in table.column_names else [""] * len(table)
    templates = _texts(table, "template")
    thing, things = indexed(
        [f"{level} {text}".strip() for level, text in zip(levels, templates, strict=True)]
    )
    failing = np.array([_fails(text) for text in things], np.bool_)
    return Sightings(
        time_unix_nano=table["time"].to_numpy().astype(np.int64) * NANOS_PER_SECOND,
        place=place,
        thing=thing,
        count=_count(table),
        places=places,
        things=things,
        failing=failing,
        target=np.full(len(things), -1, np.int32),
        toward=np.full(len(things), NOBODY, np.int32),
        own_seconds=np.full(len(table), np.nan),
    )


def _fails(text: str) -> bool:
    return text.partition(" ")[0] in _FAILING_LEVELS or tells_of_failure(text)


def _spans(path: Path) -> Sightings | None:
    if not path.exists():
        return None
    table = _read(path)
    parents, services, operations = (_texts(table, name) for name in ("parent", "service", "OperationName"))
    status = _texts(table, "status") if "status" in table.column_names else [""] * len(table)
    makers = [
        service if parent in (_ROOT, "", "nan") else parent
        for parent, service in zip(parents, services, strict=True)
    ]
    place, places = indexed([*makers, *services])
    thing, things = indexed(
        [
            f"{service} {operation}{' ERROR' if state == 'ERROR' else ''}"
            for service, operation, state in zip(services, operations, status, strict=True)
        ]
    )
    target = np.full(len(things), -1, np.int32)
    target[thing] = place[len(table) :]
    own = np.full(len(table), np.nan)
    if "self_p95" in table.column_names:
        own = np.asarray(table["self_p95"].to_numpy(), np.float64) / 1e3
    return Sightings(
        time_unix_nano=table["time"].to_numpy().astype(np.int64) * NANOS_PER_SECOND,
        place=place[: len(table)],
        thing=thing,
        count=_count(table),
        places=places,
        things=things,
        failing=np.array([tells_of_failure(text) for text in things], np.bool_),
        target=target,
        toward=_toward(parents, services, operations, thing),
        own_seconds=own,
    )


def _toward(
    parents: Sequence[str], services: Sequence[str], operations: Sequence[str], thing: NDArray[np.int32]
) -> NDArray[np.int32]:
    """Spans that are named by a method alone are clients' by OpenTelemetry's conventions: whose is untold."""
    toward = np.full(int(thing.max(initial=-1)) + 1, NOBODY, np.int32)
    for parent, service, operation, k in zip(parents, services, operations, thing.tolist(), strict=True):
        if parent == service and _METHOD.fullmatch(operation):
            toward[k] = UNTOLD
    return toward


def _changes(path: Path) -> tuple[KnownChange, ...]:
    if not path.exists():
        return ()
    tree = json.loads(path.read_text("utf-8"))
    deploys = {one["sha"]: one for one in tree.get("deploys") or []}
    found = []
    for commit in tree.get("commits") or []:
        deploy = deploys.get(commit["sha"])
        files = tuple(commit.get("files") or ())
        found.append(
            KnownChange(
                change_id=commit["sha"],
                time_unix_nano=int((deploy or commit)["time"]) * NANOS_PER_SECOND,
                entity=str((deploy or {}).get("service") or ""),
                kind="deploy" if deploy else "commit",
                text=" ".join([str(commit.get("message", "")), str(commit.get("diff") or ""), *files]),
                files=files,
            )
        )
    return tuple(found)


def _calls(path: Path) -> tuple[tuple[str, str], ...]:
    if not path.exists():
        return ()
    lines = path.read_text("utf-8").splitlines()[1:]
    pairs = (line.rpartition(",") for line in lines if "," in line)
    return tuple((caller, callee) for caller, _, callee in pairs)


# Controls ---------------------------------------------------------------------------------------------


def healthy(situation: Situation, least_past: int = 20, points: int = 5) -> Situation | None:
    """A window of the same recording in which nothing was wrong, as if somebody had reported trouble there.

    None where the recording has no usable stretch of `points` with `least_past` usable moments before it.
    """
    times = situation.time_unix_nano
    quiet = situation.usable & (times < situation.anchor_unix_nano - from_seconds(situation.slack_seconds))
    if situation.lead_seconds:
        quiet &= times < situation.anchor_unix_nano - from_seconds(situation.lead_seconds)
    for last in range(len(times) - 1, least_past + points - 2, -1):
        first = last - points + 1
        if quiet[first : last + 1].all() and quiet[:first].sum() >= least_past:
            end = int(times[last])
            kept = times <= end
            return replace(
                situation,
                time_unix_nano=times[kept],
                values=situation.values[kept],
                usable=situation.usable[kept],
                anchor_unix_nano=int(times[first]),
                patterns=_until(situation.patterns, end),
                spans=_until(situation.spans, end),
                changes=(),
            )
    return None


def _until(seen: Sightings | None, end: int) -> Sightings | None:
    if seen is None:
        return None
    kept = seen.time_unix_nano <= end
    return replace(
        seen,
        time_unix_nano=seen.time_unix_nano[kept],
        place=seen.place[kept],
        thing=seen.thing[kept],
        count=seen.count[kept],
        own_seconds=seen.own_seconds[kept],
    )
