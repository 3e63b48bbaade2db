"""Schema drift of a source: a field that vanished from its log records, labels that make ever new series."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import orjson
import xxhash

from stormpetrel.model.signal import LogBatch, SeriesInfo
from stormpetrel.model.time import from_seconds

SAMPLED_RECORDS = 32  # of each batch: every record would cost more than the answer is worth
MAX_FIELDS = 200  # watched per source
SLOW, QUICK = 0.002, 0.04  # weights of one sampled record in a field's usual and present share
USUAL, GONE = 0.9, 0.05  # a field vanished when its share fell from above the one to below the other
LEARNT = 400  # sampled records before anything is told

CHURN_SECONDS = 3600.0
CHURN_LEAST = 200  # new series an hour below which nobody is told
CHURN_SHARE = 0.5  # ... and share of all series of the source
MAX_LABELS = 64
MAX_VALUES = 4096  # counted per label; more is "at least"


@dataclass(slots=True)
class _Field:
    usual: float
    present: float
    usual_then: float = 0.0  # its usual share when it was missing first
    gone_since: int = 0


class FieldDrift:
    """Which fields the records of one source usually carry, and which of them vanished.

    Sees a small sample of each batch. Works for sources whose records are alike; where a field belongs to
    one kind of record among many, its usual share is small and nothing is said. A field that comes back is
    forgotten as vanished at once; one that stays away is the new normal after some 400 sampled records.
    """

    def __init__(self) -> None:
        self._fields: dict[str, _Field] = {}
        self._seen = 0

    def update(self, batch: LogBatch) -> None:
        """Look at some of the records; some 50 microseconds a batch."""
        column = batch.records.column("attributes")
        times = batch.records.column("time_unix_nano")
        step = max(1, len(batch) // SAMPLED_RECORDS)
        for row in range(0, len(batch), step):
            names = _names(column[row].as_py())
            if names is not None:
                self._learn(names, int(times[row].as_py()))

    def _learn(self, names: set[str], now: int) -> None:
        self._seen += 1
        for name in names - self._fields.keys():
            if len(self._fields) < MAX_FIELDS:
                # As if it had been missing from everything before.
                self._fields[name] = _Field(1.0 / self._seen, 0.0)
        for name, entry in list(self._fields.items()):
            here = 1.0 if name in names else 0.0
            entry.usual += max(SLOW, 1.0 / self._seen) * (here - entry.usual)
            entry.present += max(QUICK, 1.0 / self._seen) * (here - entry.present)
            if here:
                entry.gone_since = 0
            elif not entry.gone_since:
                entry.gone_since, entry.usual_then = now, entry.usual
            if entry.usual < 0.001:
                del self._fields[name]

    def vanished(self) -> list[tuple[str, int]]:
        """Names of vanished fields and since when (event time of the first record without)."""
        if self._seen < LEARNT:
            return []
        return [
            (name, entry.gone_since)
            for name, entry in sorted(self._fields.items())
            if entry.present < GONE and entry.usual_then > USUAL and entry.usual > USUAL / 2
        ]


def _names(attributes: str) -> set[str] | None:
    try:
        read = orjson.loads(attributes)
    except orjson.JSONDecodeError:
        return None
    return set(read) if isinstance(read, dict) else None


class LabelChurn:
    """New series of one source over the last hour, and the label that makes them."""

    def __init__(self) -> None:
        self._first = 0
        self._total = 0
        self._recent = 0.0
        self._faded = 0
        self._values: dict[str, set[int]] = {}

    def update(self, infos: Iterable[SeriesInfo], now_unix_nano: int) -> None:
        """These series of the source were seen for the first time."""
        self._first = self._first or now_unix_nano
        self._fade(now_unix_nano)
        for info in infos:
            self._total += 1
            # What a source brings at its start is no churn.
            if now_unix_nano - self._first > from_seconds(CHURN_SECONDS / 4):
                self._recent += 1.0
                for name, value in info.labels:
                    self._count(name, value)

    def _count(self, name: str, value: str) -> None:
        if name not in self._values and len(self._values) >= MAX_LABELS:
            return
        values = self._values.setdefault(name, set())
        if len(values) < MAX_VALUES:
            values.add(xxhash.xxh64_intdigest(value.encode(errors="replace")))

    def churning(self, now_unix_nano: int) -> tuple[int, str, int] | None:
        """(new series lately, the label with the most values, how many) where it is worth telling."""
        self._fade(now_unix_nano)
        if self._recent < max(CHURN_LEAST, CHURN_SHARE * (self._total - self._recent)) or not self._values:
            return None
        label, values = max(self._values.items(), key=lambda entry: (len(entry[1]), entry[0]))
        return round(self._recent), label, len(values)

    def _fade(self, now_unix_nano: int) -> None:
        passed = now_unix_nano - self._faded
        if self._faded and passed > 0:
            self._recent *= 0.5 ** (passed / from_seconds(CHURN_SECONDS / 2))
            if self._recent < 1.0:
                self._values.clear()
        self._faded = max(self._faded, now_unix_nano)


def by_source(infos: Iterable[SeriesInfo]) -> Iterator[tuple[str, list[SeriesInfo]]]:
    """Series grouped by who sends them, in order of first sight."""
    groups: dict[str, list[SeriesInfo]] = {}
    for info in infos:
        groups.setdefault(info.source, []).append(info)
    yield from groups.items()
