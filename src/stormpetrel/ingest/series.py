"""The series registry: labels are interned once, the pipeline moves ids."""

from __future__ import annotations

import dataclasses
import threading
from array import array
from collections.abc import Callable, Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from stormpetrel.model.quality import Quality
from stormpetrel.model.resource import entity_of
from stormpetrel.model.signal import MetricKind, SeriesInfo

# The id of a series that was refused for want of room; admission counts its samples as CARDINALITY.
REFUSED_SERIES = 0xFFFF_FFFF

# Over all sources, whose names senders may choose: some 2 GB with all that is remembered of each.
MAX_SERIES = 1_000_000
# And of their names and labels, of which a series may have many: usual are some 300 bytes. One source may
# fill half of it, so that there is room for another.
MAX_TEXT_BYTES = 512 << 20

_COUNTER_SUFFIXES = ("_total", "_count", "_sum", "_bucket")

# `SeriesRegistry.kind_codes` speaks these numbers, so that compiled code need not know the names.
KIND_CODES: dict[MetricKind, int] = {
    MetricKind.UNKNOWN: 0,
    MetricKind.GAUGE: 1,
    MetricKind.COUNTER: 2,
    MetricKind.DELTA: 3,
}

Key = tuple[str, tuple[tuple[str, str], ...]]


