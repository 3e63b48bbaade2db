"""Which label bytes are which series: a hash table that compiled code reads without a lock."""

from __future__ import annotations

import threading

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.native import Number, compiled

# No series has this id: a free slot, and the answer for an unknown key.
UNKNOWN_ID = 0xFFFF_FFFF

# 2^21 entries are 84 MB of slots. Beyond it the table starts anew: senders that spell one label set in
# ever new ways must not grow it for ever.
MAX_ENTRIES = 1 << 21


@compiled
def find(keys: NDArray[np.uint64], ids: NDArray[np.uint32], a: Number, b: Number) -> Number:
    """The id under the 128-bit key, or `UNKNOWN_ID`; linear probing, the size is a power of two."""
    mask = np.uint64(len(ids) - 1)
    slot = a & mask
    while ids[slot] != UNKNOWN_ID:
        if keys[slot, 0] == a and keys[slot, 1] == b:
            return np.int64(ids[slot])
        slot = (slot + np.uint64(1)) & mask
    return np.int64(UNKNOWN_ID)


@compiled
def _insert(
    keys: NDArray[np.uint64],
    ids: NDArray[np.uint32],
    new_keys: NDArray[np.uint64],
    new_ids: NDArray[np.uint32],
) -> int:
    """Put entries into a table with room for them; keys that are there stay. Returns how many were new."""
    mask = np.uint64(len(ids) - 1)
    added = 0
    for i in range(len(new_ids)):
        if new_ids[i] == UNKNOWN_ID or find(keys, ids, new_keys[i, 0], new_keys[i, 1]) != UNKNOWN_ID:
            continue
        slot = new_keys[i, 0] & mask
        while ids[slot] != UNKNOWN_ID:
            slot = (slot + np.uint64(1)) & mask
        keys[slot, 0] = new_keys[i, 0]
        keys[slot, 1] = new_keys[i, 1]
        ids[slot] = new_ids[i]
        added += 1
    return added


class LabelTable:
    """128-bit hashes of label bytes to series ids: open addressing, at most half full.

    Readers take `arrays` and need no lock: a slot is written once, an id is never changed, and a reader
    that sees a half-written slot or an array from before a growth just does not find the key, which costs
    the slow path and nothing else. Writers take the lock.

    Args:
        max_entries: the bound; when it is reached the table is emptied.
    """

    def __init__(self, max_entries: int = MAX_ENTRIES) -> None:
        self._lock = threading.Lock()
        self._max_entries = max_entries
        self._count = 0
        self._arrays = _empty(1024)

    def __len__(self) -> int:
        return self._count

    @property
    def arrays(self) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
        """Keys uint64[slots, 2] and ids uint32[slots], for `find`."""
        return self._arrays

    def insert(self, keys: NDArray[np.uint64], ids: NDArray[np.uint32]) -> None:
        """Learn keys uint64[n, 2] with their ids uint32[n]; `UNKNOWN_ID` is skipped. O(n) amortised."""
        with self._lock:
            wanted = self._count + len(ids)
            if wanted > self._max_entries:
                self._count, wanted = 0, len(ids)
                self._arrays = _empty(1024)
            if 2 * wanted > len(self._arrays[1]):
                old_keys, old_ids = self._arrays
                grown = _empty(1 << (2 * wanted).bit_length())
                _insert(*grown, old_keys, old_ids)
                self._arrays = grown
            self._count += _insert(*self._arrays, keys, ids)


def _empty(slots: int) -> tuple[NDArray[np.uint64], NDArray[np.uint32]]:
    return np.zeros((slots, 2), np.uint64), np.full(slots, UNKNOWN_ID, np.uint32)
