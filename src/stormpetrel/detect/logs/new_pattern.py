"""Patterns that a source has never logged before."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import xxhash
from numpy.typing import NDArray

from stormpetrel.detect import wording
from stormpetrel.model.finding import MODEL_SAMPLES, Evidence, Finding, FindingState, Severity
from stormpetrel.model.pattern import Pattern
from stormpetrel.model.signal import SEVERITY_ERROR, LogBatch
from stormpetrel.model.time import from_seconds, to_seconds
from stormpetrel.ports.algorithms import Snapshot

STATE_VERSION = 1
_LAST_E_FOLD = 1.0 - math.exp(-1.0)  # of a source's age: the part of it that its rate is taken from
_MOST_BIRTHS, _MOST_KNOWN, _SHOWN = 1000, 20_000, 160
_AHEAD, _BEHIND = from_seconds(60), from_seconds(300)
_UPDATE_AT = (10, 100, 1_000, 10_000, 100_000)  # records of a new pattern, at which its finding is told again

Find = Callable[[int], Pattern | None]
Births = Callable[[str], list[tuple[int, int, bool]]]


@dataclass(slots=True)
class _Source:
    """When the patterns of a source were first seen: all of them, and those of errors."""

    begun: int
    births: list[int] = field(default_factory=list)
    errors: list[int] = field(default_factory=list)
    known: set[int] = field(default_factory=set)
    opened: int = 0

    def take(self, pattern: int, first: int, severe: bool) -> None:
        """A pattern, once; its first sighting as far back as is believed."""
        if pattern in self.known:
            return
        if len(self.known) >= _MOST_KNOWN:
            self.known.clear()
        self.known.add(pattern)
        self.begun = min(self.begun, first)
        for births in (self.births, self.errors) if severe else (self.births,):
            insort(births, first)
            del births[:-_MOST_BIRTHS]

    def born(self, time: int, severe: bool) -> tuple[int, float]:
        """How many were born in the last part of its life before `time`, and how many seconds that was."""
        age = max(time - self.begun, 1)
        since = time - round(age * _LAST_E_FOLD)
        births = self.errors if severe else self.births
        many = bisect_left(births, time) - bisect_right(births, since)
        return max(many, 0), to_seconds(time - since)


@dataclass(frozen=True, slots=True)
class _Chance:
    """How rare a new pattern is: p-value, new ones a second, the source's age, its patterns."""

    p: float
    rate: float
    age_seconds: float
    born: int


@dataclass(slots=True)
class _Open:
    finding: Finding
    records: int
    last: int
    source: str


