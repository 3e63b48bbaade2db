"""Which earlier incidents are like one: the share of what both have, where rare things count for more.

The score of a pair is the weight of what both have over the weight of what either has (a weighted Jaccard
index). The weight of a feature is its family's times log(1 + N / n): n of N incidents have it (K. Spärck
Jones, A statistical interpretation of term specificity, 1972). So the score is the exact sum of the parts
that are shown. Where one of the two was never diagnosed, what a diagnosis would say is unknown and counts for
neither.

It works on troubles that came before, also on other machines of the same kind. It fails where all incidents
are alike (one machine, one metric), and it knows nothing of what an incident has beyond its bounded
fingerprint.

Cost: 13 bytes a feature, 8 MB for 10,000 incidents; a search through them about 15 ms, without any store.
How often a feature occurs is counted in 2^20 buckets by its hash: two that share one look more frequent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import xxhash
from numpy.typing import NDArray

from stormpetrel.explain.fingerprint import MOST_FEATURES
from stormpetrel.explain.similar_words import words_of
from stormpetrel.model.similar import (
    TOLD_FAMILIES,
    Feature,
    FeatureFamily,
    Fingerprint,
    SharedFeature,
    Similarity,
)

MOST_INCIDENTS = 10_000
FLOOR = 0.4  # few pairs of unlike troubles reach it (`benchmarks/quality/similar.py`)
FAMILY_WEIGHTS: Mapping[FeatureFamily, float] = {
    FeatureFamily.ENTITY: 1.0,
    FeatureFamily.KIND: 0.3,
    FeatureFamily.ROLE: 0.3,
    FeatureFamily.DETECTOR: 0.5,
    FeatureFamily.METRIC: 1.0,
    FeatureFamily.PATTERN: 1.0,
    FeatureFamily.ALERT: 1.0,
    FeatureFamily.FIRST: 0.7,
    FeatureFamily.CLASS: 1.0,
    FeatureFamily.CAUSE: 1.0,
    FeatureFamily.SHOWN: 0.5,
    FeatureFamily.LINE: 1.0,
}
_FAMILIES = tuple(FeatureFamily)
_CODE = {family: code for code, family in enumerate(_FAMILIES, 1)}
# By code of a family, 0 for an empty cell; first where what is told of causes is unknown.
_WEIGHTS = np.array(
    [
        [0.0, *(FAMILY_WEIGHTS[family] * (family not in TOLD_FAMILIES) for family in _FAMILIES)],
        [0.0, *(FAMILY_WEIGHTS[family] for family in _FAMILIES)],
    ]
)
_BUCKETS = 1 << 20


def hash_of(feature: Feature) -> int:
    """64 bits that stand for a feature, never 0."""
    return xxhash.xxh3_64_intdigest(f"{feature.family.value}\0{feature.value}".encode(errors="replace")) or 1


class SimilarIndex:
    """Fingerprints of the incidents that began last, as columns. Not thread-safe.

    Args:
        most: how many are held; beyond it the one that began first goes.
    """

    def __init__(self, most: int = MOST_INCIDENTS) -> None:
        self._most = most
        self._rows: dict[str, int] = {}
        self._ids: list[str] = []
        self._width = 0  # cells beyond were never used
        self._count = np.zeros(_BUCKETS, np.int32)
        self._hash = np.zeros((0, MOST_FEATURES), np.uint64)
        self._bucket = np.zeros((0, MOST_FEATURES), np.int32)
        self._family = np.zeros((0, MOST_FEATURES), np.uint8)
        self._start = np.zeros(0, np.int64)
        self._diagnosed = np.zeros(0, np.bool_)

    def __len__(self) -> int:
        return len(self._ids)

    def put(self, one: Fingerprint) -> None:
        """Insert or replace a fingerprint; one older than all of a full index is not taken. O(features)."""
        row = self._rows.get(one.incident_id, -1)
        if row < 0:
            row = self._room(one)
            if row < 0:
                return
        self._forget(row)
        features = one.features[:MOST_FEATURES]
        hashes = np.array([hash_of(feature) for feature in features], np.uint64)
        used = len(features)
        self._width = max(self._width, used)
        self._hash[row, :used] = hashes
        self._bucket[row, :used] = _buckets(hashes)
        self._family[row, :used] = [_CODE[feature.family] for feature in features]
        np.add.at(self._count, self._bucket[row, :used], 1)
        self._start[row], self._diagnosed[row] = one.start_unix_nano, one.diagnosed

    def _room(self, one: Fingerprint) -> int:
        """A row for a new incident, -1 when it is too old for a full index."""
        row = len(self._ids)
        if row < self._most:
            self._reserve(row + 1)
            self._ids.append(one.incident_id)
        else:
            row = int(self._start[: self._most].argmin())
            if one.start_unix_nano < self._start[row]:
                return -1
            del self._rows[self._ids[row]]
            self._ids[row] = one.incident_id
        self._rows[one.incident_id] = row
        return row

    def _forget(self, row: int) -> None:
        held = self._family[row] > 0
        np.subtract.at(self._count, self._bucket[row, held], 1)
        self._hash[row], self._bucket[row], self._family[row] = 0, 0, 0

    def _reserve(self, size: int) -> None:
        more = max(64, 1 << (size - 1).bit_length()) - len(self._start)
        if size <= len(self._start):
            return
        empty = ((0, more), (0, 0))
        self._hash, self._bucket = np.pad(self._hash, empty), np.pad(self._bucket, empty)
        self._family = np.pad(self._family, empty)
        self._start, self._diagnosed = np.pad(self._start, (0, more)), np.pad(self._diagnosed, (0, more))

    def rename(self, old: Feature, new: Feature) -> None:
        """What was `old` is `new` from now on: a log pattern that goes under another id. O(cells)."""
        size = len(self)
        before, after = np.uint64(hash_of(old)), np.uint64(hash_of(new))
        rows, cells = np.nonzero(self._hash[:size] == before)
        bucket = int(_buckets(np.array([after]))[0])
        for row, cell in zip(rows.tolist(), cells.tolist(), strict=True):
            self._count[self._bucket[row, cell]] -= 1
            if (self._hash[row] == after).any():  # it had both
                self._hash[row, cell], self._bucket[row, cell], self._family[row, cell] = 0, 0, 0
            else:
                self._hash[row, cell], self._bucket[row, cell] = after, bucket
                self._count[bucket] += 1

    def search(self, sought: Fingerprint, most: int = 5, floor: float = FLOOR) -> list[tuple[str, float]]:
        """Incidents that began before and are alike, with scores: the most alike first, then the newest.

        Cost: about 15 ms for 10,000 incidents.
        """
        size = len(self)
        if not size or not sought.features:
            return []
        earlier = self._start[:size] < sought.start_unix_nano
        own = self._rows.get(sought.incident_id)
        if own is not None:
            earlier[own] = False
        rows = np.flatnonzero(earlier)
        scores = self._scores(sought, rows)
        found = np.flatnonzero((scores >= floor) & (scores > 0.0))
        order = np.lexsort((-self._start[rows[found]], -scores[found]))[:most]
        return [(self._ids[rows[one]], float(scores[one])) for one in found[order].tolist()]

    def earlier(self, sought: Fingerprint) -> int:
        """How many other incidents began before."""
        own = self._rows.get(sought.incident_id)
        before = int(np.count_nonzero(self._start[: len(self)] < sought.start_unix_nano))
        return before - int(own is not None and self._start[own] < sought.start_unix_nano)

    def _scores(self, sought: Fingerprint, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """The scores of some rows; of those that share nothing no weight is looked at."""
        hashes = np.array(sorted(hash_of(feature) for feature in sought.features), np.uint64)
        flags = np.zeros(_BUCKETS, np.bool_)
        flags[_buckets(hashes)] = True
        bucket, family = self._bucket[:, : self._width], self._family[:, : self._width]
        shared = flags[bucket[rows]]
        at, cells = np.nonzero(shared)
        shared[at, cells] = np.isin(self._hash[rows[at], cells], hashes)
        some = np.flatnonzero(shared.any(axis=1))
        held = rows[some]
        told = self._diagnosed[held] & sought.diagnosed
        rarity = np.log1p(len(self) / np.maximum(np.arange(len(self) + 2), 1))
        # A feature is at most once in each incident, but others may share its bucket.
        weight = rarity[np.minimum(self._count[bucket[held]], len(self) + 1)]
        weight *= _WEIGHTS[told.astype(np.intp)[:, None], family[held]]
        both = np.einsum("ij,ij->i", weight, shared[some])
        own = np.array([self._total(sought, untold=True), self._total(sought, untold=False)])
        either = weight.sum(axis=1) + own[told.astype(np.intp)] - both
        scores = np.zeros(len(rows))
        scores[some] = np.divide(both, either, out=np.zeros(len(some)), where=either > 0.0)
        return scores

    def _total(self, one: Fingerprint, untold: bool) -> float:
        return math.fsum(self.weight(feature, untold) for feature in one.features)

    def weight(self, feature: Feature, untold: bool = False) -> float:
        """What a feature counts now; `untold`: nothing if only a diagnosis can tell it."""
        if untold and feature.family in TOLD_FAMILIES:
            return 0.0
        bucket = int(_buckets(np.array([hash_of(feature)], np.uint64))[0])
        rarity = math.log1p(len(self) / max(min(int(self._count[bucket]), len(self) + 1), 1))
        return FAMILY_WEIGHTS[feature.family] * rarity

    def compare(self, one: Fingerprint, other: Fingerprint) -> Similarity:
        """The same score for one pair, with its parts in words."""
        untold = not (one.diagnosed and other.diagnosed)
        both, either = set(one.features) & set(other.features), set(one.features) | set(other.features)
        total = math.fsum(self.weight(feature, untold) for feature in either)
        if total <= 0.0:
            return Similarity(0.0, ())
        parts = [
            SharedFeature(feature, words_of(feature), weight / total)
            for feature in both
            if (weight := self.weight(feature, untold)) > 0.0
        ]
        parts.sort(key=lambda part: (-part.weight, part.feature))
        return Similarity(math.fsum(part.weight for part in parts), tuple(parts))


def _buckets(hashes: NDArray[np.uint64]) -> NDArray[np.int32]:
    buckets: NDArray[np.int32] = (hashes & np.uint64(_BUCKETS - 1)).astype(np.int32)
    return buckets
