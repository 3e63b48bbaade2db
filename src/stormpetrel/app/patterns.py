"""The patterns of one installation: one miner, asked by several threads, in turn."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import pyarrow as pa
import structlog

from stormpetrel.app.registry import MINERS, load_all
from stormpetrel.model.pattern import Alias, MinerSizes, Pattern
from stormpetrel.model.signal import LOG_SCHEMA, LogBatch
from stormpetrel.patterns.lines import LineSources
from stormpetrel.ports.algorithms import LogMiner

T = TypeVar("T")
log = structlog.get_logger(__name__)
_COLUMN = LOG_SCHEMA.get_field_index("pattern")


def build_miner() -> LogMiner:
    """The installed miner; of several the first by name."""
    miner: LogMiner = next(iter(load_all(MINERS).values()))()
    return miner


class PatternBook:
    """Gives log records their patterns, and answers about them. Thread-safe: one caller at a time.

    `mine` belongs to whoever stores records, in the order in which they are stored. What it costs is less
    than a microsecond a record, where most are of patterns that are known.
    """

    def __init__(self, miner: LogMiner | None = None) -> None:
        self._miner = miner or build_miner()
        self._sources = LineSources()
        self._lock = threading.Lock()
        self.failures_total = 0

    def mine(self, batch: LogBatch) -> LogBatch:
        """The batch with the ids of its patterns."""
        if not len(batch):
            return batch
        try:
            lines = self._sources.lines(batch)
            with self._lock:
                mined = self._miner.update(lines)
        # Records without a pattern are stored and found all the same: a defect here must not refuse them.
        except Exception:  # logged and counted; the records go on
            self.failures_total += 1
            log.exception("mining_failed", records=len(batch))
            return batch
        columns = list(batch.records.columns)
        columns[_COLUMN] = pa.array(mined.pattern, pa.int64())
        return LogBatch(pa.RecordBatch.from_arrays(columns, schema=LOG_SCHEMA))

    def _ask(self, question: Callable[[LogMiner], T]) -> T:
        with self._lock:
            return question(self._miner)

    def find(self, pattern: int) -> Pattern | None:
        """What is known of a pattern by an id of any age; None where it was let go."""
        return self._ask(lambda miner: miner.find(pattern))

    def values(self, pattern: int, line: str) -> Sequence[tuple[str, str]]:
        """The variables of a line of a pattern."""
        return self._ask(lambda miner: miner.values(pattern, line))

    def resolve(self, patterns: Iterable[int]) -> dict[int, int]:
        """What ids of any age are called today."""
        return self._ask(lambda miner: {one: miner.resolve(one) for one in patterns})

    def describe(self, patterns: Iterable[int]) -> dict[int, Pattern]:
        """What is known of many, by ids of today; those that were let go are missing."""
        return self._ask(lambda miner: dict(miner.describe(frozenset(patterns))))

    def named(self, pattern: int) -> tuple[int, ...]:
        """All ids under which records of this pattern may have been stored, the newest one first."""
        return self._ask(lambda miner: _named(miner, pattern))

    def aliases(self, since: int = 0) -> list[Alias]:
        """The log of what became of ids."""
        return self._ask(lambda miner: miner.aliases(since))

    def sizes(self) -> MinerSizes:
        """How much is held."""
        return self._ask(lambda miner: miner.sizes())

    def snapshot(self) -> dict[str, Any]:
        """The state as plain data; holds up mining meanwhile, about 50 ms for a thousand patterns."""
        return self._ask(lambda miner: {"miner": miner.name, "state": miner.snapshot()})

    def forget(self) -> None:
        """Begin anew: nothing is known."""
        with self._lock:
            self._miner = type(self._miner)()

    def births(self, source: str) -> list[tuple[int, int, bool]]:
        """Id, first sighting and whether it was logged as an error, of every pattern of a source."""
        return self._ask(lambda miner: miner.births(source))

    def restore(self, plain: Mapping[str, Any]) -> None:
        """Take over a snapshot.

        Raises:
            ValueError: another miner, or another version of it, wrote it.
        """
        if plain.get("miner") != self._miner.name:
            raise ValueError(
                f"patterns of the miner {plain.get('miner')!r}, this one is {self._miner.name!r}"
            )
        self._ask(lambda miner: miner.restore(plain["state"]))


def _named(miner: LogMiner, pattern: int) -> tuple[int, ...]:
    now = miner.resolve(pattern)
    old = {alias.old for alias in miner.aliases()}
    return (now, *sorted(one for one in old if one != now and miner.resolve(one) == now))