class NewPattern:
    """Tells of patterns that a source has never logged, the rarer the source invents, the sooner.

    Sources invent patterns all their life, ever more rarely: about as many while their age doubles as while
    it doubled before. So the rate of now is the number born in the last part of its life (its age divided by
    e), over that time. A new pattern's p-value is the chance that a healthy source brings one within
    `window_seconds`; patterns of errors are counted among errors, so that one whose debug lines change all
    the time can still tell of an error that is new.

    A new pattern of errors opens a WARNING when it is the first one in the last part of the source's life and
    p is at most `p_open`, or when all sources together would bring less than `false_per_day` such ones a day.
    What is no error, or differs from a known pattern in a single word, is told as INFO where p is at most a
    tenth of `p_open`: shown, never an incident by itself.

    Silent while a source is younger than `learn_seconds`. Works on whatever the miner made of the lines;
    fails where one pattern stands for several statements, and on a source in prose. A finding lasts until
    its pattern was quiet for `close_seconds`, an hour at most: then it is known. Times are those of
    `LogBatch.believed_unix_nano`, a minute ahead at most. Bounds: `max_sources`, least recently seen go
    first, `max_known` ids, `most_open` findings of a source at a time.

    Reference: the rate is that of record times (Arnold, Balakrishnan and Nagaraja, *Records*, 1998); here it
    is measured and not assumed.
    """

    name = "new_pattern"
    version = 1

    def __init__(
        self,
        learn_seconds: float = 600.0,
        window_seconds: float = 60.0,
        p_open: float = 0.02,
        close_seconds: float = 300.0,
        most_open: int = 5,
        false_per_day: float = 2.0,
    ) -> None:
        self._learn = from_seconds(learn_seconds)
        self._window_seconds = window_seconds
        self._p_open = p_open
        self.p_open_mild = p_open / 10
        self._close = from_seconds(close_seconds)
        self._longest = from_seconds(3600)
        self._most_open = most_open
        self.max_sources, self.max_known = 5000, 200_000
        self._false_per_day = false_per_day
        self._find: Find = _nothing
        self._births: Births = _no_births
        self._sources: OrderedDict[str, _Source] = OrderedDict()
        self._known: OrderedDict[int, None] = OrderedDict()
        self._open: dict[int, _Open] = {}
        self._latest = 0  # newest believed time of a record
        self._now = 0
        self.untold_total = 0

    def ask(self, find: Find, births: Births) -> None:
        """Where patterns are known."""
        self._find, self._births = find, births

    @property
    def p_open(self) -> float:
        """The p-value at or below which a new pattern of errors opens a finding."""
        return self._p_open

    def update(self, batch: LogBatch) -> list[Finding]:
        """Look at the patterns of the records; O(rows), and Python for each pattern in the batch."""
        pattern = batch.records.column("pattern").to_numpy()
        if not pattern.any():
            return []
        distinct, inverse = np.unique(pattern, return_inverse=True)
        seen = _Seen.of(batch, inverse, len(distinct))
        judged = self._latest
        newest = int(seen.last.max())
        self._latest = max(judged, min(newest, self._now + _AHEAD) if self._now else newest)
        changes: list[Finding] = []
        for place in np.argsort(seen.first, kind="stable").tolist():
            one = int(distinct[place])
            if one in self._known:
                self._known.move_to_end(one)
            elif one:
                changes += self._meet(one, place, seen, judged)
            if one in self._open and int(seen.last[place]) > self._open[one].last:
                changes += self._follow(self._open[one], seen, place)
        return changes

    def _meet(self, one: int, place: int, seen: _Seen, judged: int) -> list[Finding]:
        """An id not seen before: a new pattern, or one that is known from before."""
        pattern = self._find(one)
        if pattern is None:
            return []
        self._known[one] = None
        if len(self._known) > self.max_known:
            self._known.popitem(last=False)
        for old in pattern.merged:  # it grew more general while it was news
            if old in self._open:
                self._open[one] = self._open.pop(old)
                return []
        source = self._source(pattern.source)
        severe = int(seen.worst[place]) >= SEVERITY_ERROR
        time = self._believed(pattern.first_unix_nano)
        # The miner is ahead by some batches, in which the same pattern may have come with an older time.
        new = pattern.first_unix_nano >= min(int(seen.first[place]), judged - _BEHIND)
        many, seconds = source.born(time, severe)
        source.take(pattern.id, time, severe or _severe(pattern))
        if not new or time - source.begun < self._learn:
            return []
        rate = (many + 0.5) / seconds
        p = -math.expm1(-rate * self._window_seconds)
        mild = not severe or pattern.kin > 0
        if not (p <= self.p_open_mild if mild else self._is_news(many, rate, p)):
            return []
        if source.opened >= self._most_open:
            self.untold_total += 1
            return []
        source.opened += 1
        chance = _Chance(p, rate, to_seconds(time - source.begun), len(source.births))
        finding = self._finding(pattern, seen.at(place), chance, mild)
        self._open[one] = _Open(finding, int(seen.many[place]), int(seen.last[place]), pattern.source)
        return [finding]

    def _is_news(self, many: int, rate: float, p: float) -> bool:
        """Whether a new pattern of errors is worth an incident."""
        if many == 0:
            return p <= self._p_open
        heard = sum(1 for one in self._sources.values() if one.errors)
        return rate * 86_400.0 * max(heard, 1) <= self._false_per_day

    def _believed(self, time: int) -> int:
        return min(time, self._latest)

    def _source(self, name: str) -> _Source:
        """A source; at first sight with all that is known of its patterns from before."""
        source = self._sources.get(name)
        if source is None:
            source = self._sources[name] = _Source(self._latest)
            for pattern, first, severe in self._births(name):
                source.take(pattern, self._believed(first), severe)
            if len(self._sources) > self.max_sources:
                self._sources.popitem(last=False)
        self._sources.move_to_end(name)
        return source

    def _follow(self, one: _Open, seen: _Seen, place: int) -> list[Finding]:
        before = one.records
        one.records += int(seen.many[place])
        one.last = min(int(seen.last[place]), self._latest)
        evidence = replace(one.finding.evidence, observed=float(one.records), end_unix_nano=one.last)
        one.finding = replace(one.finding, end_unix_nano=one.last, evidence=evidence)
        told = any(before < step <= one.records for step in _UPDATE_AT)
        return [one.finding] if told else []

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """Close what has been quiet, or has been news for an hour."""
        self._now = now_unix_nano
        done = [
            key
            for key, one in self._open.items()
            if now_unix_nano - one.last > self._close
            or now_unix_nano - one.finding.start_unix_nano > self._longest
        ]
        return [self._closed(key) for key in done]

    def _closed(self, key: int) -> Finding:
        one = self._open.pop(key)
        if one.source in self._sources:
            self._sources[one.source].opened = max(0, self._sources[one.source].opened - 1)
        return replace(one.finding, state=FindingState.CLOSED)

    def _finding(
        self, pattern: Pattern, seen: tuple[str, int, int, int], chance: _Chance, mild: bool
    ) -> Finding:
        entity, many, last, worst = seen
        start = pattern.first_unix_nano
        query = f'log_patterns{{pattern="{pattern.id:016x}"}}'
        said = pattern.text if len(pattern.text) <= _SHOWN else pattern.text[:_SHOWN] + "…"
        kind = "error pattern" if worst >= SEVERITY_ERROR else "pattern"
        other = " It differs from a known one in a single word." if pattern.kin else ""
        return Finding(
            finding_id=xxhash.xxh128_hexdigest(f"{self.name}\0{query}\0{start}".encode()),
            detector=self.name,
            model_version=self.version,
            head="new",
            entity=entity,
            title=f"new {kind} in the log: {said}",
            why=f"{entity} logged what {pattern.source} has not logged in the"
            f" {wording.duration(chance.age_seconds)} it is known for; it brings a new {kind} about once in"
            f" {wording.duration(1.0 / chance.rate)}.{other}",
            # How bad it is nobody knows yet: programs call a refused login fatal.
            severity=Severity.INFO if mild else Severity.WARNING,
            state=FindingState.OPEN,
            start_unix_nano=start,
            end_unix_nano=last,
            evidence=Evidence(
                "log",
                query,
                -1,
                start,
                last,
                float(many),
                0.0,
                0.0,
                0.0,
                min(max(chance.p, 1e-300), 1.0),
                "records",
            ),
            attributes={MODEL_SAMPLES: str(chance.born)},
        )

    # State: everything but what is open is asked of the patterns again.

    def snapshot(self) -> tuple[Snapshot, dict[str, Any]]:
        """How far it came; what a source invented is told by its patterns."""
        arrays: dict[str, NDArray[np.generic]] = {
            "version": np.array([STATE_VERSION], np.int64),
            "latest": np.array([self._latest], np.int64),
        }
        return arrays, {"sources": {f"{key:x}": one.source for key, one in self._open.items()}}

    def restore(self, snapshot: Snapshot, notes: Mapping[str, Any], open_findings: Sequence[Finding]) -> None:
        """Take over a snapshot; ValueError names the version when it does not fit."""
        version = int(snapshot["version"][0])
        if version != STATE_VERSION:
            raise ValueError(f"{self.name} state has version {version}, this program reads {STATE_VERSION}")
        self._latest = int(snapshot["latest"][0])
        for finding in open_findings:
            key = int(finding.evidence.query.partition('"')[2].partition('"')[0], 16)
            source = str(notes["sources"].get(f"{key:x}", ""))
            self._open[key] = _Open(finding, int(finding.evidence.observed), finding.end_unix_nano, source)
            self._known[key] = None

    def resume_unix_nano(self) -> int:
        """After the newest record seen."""
        return self._latest + 1 if self._latest else 0

    def open_findings(self) -> list[Finding]:
        """Findings that are open now."""
        return [one.finding for one in self._open.values()]


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a batch holds of each of its patterns."""

    batch: LogBatch
    inverse: NDArray[np.int64]
    many: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    worst: NDArray[np.uint8]

    @staticmethod
    def of(batch: LogBatch, inverse: NDArray[np.int64], distinct: int) -> _Seen:
        time = batch.believed_unix_nano()
        level = batch.records.column("severity_number").to_numpy()
        first = np.full(distinct, np.iinfo(np.int64).max)
        last = np.full(distinct, np.iinfo(np.int64).min)
        worst = np.zeros(distinct, np.uint8)
        np.minimum.at(first, inverse, time)
        np.maximum.at(last, inverse, time)
        np.maximum.at(worst, inverse, level)
        return _Seen(batch, inverse, np.bincount(inverse, minlength=distinct), first, last, worst)

    def at(self, place: int) -> tuple[str, int, int, int]:
        """The entity that has most of it, records, last time and worst severity."""
        rows = np.flatnonzero(self.inverse == place)
        column = self.batch.records.column("entity")
        entities = Counter(column[int(row)].as_py() for row in rows[:1000])
        return (
            max(sorted(entities), key=lambda name: entities[name]),
            int(self.many[place]),
            int(self.last[place]),
            int(self.worst[place]),
        )


def _severe(pattern: Pattern) -> bool:
    """Whether it has been logged as an error: the last two of seven severities."""
    return any(pattern.severities[-2:])


def _nothing(_pattern: int) -> Pattern | None:
    return None


def _no_births(_source: str) -> list[tuple[int, int, bool]]:
    return []
