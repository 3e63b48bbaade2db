"""Values that a variable of a log pattern has never taken."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stormpetrel.detect.logs.value_model import (
    MOST_NAMES,
    FollowedPattern,
    ValueModel,
    named_once,
    numbered,
)
from stormpetrel.detect.logs.value_state import Patterns, pack, unpack
from stormpetrel.detect.logs.value_words import NAME, VERSION, Look, finding_of
from stormpetrel.model.finding import Finding, FindingState
from stormpetrel.model.pattern import Pattern
from stormpetrel.model.signal import SEVERITY_ERROR, LogBatch
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.algorithms import Snapshot

_DAY, _HOUR = from_seconds(86_400), from_seconds(3600)
_AHEAD, _BEHIND = from_seconds(60), from_seconds(300)
_MAX_LINE = 8192  # characters of a line that are looked at
_MOST_TOLD = 64
_TOLD_ARRAYS = ((False, "told"), (True, "told_mild"))  # by whether they were no errors
_UPDATE_AT = (10, 100, 1_000, 10_000)  # records with a new value, at which its finding is told again

Find = Callable[[int], Pattern | None]
Values = Callable[[int, str], Sequence[tuple[str, str]]]
Place = tuple[int, str, str]  # pattern, variable, value


@dataclass(slots=True)
class _Open:
    finding: Finding
    records: int
    opened: int
    last: int
    source: str


class RareValue:
    """Tells when a variable that has taken few values for long takes one never seen.

    Every variable of every pattern is learnt by itself (see `ValueModel`), and judged once it is known for
    `learn_seconds`. The p-value is the chance that a window of `window_seconds` brings a value that none
    before it held, from how often that was so; by the defaults it takes some 300 windows before it can be low
    enough. A variable that invents, if only now and then, has a great one, and whatever takes more than a
    handful of values (ids, addresses, most numbers) is left alone, to be tried again a day later. Nothing
    is guessed from how a value looks.

    A record of an error opens a WARNING where p is at most `p_open`; any other record an INFO, shown and
    never an incident by itself, where p is at most a tenth of that. A variable that had something new of late
    has to be surer, a fiftieth: less than one new value in a week of its speaking every minute. With each
    finding beyond `free_per_day` within a day the next has to be twice as rare, and five of one source are
    open at most.

    A value is told once: then it is known. Its finding lasts until no record with it came for
    `close_seconds`, an hour at most. What is known is kept over a restart. When a pattern grows more general,
    the variables that are named by a word go on, those named by their place begin anew.

    Works on `status=<*>`, `"level": …`, codes, states, phases. Fails on values that come seldom by design,
    such as once a month, and on those of a pattern that logs so much that only a sample is looked at: the
    first 64 records of a pattern in a window, and of the rest each sixteenth.

    Bounds: `max_patterns` (those quiet for a day make room, else new ones are not followed), 24 names of
    variables of a pattern, `max_variables` variables with 16 values each in all: some 50 MB. Times are those
    of `LogBatch.believed_unix_nano`, and no later than a minute after a record was observed.
    Cost: a few microseconds of NumPy for each pattern in a batch, some 40 of Python for each record that is
    looked at.
    """

    name = NAME
    version = VERSION

    def __init__(
        self,
        learn_seconds: float = 86_400.0,
        window_seconds: float = 60.0,
        p_open: float = 0.005,
        close_seconds: float = 300.0,
        free_per_day: int = 5,
    ) -> None:
        self._learn, self._window = from_seconds(learn_seconds), from_seconds(window_seconds)
        self._p_open, self.p_open_mild, self.p_open_again = p_open, p_open / 10, p_open / 50
        self._close = from_seconds(close_seconds)
        self._free_per_day = free_per_day
        self.most_open = 5
        self.max_patterns, self.max_variables, self.max_names = 10_000, 10_000, 50_000
        self._find: Find = _nothing
        self._values: Values = _no_values
        self._patterns: Patterns = OrderedDict()
        self._names: dict[int, int] = {}  # an id as it was stored: that of its pattern
        self._refused: set[int] = set()
        self._refused_since = 0
        self._held = 0  # variables that are followed
        self._open: dict[Place, _Open] = {}
        self._told: dict[bool, deque[int]] = {mild: deque(maxlen=_MOST_TOLD) for mild in (False, True)}
        self._latest = self._now = 0
        self._judged_before = 0  # records up to here were looked at before a restart
        self.untold_total = self.unfollowed_total = 0

    def ask(self, find: Find, births: Callable[[str], list[tuple[int, int, bool]]]) -> None:
        """Where patterns are known."""
        del births
        self._find = find

    def read(self, values: Values) -> None:
        """Where the values of a line are known."""
        self._values = values

    @property
    def p_open(self) -> float:
        """The p-value at or below which a new value in a record of an error opens a finding."""
        return self._p_open

    # Looking ------------------------------------------------------------------------------------------

    def update(self, batch: LogBatch) -> list[Finding]:
        """Look at the records of patterns whose variables may be told; the others cost nothing."""
        pattern = batch.records.column("pattern").to_numpy()
        if not pattern.any():
            return []
        records = batch.records
        observed = records.column("observed_unix_nano").to_numpy()
        time = np.minimum(batch.believed_unix_nano(), observed + _AHEAD)
        self._latest = max(self._latest, int(time.max()))
        rows = self._chosen(pattern, time)
        columns = (
            pattern[rows].tolist(),
            records.column("body").take(rows).to_pylist(),
            time[rows].tolist(),
            np.maximum(time, observed - _BEHIND)[rows].tolist(),
            records.column("severity_number").to_numpy()[rows].tolist(),
            records.column("entity").take(rows).to_pylist(),
        )
        return [change for seen in zip(*columns, strict=True) for change in self._look(Look(*seen))]

    def _chosen(self, pattern: NDArray[np.int64], time: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows to look at, in order of arrival."""
        fresh = np.flatnonzero((pattern != 0) & (time > self._judged_before))
        if not len(fresh):
            return fresh
        fresh = fresh[np.argsort(pattern[fresh], kind="stable")]
        distinct, begins = np.unique(pattern[fresh], return_index=True)
        parts = [fresh[:0]]
        for stored, rows in zip(distinct.tolist(), np.split(fresh, begins[1:]), strict=True):
            followed = self._followed(stored)
            if followed is not None and followed.worth_looking(self._latest, _DAY):
                parts.append(rows[followed.chosen(time[rows] // self._window)])
        return np.sort(np.concatenate(parts))

    def _followed(self, stored: int) -> FollowedPattern | None:
        """What is followed under an id as it was stored."""
        key = self._names.get(stored, 0)
        followed = self._patterns.get(key)
        if followed is None:
            followed = None if stored in self._refused else self._meet(stored)
        else:
            self._patterns.move_to_end(key)
        if followed is not None:
            followed.heard_unix_nano = self._latest
        return followed

    def _meet(self, stored: int) -> FollowedPattern | None:
        """An id not met before, or whose pattern became another since."""
        pattern = self._find(stored)
        if pattern is None:
            return None
        followed = self._carried(pattern)
        if followed is None:
            if not self._has_room():
                self.unfollowed_total += 1
                if len(self._refused) < self.max_names:
                    self._refused.add(stored)
                return None
            followed = FollowedPattern(pattern.source, self._latest)
        self._patterns[pattern.id] = followed
        self._patterns.move_to_end(pattern.id)
        if len(self._names) >= self.max_names:
            self._names.clear()
        self._names[stored] = pattern.id
        return followed

    def _carried(self, pattern: Pattern) -> FollowedPattern | None:
        """What is followed under the id of a pattern, with what was under those that became it."""
        followed = self._patterns.get(pattern.id)
        older = [
            self._patterns.pop(old) for old in pattern.merged if old != pattern.id and old in self._patterns
        ]
        self._held -= sum(one.held() for one in older)
        for one in map(FollowedPattern.speaking, older):
            if followed is None:
                followed = one
            else:
                self._held -= followed.held()
                followed.absorb(one)
            self._held += followed.held()
        return followed

    def _has_room(self) -> bool:
        """For one more pattern; the one not heard of for longest goes if that is a day."""
        if len(self._patterns) < self.max_patterns:
            return True
        oldest = next(iter(self._patterns.values()))
        if self._latest - oldest.heard_unix_nano <= _DAY:
            return False
        self._patterns.popitem(last=False)
        self._held -= oldest.held()
        return True

    def _look(self, seen: Look) -> list[Finding]:
        key = self._names.get(seen.stored, 0)
        followed = self._patterns.get(key)
        if followed is None:  # it became another while this batch was looked at
            return []
        followed.looks += 1
        return [
            change
            for name, value in named_once(self._values(key, seen.line[:_MAX_LINE]))
            for change in self._take(followed, (key, name, value), seen)
        ]

    def _take(self, followed: FollowedPattern, at: Place, seen: Look) -> list[Finding]:
        """A value: a known one, or one to judge and then to know."""
        _, name, value = at
        model = followed.variables.get(name)
        if model is None:
            if name in followed.variables or len(followed.variables) >= MOST_NAMES:
                return []
            if self._held >= self.max_variables:
                self.unfollowed_total += 1
                followed.variables[name] = None
                return []
            self._held += 1
            model = followed.variables[name] = ValueModel(seen.begun_unix_nano)
        if model.knows(value, seen.time_unix_nano // self._window):
            return self._follow(at, seen) if self._open else []
        found = self._judge(model, at, seen)
        if not model.add(value):
            self._held -= 1
            followed.variables[name] = None
        return found

    # Telling ------------------------------------------------------------------------------------------

    def _judge(self, model: ValueModel, at: Place, seen: Look) -> list[Finding]:
        """A value never seen: told where it is rare enough."""
        if seen.time_unix_nano - model.begun_unix_nano < self._learn:
            return []
        p, mild = model.p_value(), seen.level < SEVERITY_ERROR
        if p > self._bar(mild, model.newcomers() > 0, seen.time_unix_nano):
            return []
        pattern = self._find(seen.stored)
        if pattern is None:
            return []
        if pattern.id != at[0]:  # it grew more general: its places are counted anew from the next record on
            self._names.pop(seen.stored, None)
            if numbered(at[1]):
                return []
        if sum(1 for one in self._open.values() if one.source == pattern.source) >= self.most_open:
            self.untold_total += 1
            return []
        self._told[mild].append(seen.time_unix_nano)
        finding = finding_of(pattern, model, at[1:], seen, p)
        self._open[pattern.id, at[1], at[2]] = _Open(
            finding, 1, seen.time_unix_nano, seen.time_unix_nano, pattern.source
        )
        return [finding]

    def _bar(self, mild: bool, again: bool, time: int) -> float:
        """How rare it has to be, after what was told of late."""
        told = self._told[mild]
        while told and told[0] <= time - _DAY:
            told.popleft()
        usual = self.p_open_again if again else self.p_open_mild if mild else self._p_open
        more: float = 0.5 ** max(0, len(told) + 1 - self._free_per_day)
        return usual * more

    def _follow(self, at: Place, seen: Look) -> list[Finding]:
        one = self._open.get(at)
        if one is None:
            return []
        one.records += 1
        one.last = max(one.last, seen.time_unix_nano)
        evidence = replace(one.finding.evidence, observed=float(one.records), end_unix_nano=one.last)
        one.finding = replace(one.finding, end_unix_nano=one.last, evidence=evidence)
        return [one.finding] if one.records in _UPDATE_AT else []

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """Close what has been quiet, or has been news for an hour."""
        self._now = now_unix_nano
        if abs(now_unix_nano - self._refused_since) > _HOUR:
            self._refused.clear()
            self._refused_since = now_unix_nano
        # A clock that is ahead makes no finding lasting; while the past is given again, now is no measure.
        for one in self._open.values() if now_unix_nano >= self._judged_before else ():
            one.opened, one.last = min(one.opened, now_unix_nano), min(one.last, now_unix_nano)
        done = [
            at
            for at, one in self._open.items()
            if now_unix_nano - one.last > self._close or now_unix_nano - one.opened > _HOUR
        ]
        return [replace(self._open.pop(at).finding, state=FindingState.CLOSED) for at in done]

    # State --------------------------------------------------------------------------------------------

    def snapshot(self) -> tuple[Snapshot, dict[str, Any]]:
        """All that is known."""
        arrays, notes = pack(self._patterns)
        arrays["latest"] = np.array([self.resume_unix_nano() - 1], np.int64)
        for mild, name in _TOLD_ARRAYS:
            arrays[name] = np.array(self._told[mild], np.int64)
        notes["places"] = {
            one.finding.finding_id: [f"{at[0]:x}", at[1], at[2], one.source] for at, one in self._open.items()
        }
        return arrays, notes

    def restore(self, snapshot: Snapshot, notes: Mapping[str, Any], open_findings: Sequence[Finding]) -> None:
        """Take over a snapshot; ValueError names the version when it does not fit."""
        patterns, latest = unpack(snapshot, notes), int(snapshot["latest"][0])
        told = {mild: snapshot[name].tolist() for mild, name in _TOLD_ARRAYS}
        places = [notes["places"][finding.finding_id] for finding in open_findings]
        self._patterns = patterns
        self._names.clear()
        self._held = sum(one.held() for one in patterns.values())
        self._latest = self._judged_before = max(latest, 0)
        self._told = {mild: deque(times, maxlen=_MOST_TOLD) for mild, times in told.items()}
        self._open = {
            (int(key, 16), name, value): _Open(
                one, int(one.evidence.observed), one.start_unix_nano, one.end_unix_nano, source
            )
            for one, (key, name, value, source) in zip(open_findings, places, strict=True)
        }

    def resume_unix_nano(self) -> int:
        """After the newest record looked at; what a clock that is ahead claims is not believed."""
        latest = min(self._latest, self._now + _AHEAD) if self._now else self._latest
        return latest + 1 if latest else 0

    def open_findings(self) -> list[Finding]:
        """Findings that are open now."""
        return [one.finding for one in self._open.values()]


def _nothing(_pattern: int) -> Pattern | None:
    return None


def _no_values(_pattern: int, _line: str) -> Sequence[tuple[str, str]]:
    return ()
