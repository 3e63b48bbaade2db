"""Model state: what the detectors, policies and the gate know, taken as one value and put back.

Keyed by what a series *is* (metric, labels, kind), never by its number. Whatever cannot be put back, because
another version wrote it or a setting gave it another meaning, is named and learnt anew from the store.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import structlog
from numpy.typing import NDArray

from stormpetrel import __version__
from stormpetrel.adapters.store.control_rows import finding_json, finding_of
from stormpetrel.app.config import Config
from stormpetrel.app.model_file import ModelState, Part
from stormpetrel.app.model_rows import SeriesKeys, arranged, blank_bank, cut, rows_of
from stormpetrel.app.pipeline import Pipeline, build_banks
from stormpetrel.detect import groups
from stormpetrel.detect import policy as policies
from stormpetrel.detect.discovery import WEALTH
from stormpetrel.detect.policy import AlarmPolicy
from stormpetrel.ingest.admit_state import VERSION as GATE_VERSION
from stormpetrel.ingest.admit_state import empty_state, to_snapshot
from stormpetrel.model.finding import Finding
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.algorithms import KeepsState, LogDetector, Snapshot

log = structlog.get_logger(__name__)

_SERIES, _POSITION, _GATE, _GROUPS = "series", "position", "gate", "groups"
Rows = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class PartFate:
    """Whether a part of a snapshot was taken over; `why` not, else empty."""

    name: str
    taken: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Restored:
    """What was taken over, and from when on the stored past has to be given to the detectors again.

    Attributes:
        taken_unix_nano: the moment of the snapshot.
        fates: every part.
        learnt_anew: banks that know nothing.
        samples_from_unix_nano, logs_from_unix_nano: where to go on; 0 means: all there is.
        gate: the gate's state as far as judging had come, for a `QualityGate`.
    """

    taken_unix_nano: int
    fates: tuple[PartFate, ...]
    learnt_anew: frozenset[str]
    samples_from_unix_nano: int
    logs_from_unix_nano: int
    gate: Snapshot | None


def settings_of(config: Config) -> dict[str, Any]:
    """The settings without which the arrays of the banks mean something else."""
    return {"season_seconds": config.detect.season_seconds}


def capture(pipeline: Pipeline, config: Config, now_unix_nano: int, keys: SeriesKeys) -> ModelState:
    """Copies of everything learnt; in the judge's thread, between two batches.

    Cost: one copy of the state, some 50 ms for 100,000 series.
    """
    registry = pipeline.registry
    size = len(registry)
    times, values = pipeline.position.arrays(size)
    parts = [
        Part(_SERIES, 1, {"keys": keys.of(registry, size), "kinds": registry.kind_codes()[:size].copy()}),
        Part(_POSITION, 1, {"time": times, "value": values}),
        Part(_GATE, GATE_VERSION, cut(pipeline.gate.snapshot(), size)),
    ]
    for bank, policy in zip(pipeline.banks, pipeline.policies, strict=True):
        found = {"open": [finding_json(one) for one in policy.open_findings]}
        parts.append(Part(f"bank:{bank.name}", bank.version, cut(bank.snapshot(), size)))
        parts.append(Part(f"policy:{bank.name}", policies.STATE_VERSION, cut(policy.snapshot(), size), found))
    for detector in pipeline.log_detectors:
        if isinstance(detector, KeepsState):
            arrays, notes = detector.snapshot()
            notes["open"] = [finding_json(one) for one in detector.open_findings()]
            parts.append(Part(f"logs:{detector.name}", detector.version, arrays, notes))
    arrays, notes = pipeline.groups.snapshot()
    notes["open"] = [finding_json(one) for one in pipeline.groups.open_findings]
    parts.append(Part(_GROUPS, groups.STATE_VERSION, arrays, notes))
    return ModelState(now_unix_nano, __version__, settings_of(config), tuple(parts))


def restore(pipeline: Pipeline, config: Config, state: ModelState, keys: SeriesKeys) -> Restored:
    """Put a snapshot into a pipeline that is as new; what does not fit stays as new, and is named."""
    rows = _rows(pipeline, state, keys)
    fates: list[PartFate] = []
    position = _position(pipeline, state, rows)
    anew = {bank.name for bank in pipeline.banks}
    if state.settings == settings_of(config):
        anew = set(_restore_banks(pipeline, config, state, rows, fates))
    else:
        fates.append(PartFate("banks", False, f"learnt with other settings: {dict(state.settings)}"))
    logs_from = min((_restore_logs(one, state, fates) for one in pipeline.log_detectors), default=0)
    _restore_groups(pipeline, state, fates)
    gate = _gate(state, rows, position, fates)
    whole = gate is not None and not anew
    late = from_seconds(config.intake.late_seconds)
    return Restored(
        state.taken_unix_nano,
        tuple(fates),
        frozenset(anew),
        _samples_from(position[0], state.taken_unix_nano, late) if whole else 0,
        logs_from,
        gate if whole else None,
    )


def _rows(pipeline: Pipeline, state: ModelState, keys: SeriesKeys) -> Rows:
    size = len(pipeline.registry)
    saved = state.part(_SERIES)
    if saved is None:
        return np.full(size, -1, np.int64)
    now = (keys.of(pipeline.registry, size), pipeline.registry.kind_codes()[:size])
    return rows_of(now, (saved.arrays["keys"], saved.arrays["kinds"]))


def _position(pipeline: Pipeline, state: ModelState, rows: Rows) -> tuple[Rows, NDArray[np.float64]]:
    saved = state.part(_POSITION)
    blank = {"time": np.zeros(1, np.int64), "value": np.zeros(1)}
    placed = arranged(saved.arrays if saved is not None else blank, rows, blank)
    pipeline.position.restore(placed["time"], placed["value"])
    return placed["time"], placed["value"]


def _restore_banks(
    pipeline: Pipeline, config: Config, state: ModelState, rows: Rows, fates: list[PartFate]
) -> Iterator[str]:
    """Names of the banks that could not be put back."""
    for place, fresh in enumerate(build_banks(config)):
        name = fresh.name
        bank, policy = state.part(f"bank:{name}"), state.part(f"policy:{name}")
        try:
            if bank is None or policy is None:
                raise ValueError("nothing was kept of it")
            _same_version(bank, fresh.version)
            fresh.restore(arranged(bank.arrays, rows, blank_bank(build_banks(config)[place])))
            _restore_policy(pipeline, pipeline.policies[place], policy, rows)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            fates.append(PartFate(f"bank:{name}", False, str(error)[:300]))
            yield name
        else:
            pipeline.banks[place] = fresh
            pipeline.policies[place].judge_for(fresh)
            fates.append(PartFate(f"bank:{name}", True))


def _restore_policy(pipeline: Pipeline, policy: AlarmPolicy, saved: Part, rows: Rows) -> None:
    version = np.array([policies.STATE_VERSION], np.int64)
    width = policy.bytes_per_series // 8
    blank = {
        "version": version,
        "state": np.zeros((1, width), np.int64),
        "wealth": np.zeros((1, WEALTH)),
    }
    placed = arranged(saved.arrays, rows, blank)
    found = [finding_of(one) for one in saved.notes["open"]]
    ids: dict[str, int] = {}
    if found:
        known = np.flatnonzero(rows >= 0).tolist()
        ids = {pipeline.registry.info(series).text(): series for series in known}
    policy.restore(placed, list(_renumbered(found, ids)))


def _renumbered(found: list[Finding], ids: dict[str, int]) -> Iterator[Finding]:
    """Findings of series that are known, with the numbers these have now."""
    for finding in found:
        series = ids.get(finding.evidence.query)
        if series is not None:
            yield replace(finding, evidence=replace(finding.evidence, series=series))


def _restore_groups(pipeline: Pipeline, state: ModelState, fates: list[PartFate]) -> None:
    """What entities usually look like as a whole; without it they are watched anew for half an hour."""
    saved = state.part(_GROUPS)
    if saved is None:
        return
    try:
        _same_version(saved, groups.STATE_VERSION)
        pipeline.groups.restore(saved.arrays, saved.notes, [finding_of(one) for one in saved.notes["open"]])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        fates.append(PartFate(_GROUPS, False, str(error)[:300]))
    else:
        fates.append(PartFate(_GROUPS, True))


def _restore_logs(detector: LogDetector, state: ModelState, fates: list[PartFate]) -> int:
    """Put one log detector back; from when on it needs its records."""
    if not isinstance(detector, KeepsState):
        return 0
    saved = state.part(f"logs:{detector.name}")
    try:
        if saved is None:
            raise ValueError("nothing was kept of it")
        _same_version(saved, detector.version)
        detector.restore(saved.arrays, saved.notes, [finding_of(one) for one in saved.notes["open"]])
    except (ValueError, KeyError, TypeError, IndexError) as error:
        fates.append(PartFate(f"logs:{detector.name}", False, str(error)[:300]))
        return 0
    fates.append(PartFate(saved.name, True))
    return detector.resume_unix_nano()


def _same_version(part: Part, version: int) -> None:
    if part.version != version:
        age = "newer" if part.version > version else "older"
        raise ValueError(f"it was written by the {age} version {part.version}, this program has {version}")


def _gate(
    state: ModelState, rows: Rows, position: tuple[Rows, NDArray[np.float64]], fates: list[PartFate]
) -> Snapshot | None:
    """The gate as far as judging had come: what it admitted and was not judged is admitted again."""
    saved = state.part(_GATE)
    try:
        if saved is None:
            raise ValueError("nothing was kept of it")
        _same_version(saved, GATE_VERSION)
        blank = to_snapshot(empty_state(1), 1)
        placed = arranged(saved.arrays, rows, blank)
    except ValueError as error:
        fates.append(PartFate(_GATE, False, str(error)[:300]))
        return None
    never = position[0] == 0
    for name, array in placed.items():
        if name != "version":
            placed[name] = array.copy()
            placed[name][never] = blank[name][0]
    seen = ~never
    placed["last_time"][seen], placed["last_value"][seen] = position[0][seen], position[1][seen]
    fates.append(PartFate(_GATE, True))
    return placed


def _samples_from(times: Rows, taken: int, late: int) -> int:
    """Where the stored past must be read from: no sample of a series that spoke lately may be missed."""
    lately = times[times > taken - late]
    return int(lately.min()) if len(lately) else taken - late