class SeriesRegistry:
    """Gives each distinct (metric, labels) one small dense id, for ever.

    Thread-safe. Ids are given in order of first sight, so the same input gives the same ids. `fresh`
    hands out what the store does not know yet: it must be stored before any sample that uses it.

    A series that a sender later declares with another kind or unit keeps its id and is *blocked*
    (`blocked[id]` holds the verdict) until a person releases it: mixing two meanings in one series is
    how models learn garbage. A kind that was only guessed from the name is no declaration: the first
    real one replaces it. What the store remembers does not say which of both it was, so after `load` a
    kind that the name alone would give counts as guessed again.
    """

    def __init__(
        self,
        max_series_per_source: int = 250_000,
        max_series: int = MAX_SERIES,
        max_text_bytes: int = MAX_TEXT_BYTES,
    ) -> None:
        self._lock = threading.RLock()
        self._ids: dict[Key, int] = {}
        self._infos: list[SeriesInfo] = []
        self._of_metric: dict[str, array[int]] = {}
        self._fresh: dict[int, SeriesInfo] = {}
        self._guessed: set[int] = set()
        self._claims: dict[int, tuple[MetricKind, str]] = {}
        self._per_source: dict[str, int] = {}
        self._max_text = max_text_bytes
        self._text = 0
        self._text_of: dict[str, int] = {}
        self._max_per_source = max_series_per_source
        self._max_series = max(max_series, max_series_per_source)
        self._blocked: NDArray[np.uint8] = np.zeros(1024, np.uint8)
        self._kind_codes: NDArray[np.uint8] = np.zeros(1024, np.uint8)
        self.on_load: list[Callable[[SeriesInfo], None]] = []

    def __len__(self) -> int:
        return len(self._infos)

    @property
    def max_series_per_source(self) -> int:
        """The bound on series per source."""
        return self._max_per_source

    def intern(
        self,
        metric: str,
        labels: Mapping[str, str] | Iterable[tuple[str, str]],
        source: str,
        kind: MetricKind = MetricKind.UNKNOWN,
        unit: str = "",
        entity: str = "",
    ) -> int:
        """The id of a series, new or known; `REFUSED_SERIES` when the source, or the whole, has no room left.

        `kind` UNKNOWN is guessed from the name's suffix (`_total`, `_count`, `_sum`, `_bucket` count);
        an empty `entity` is derived from the labels. An UNKNOWN kind or empty unit never contradicts.
        """
        pairs = labels.items() if isinstance(labels, Mapping) else labels
        key = (metric, tuple(sorted(pairs)))
        with self._lock:
            known = self._ids.get(key)
            if known is not None:
                self._declare(known, kind, unit)
                return known
            if not self._has_room(source, _text_bytes(key)):
                return REFUSED_SERIES
            series = len(self._infos)
            if kind is MetricKind.UNKNOWN:
                kind = _guess(metric)
                self._guessed.add(series)
            info = SeriesInfo(series, metric, key[1], entity or entity_of(dict(key[1])), source, kind, unit)
            self._append(info)
            self._fresh[series] = info
            return series

    def _has_room(self, source: str, text_bytes: int) -> bool:
        return (
            self._per_source.get(source, 0) < self._max_per_source
            and len(self._infos) < self._max_series
            and self._text + text_bytes <= self._max_text
            and self._text_of.get(source, 0) + text_bytes <= self._max_text // 2
        )

    def _append(self, info: SeriesInfo) -> None:
        key = (info.metric, info.labels)
        self._ids[key] = info.series
        self._infos.append(info)
        self._of_metric.setdefault(info.metric, array("I")).append(info.series)
        text = _text_bytes(key)
        self._text += text
        self._text_of[info.source] = self._text_of.get(info.source, 0) + text
        self._per_source[info.source] = self._per_source.get(info.source, 0) + 1
        if len(self._infos) > len(self._blocked):
            self._blocked = np.concatenate([self._blocked, np.zeros_like(self._blocked)])
            self._kind_codes = np.concatenate([self._kind_codes, np.zeros_like(self._kind_codes)])
        self._kind_codes[info.series] = KIND_CODES[info.kind]

    def declare(self, series: int, kind: MetricKind, unit: str = "") -> None:
        """The sender says what a known series is; it may say so after its first samples.

        An unknown or guessed kind and an empty unit are learnt: the series changes and is fresh again.
        Against an earlier declaration the series is blocked (KIND_CHANGED, UNIT_CHANGED). UNKNOWN and
        the empty unit say nothing.

        Raises:
            IndexError: the id was never given.
        """
        with self._lock:
            self._declare(series, kind, unit)

    def _declare(self, series: int, kind: MetricKind, unit: str) -> None:
        info = self._infos[series]
        if kind is MetricKind.UNKNOWN or kind is info.kind:
            kind_learnt = info.kind
        elif series in self._guessed:
            kind_learnt = kind
        else:
            self._block(series, Quality.KIND_CHANGED, kind, unit or info.unit)
            return
        if kind is not MetricKind.UNKNOWN:
            self._guessed.discard(series)
        if unit and info.unit and unit != info.unit:
            self._block(series, Quality.UNIT_CHANGED, kind_learnt, unit)
            return
        # A sender that went back to what it said first: that is what a release now confirms.
        if kind is not MetricKind.UNKNOWN:
            self._claims.pop(series, None)
        self._replace(series, kind_learnt, unit or info.unit)

    def _block(self, series: int, verdict: Quality, kind: MetricKind, unit: str) -> None:
        self._blocked[series] = verdict
        self._claims[series] = (kind, unit)

    def _replace(self, series: int, kind: MetricKind, unit: str) -> None:
        info = self._infos[series]
        if (kind, unit) == (info.kind, info.unit):
            return
        info = dataclasses.replace(info, kind=kind, unit=unit)
        self._infos[series] = self._fresh[series] = info
        self._kind_codes[series] = KIND_CODES[kind]

    def load(self, infos: Iterable[SeriesInfo]) -> None:
        """Take over what the store knows, in order of id, into an empty registry."""
        with self._lock:
            if self._infos:
                raise ValueError("a registry can only be loaded while it is empty")
            for info in infos:
                if info.series != len(self._infos):
                    raise ValueError(
                        f"the stored series are not dense: {info.series} after {len(self._infos)}"
                    )
                self._append(info)
                if info.kind in (MetricKind.UNKNOWN, _guess(info.metric)):
                    self._guessed.add(info.series)

    def fresh(self) -> list[SeriesInfo]:
        """Series not stored yet, or changed since; they stay fresh until `stored` is called with them."""
        with self._lock:
            return list(self._fresh.values())

    def stored(self, infos: list[SeriesInfo]) -> None:
        """These fresh series are in the store now; one that changed meanwhile stays fresh."""
        with self._lock:
            for info in infos:
                if self._fresh.get(info.series) == info:
                    del self._fresh[info.series]

    def info(self, series: int) -> SeriesInfo:
        """What is known of a series; IndexError when the id was never given."""
        return self._infos[series]

    def blocked(self) -> NDArray[np.uint8]:
        """uint8 by series id: 0, or the `Quality` verdict that blocks the series. At least len(self) long."""
        return self._blocked

    def release(self, series: int) -> None:
        """A person says that the changed kind or unit is right: adopt it and let the series in again."""
        with self._lock:
            claim = self._claims.pop(series, None)
            if claim is not None:
                self._guessed.discard(series)
                self._replace(series, *claim)
            self._blocked[series] = 0

    def kind_codes(self) -> NDArray[np.uint8]:
        """uint8 by series id, a number of `KIND_CODES`, kept up to date. At least len(self) long.

        Ask again for every batch: the array is replaced when it grows.
        """
        return self._kind_codes

    def kinds(self, start: int = 0) -> list[MetricKind]:
        """The kinds of the series from id `start` on, in order of id."""
        with self._lock:
            return [info.kind for info in self._infos[start:]]

    def by_source(self) -> dict[str, int]:
        """How many series each source has."""
        with self._lock:
            return dict(self._per_source)

    def of_metric(self, metric: str, start: int = 0) -> list[int]:
        """The ids of all series of a metric, in order of id, from the `start`th on; O(what is returned)."""
        with self._lock:
            found = self._of_metric.get(metric)
            return found[start:].tolist() if found is not None else []

    def search(self, text: str, limit: int, offset: int = 0) -> tuple[list[SeriesInfo], int]:
        """Series whose selector text holds every word of `text` (case-insensitive), and how many there are.

        A linear scan: about 40 ms at 200k series.
        """
        words = text.lower().split()
        with self._lock:
            infos = list(self._infos)
        if not words:
            return infos[offset : offset + limit], len(infos)
        found = [i for i in infos if all(word in i.text().lower() for word in words)]
        return found[offset : offset + limit], len(found)


def _text_bytes(key: Key) -> int:
    """What a series' texts take in memory, without the objects that hold them."""
    metric, labels = key
    texts = [metric, *(text for pair in labels for text in pair)]
    return sum(len(text) if text.isascii() else 4 * len(text) for text in texts)


def _guess(metric: str) -> MetricKind:
    return MetricKind.COUNTER if metric.endswith(_COUNTER_SUFFIXES) else MetricKind.UNKNOWN
