"""Requests that take a way through the code that was never seen: told when there are more than usual."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from numpy.typing import NDArray

from stormpetrel.detect import wording
from stormpetrel.detect.logs.session_model import SessionModel
from stormpetrel.detect.logs.surprise import CountModel
from stormpetrel.model.finding import (
    MODEL_SAMPLES,
    Evidence,
    Finding,
    FindingState,
    Severity,
    closed_unheard,
)
from stormpetrel.model.pattern import Pattern
from stormpetrel.model.signal import LogBatch
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.algorithms import Snapshot

NEVER = 1 << 62
_SILENT = from_seconds(86_400)


@dataclass(slots=True)
class _Session:
    entity: str
    patterns: list[int]
    last: int


@dataclass(slots=True)
class _Entity:
    model: SessionModel = field(default_factory=SessionModel)
    counts: CountModel = field(default_factory=CountModel)
    strange: dict[int, list[str]] = field(default_factory=dict)  # window: traces of strange sessions
    sessions: dict[int, int] = field(default_factory=dict)
    judged: int = -1
    found: Finding | None = None
    calm: int = 0


class StrangeSessions:
    """Groups records by trace id and entity, and judges each session that was quiet for `idle_seconds`.

    A session is strange when it says at least `strange_bits` (see `SessionModel`). A single one is no news;
    a finding opens when a window holds so many that its p-value is at most `p_open`, and closes after
    `calm_windows` ordinary windows. It is a WARNING: the traces are its evidence. Silent until an entity has
    had `warmup_sessions`.

    Works where records carry trace ids; says nothing of others. Bounds: `max_sessions` open sessions and
    `max_patterns` records of each, `max_entities`; what is beyond is not counted and told in `dropped_total`.
    Its state does not outlive the process: sessions are learnt again.
    """

    name = "strange_sessions"
    version = 1

    def __init__(
        self,
        window_seconds: float = 60.0,
        idle_seconds: float = 30.0,
        p_open: float = 1e-5,
        strange_bits: float = 5.0,
        least_count: int = 3,
    ) -> None:
        self._window = from_seconds(window_seconds)
        self._idle = from_seconds(idle_seconds)
        self._p_open = p_open
        self._strange_bits, self._least_count = strange_bits, least_count
        self.warmup_sessions, self.warmup_windows, self.calm_windows = 200, 10, 3
        self.memory_windows = 240.0
        self.max_sessions, self.max_patterns, self.max_entities = 20_000, 200, 1000
        self.max_names = 100_000
        self._find: Callable[[int], Pattern | None] = lambda _pattern: None
        self._names: dict[int, int] = {}  # an id as it was stored: the first id of that pattern
        self._open: OrderedDict[tuple[str, str], _Session] = OrderedDict()
        self._entities: OrderedDict[str, _Entity] = OrderedDict()
        self._gone: list[Finding] = []
        self.dropped_total = 0

    def ask(
        self,
        find: Callable[[int], Pattern | None],
        births: Callable[[str], list[tuple[int, int, bool]]],
    ) -> None:
        """Where patterns are known: one that grew more general is the same in a session as before."""
        del births
        self._find = find

    def _named(self, stored: int) -> int:
        name = self._names.get(stored)
        if name is None:
            pattern = self._find(stored)
            older = [one for one in pattern.merged if one in self._names] if pattern is not None else []
            if len(self._names) >= self.max_names:
                self._names.clear()
            name = self._names[stored] = (
                self._names[older[0]] if older and older[0] in self._names else stored
            )
        return name

    @property
    def p_open(self) -> float:
        """The p-value at or below which a window opens a finding."""
        return self._p_open

    def update(self, batch: LogBatch) -> list[Finding]:
        """Put the records to their sessions; vectorised, and Python for each session in the batch."""
        records = batch.records
        trace = records.column("trace_id")
        rows = np.flatnonzero(pc.not_equal(trace, "").to_numpy(zero_copy_only=False))
        if not len(rows):
            return []
        trace_of, traces = _coded(trace.take(rows))
        entity_of, entities = _coded(records.column("entity").take(rows))
        whose = trace_of * len(entities) + entity_of
        order = np.argsort(whose, kind="stable")
        begins = np.flatnonzero(np.diff(whose[order], prepend=-1))
        ends = np.append(begins[1:], len(order))
        pattern = self._all_named(records.column("pattern").to_numpy()[rows])[order]
        last = np.maximum.reduceat(batch.believed_unix_nano()[rows][order], begins)
        # By their last records: the order in which sessions are let go when there are too many.
        for k in np.argsort(order[ends - 1]).tolist():
            which, who = divmod(int(whose[order[begins[k]]]), len(entities))
            self._take((traces[which], entities[who]), pattern[begins[k] : ends[k]], int(last[k]))
        return []

    def _all_named(self, stored: NDArray[np.int64]) -> NDArray[np.int64]:
        """`_named` of each, in order of arrival."""
        distinct, first, inverse = np.unique(stored, return_index=True, return_inverse=True)
        names = np.zeros(len(distinct), np.int64)
        for k in np.argsort(first).tolist():
            names[k] = self._named(int(distinct[k]))
        return names[inverse]

    def _take(self, key: tuple[str, str], patterns: NDArray[np.int64], time: int) -> None:
        session = self._open.get(key)
        if session is None:
            if len(self._open) >= self.max_sessions:
                self._open.popitem(last=False)
                self.dropped_total += 1
            session = self._open[key] = _Session(key[1], [], time)
        session.patterns += patterns[: self.max_patterns - len(session.patterns)].tolist()
        session.last = max(session.last, time)
        self._open.move_to_end(key)

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """Judge the sessions that are over, then the windows that are."""
        for key in [key for key, one in self._open.items() if now_unix_nano - one.last > self._idle]:
            self._over(key[0], self._open.pop(key))
        complete = (now_unix_nano - self._idle) // self._window - 1
        changes, self._gone = self._gone, []
        for name, entity in self._entities.items():
            first = max(entity.judged + 1, complete - 100) if entity.judged >= 0 else complete
            for window in range(first, complete + 1):
                strange = entity.strange.pop(window, [])
                if entity.sessions.pop(window, 0):
                    changes += self._judge(name, entity, window, strange)
            entity.judged = max(entity.judged, complete)
            if entity.found is not None and now_unix_nano - entity.found.end_unix_nano > _SILENT:
                changes.append(_unknown(entity.found))
                entity.found = None
            for old in [window for window in entity.sessions if window <= complete]:
                del entity.sessions[old]
                entity.strange.pop(old, None)
        return changes

    # Sessions are learnt again after a restart: nothing of the past is asked for.

    def snapshot(self) -> tuple[Snapshot, dict[str, Any]]:
        """Only the version."""
        return {"version": np.array([self.version], np.int64)}, {}

    def restore(self, snapshot: Snapshot, notes: Mapping[str, Any], open_findings: Sequence[Finding]) -> None:
        """Nothing to take over: what was open is closed as unknown. ValueError names a misfit version."""
        del notes, open_findings
        version = int(snapshot["version"][0])
        if version != self.version:
            raise ValueError(f"{self.name} state has version {version}, this program reads {self.version}")

    def resume_unix_nano(self) -> int:
        """Never."""
        return NEVER

    def open_findings(self) -> list[Finding]:
        """Findings that are open now."""
        return [one.found for one in self._entities.values() if one.found is not None]

    def _over(self, trace: str, session: _Session) -> None:
        entity = self._entities.get(session.entity)
        if entity is None:
            if len(self._entities) >= self.max_entities:
                _, oldest = self._entities.popitem(last=False)
                self._gone += [_unknown(oldest.found)] if oldest.found is not None else []
            entity = self._entities[session.entity] = _Entity()
        self._entities.move_to_end(session.entity)
        window = max(session.last // self._window, entity.judged + 1)
        entity.sessions[window] = entity.sessions.get(window, 0) + 1
        bits = entity.model.surprise(session.patterns)
        if bits >= self._strange_bits and entity.model.sessions >= self.warmup_sessions:
            entity.strange.setdefault(window, []).append(trace)
        entity.model.learn(session.patterns)

    def _judge(self, name: str, entity: _Entity, window: int, strange: list[str]) -> list[Finding]:
        count = len(strange)
        p = entity.counts.p_value(count)
        far = (
            p <= self._p_open and count >= self._least_count and entity.counts.windows >= self.warmup_windows
        )
        changes: list[Finding] = []
        if far and entity.found is None:
            entity.found, entity.calm = self._finding(name, entity, window, strange, p), 0
            changes = [entity.found]
        elif entity.found is not None:
            entity.calm = 0 if far else entity.calm + 1
            if far:
                entity.found = replace(entity.found, end_unix_nano=(window + 1) * self._window)
            elif entity.calm >= self.calm_windows:
                changes = [replace(entity.found, state=FindingState.CLOSED)]
                entity.found = None
        entity.counts.learn(count, self.memory_windows, far)
        return changes

    def _finding(self, name: str, entity: _Entity, window: int, strange: list[str], p: float) -> Finding:
        start, end = window * self._window, (window + 1) * self._window
        seconds = self._window / 1e9
        query = f'log_sessions{{entity="{name}"}}'
        return Finding(
            finding_id=xxhash.xxh128_hexdigest(f"{self.name}\0{name}\0{start}".encode()),
            detector=self.name,
            model_version=self.version,
            head="sessions",
            entity=name,
            title="requests go ways never seen before",
            why=f"{len(strange)} requests of {name} within {wording.duration(seconds)} logged patterns in"
            f" numbers or in an order that none of {entity.model.sessions} before did, usually about"
            f" {wording.amount(entity.counts.expected())}: {wording.rarity(p, seconds)}.",
            severity=Severity.WARNING,
            state=FindingState.OPEN,
            start_unix_nano=start,
            end_unix_nano=end,
            evidence=Evidence(
                "log", query, -1, start, end, float(len(strange)), entity.counts.expected(), 0.0,
                entity.counts.high(), p, "requests",
            ),
            attributes={"trace_ids": " ".join(strange[:20]), MODEL_SAMPLES: str(entity.counts.windows)},
        )  # fmt: skip


def _coded(column: pa.Array) -> tuple[NDArray[np.int64], list[str]]:
    """A number for each row, and what the numbers stand for."""
    coded = column.dictionary_encode()
    return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), coded.dictionary.to_pylist()


def _unknown(finding: Finding) -> Finding:
    why = "No session since: closed as unknown, not as recovered."
    return closed_unheard(finding, finding.end_unix_nano, why)
