"""Pure algorithms: no I/O, no clock, no global randomness; same input, same output, bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from stormpetrel.model.action import Plan
from stormpetrel.model.facts import Facts
from stormpetrel.model.finding import Finding, Scores
from stormpetrel.model.incident import Incident
from stormpetrel.model.pattern import Alias, LogLines, Mined, MinerSizes, Pattern
from stormpetrel.model.signal import AdmittedMetrics, LogBatch
from stormpetrel.model.verdict import Verdict

Snapshot = Mapping[str, NDArray[np.generic]]


class DetectorBank(Protocol):
    """Judges all series at once, sample by sample in event time, holding state as arrays.

    Contract (run by `stormpetrel.testing.check_detector`): deterministic; `restore(snapshot())` then
    equal answers; memory at most `bytes_per_series` a series, grown on demand; NaN in `signal` scores
    NaN and teaches nothing; a sample not newer than the series' last one scores NaN and teaches nothing;
    warming up scores NaN; every other p-value lies in (0, 1]; scores of one series do not depend on the
    other series in the batch nor on how the input is cut into batches.
    """

    name: str
    version: int
    heads: tuple[str, ...]
    bytes_per_series: int

    def update(self, admitted: AdmittedMetrics) -> Scores:
        """Judge, then learn; O(rows). Series ids index the state arrays directly."""
        ...

    def warming_up(self) -> int:
        """How many series it has seen and cannot judge yet."""
        ...

    def snapshot(self) -> Snapshot:
        """The whole state as plain arrays with the version inside (`version`: int64[1]); copies.

        Every other array has the series along its first axis, so that a restart can put each series'
        state in its place; rows beyond the last series seen may be missing or as new.
        """
        ...

    def restore(self, snapshot: Snapshot) -> None:
        """Take over a snapshot; ValueError names the version when it does not fit."""
        ...


class LogDetector(Protocol):
    """Judges log records in event time. `update` takes records, `advance` closes time windows.

    Both return finding *changes*: new findings, updates (same id), and closed ones.
    """

    name: str
    version: int

    def update(self, batch: LogBatch) -> list[Finding]:
        """Take records, in order of arrival; O(rows)."""
        ...

    def advance(self, now_unix_nano: int) -> list[Finding]:
        """Time has reached `now`: judge and close what is complete."""
        ...


@runtime_checkable
class KnowsAge(Protocol):
    """A bank that knows how much each of its models has learnt from."""

    def samples_learnt(self, series: int) -> int:
        """How many samples the model of a series has learnt from; 0 for one never seen."""
        ...


@runtime_checkable
class LendsScale(Protocol):
    """A bank in which a series that knows its scale can lend it to one that does not."""

    def lend(self, lender: int, borrower: int) -> bool:
        """Give a new series the scales of another until its own are known; False where it cannot."""
        ...


@runtime_checkable
class AsksPatterns(Protocol):
    """A log detector that wants to know what the patterns of records say."""

    def ask(
        self,
        find: Callable[[int], Pattern | None],
        births: Callable[[str], list[tuple[int, int, bool]]],
    ) -> None:
        """From now on `find` tells of a pattern by its id, None of one that was let go; `births` of all
        patterns of a source, see `LogMiner.births`."""
        ...


@runtime_checkable
class ReadsValues(Protocol):
    """A log detector that wants to know the values of the variables in a line."""

    def read(self, values: Callable[[int, str], Sequence[tuple[str, str]]]) -> None:
        """From now on `values` tells names and values of a line by the id of its pattern; see
        `LogMiner.values`. It costs some 30 microseconds: ask it of few lines."""
        ...


@runtime_checkable
class KeepsState(Protocol):
    """A log detector whose state outlives the process. One without it learns from the stored past again."""

    def snapshot(self) -> tuple[Snapshot, dict[str, Any]]:
        """All but what is still being counted: arrays (`version` among them), and the rest as JSON."""
        ...

    def restore(self, snapshot: Snapshot, notes: Mapping[str, Any], open_findings: Sequence[Finding]) -> None:
        """Take over a snapshot with the findings open then; ValueError names a version that misfits."""
        ...

    def resume_unix_nano(self) -> int:
        """Records from this time on have to be given (again) after `restore`; 0: all there are."""
        ...

    def open_findings(self) -> list[Finding]:
        """Findings that are open now."""
        ...


class LogMiner(Protocol):
    """Turns log lines of many sources into patterns, line by line, without configuration.

    Contract (run by `stormpetrel.testing.check_miner`): deterministic; patterns do not depend on how lines
    are cut into batches, and `mine` agrees with `update` on every line; lines of one source have no
    influence on the patterns of another; a source's name has none on their text; `restore(snapshot())`
    anywhere, through JSON, and what follows is the same; an id is never given to two texts, and `resolve`
    leads every id ever given to a live pattern or to one that was evicted; any text at all is taken; memory
    is bounded whatever comes.
    """

    name: str
    version: int

    def update(self, lines: LogLines) -> Mined:
        """Mine a batch, in order; O(bytes)."""
        ...

    def mine(self, text: str, source: str, time_unix_nano: int, severity_number: int = 0) -> int:
        """Mine a single line; returns the id of its pattern."""
        ...

    def resolve(self, pattern: int) -> int:
        """What a pattern id of any age is called today."""
        ...

    def aliases(self, since: int = 0) -> list[Alias]:
        """The log of what became of ids, from a position on; to be appended where it is kept."""
        ...

    def patterns(self, source: str | None = None) -> Iterator[Pattern]:
        """All patterns, or those of one source."""
        ...

    def find(self, pattern: int) -> Pattern | None:
        """What is known of the pattern that an id of any age is now; None when it was let go."""
        ...

    def describe(self, patterns: Collection[int]) -> Mapping[int, Pattern]:
        """What is known of many patterns, by ids of today, without their variables and samples."""
        ...

    def values(self, pattern: int, line: str) -> Sequence[tuple[str, str]]:
        """Names and values of the variables in a line of a pattern, left to right."""
        ...

    def births(self, source: str) -> list[tuple[int, int, bool]]:
        """Id, first sighting and whether it was logged as an error, of every pattern of a source."""
        ...

    def sizes(self) -> MinerSizes:
        """How much is held, and what was let go."""
        ...

    def snapshot(self) -> Mapping[str, Any]:
        """The state as plain data that JSON can hold, with its `version`; copies."""
        ...

    def restore(self, snapshot: Mapping[str, Any]) -> None:
        """Take over a snapshot; ValueError names the version when it does not fit."""
        ...


class Correlator(Protocol):
    """Turns finding changes into incident changes."""

    def update(self, changes: list[Finding], now_unix_nano: int) -> list[Incident]:
        """Take finding changes at event time `now`; returns the incidents that changed, whole."""
        ...

    def advance(self, now_unix_nano: int) -> list[Incident]:
        """Time has reached `now`: resolve what has been quiet for long enough."""
        ...


class Guardrail(Protocol):
    """Says of a plan, from a snapshot of facts, whether it may go on, a person must agree, or it must not be.

    Contract (run by `stormpetrel.testing.check_guardrail`): pure and deterministic; never raises; answers
    every plan; a fact that it needs and that is None is a refusal; making a fact unknown never makes its
    answer milder; a reason of one bounded sentence; only the built-in number 14 may make a plan smaller.
    """

    @property
    def number(self) -> int:
        """Its place in the order; 1 to 20 are the built-in ones."""
        ...

    @property
    def name(self) -> str:
        """In the ledger and on the page."""
        ...

    def judge(self, plan: Plan, facts: Facts) -> Verdict:
        """Its verdict on a plan."""
        ...
