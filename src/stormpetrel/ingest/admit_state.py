"""What the quality gate remembers of a series: 136 bytes, in arrays indexed by series id."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

VERSION = 2
RING = 4  # earlier samples kept beside the newest, to know a retry of several samples again
BYTES_PER_SERIES = 136

# Bits of `flags`.
SEEN = 1  # a sample was accepted, ever
ENDED = 2  # the sender said that the series ended (staleness marker)
RELOADED = 4  # last sample comes from the store after a restart, the interval is not learnt yet

RECORD = np.dtype(
    [
        ("last_time", np.int64),
        ("last_value", np.float64),
        ("interval", np.float32),  # seconds, 0 while unknown
        ("run", np.uint32),  # repeats of the last value so far
        ("magnitude", np.float32),  # the largest |value|, slowly forgotten
        ("log_level", np.float32),  # of log10 of what is judged; see `admit_scale` for this and the next
        ("log_spread", np.float32),
        ("log_quick", np.float32),  # the level of the last few samples
        ("log_last", np.float32),  # of the newest sample
        ("log_step", np.float32),  # mean |step| from one sample to the next
        ("trial_level", np.float32),
        ("trial_step", np.float32),
        ("factor", np.float32),  # log10; 0 while the series is of the size it was
        (
            "moves",
            np.uint16,
        ),  # how many of the `history` samples before the run differed from the one before
        ("history", np.uint16),
        ("flags", np.uint8),
        ("learnt", np.uint8),  # intervals seen, counted up to 3
        ("misses", np.uint8),  # gaps in a row
        ("slot", np.uint8),  # where the ring is written next
        ("sized", np.uint8),  # sizes learnt, counted up to `admit_scale.LEARNT`
        ("trial", np.uint8),  # samples in a row of another size
        ("paced", np.uint8),  # intervals in a row of another length, none of them a gap
        ("spare", np.uint8),
    ]
)


class State(NamedTuple):
    """Arrays by series id: `record` (72 bytes each) and a ring of the `RING` samples before the last."""

    record: NDArray[np.void]
    ring_time: NDArray[np.int64]  # (capacity, RING)
    ring_value: NDArray[np.float64]  # (capacity, RING)


def empty_state(capacity: int) -> State:
    """State of series never seen."""
    return State(
        np.zeros(capacity, RECORD),
        np.full((capacity, RING), np.iinfo(np.int64).min, np.int64),
        np.zeros((capacity, RING), np.float64),
    )


def grown(state: State, needed: int) -> State:
    """The state with room for at least `needed` series, doubling; itself when there is room."""
    capacity = len(state.record)
    if needed <= capacity:
        return state
    while capacity < needed:
        capacity *= 2
    larger = empty_state(capacity)
    for old, new in zip(state, larger, strict=True):
        new[: len(old)] = old
    return larger


def to_snapshot(state: State, size: int) -> dict[str, NDArray[np.generic]]:
    """The first `size` series as plain arrays, copied."""
    arrays: dict[str, NDArray[np.generic]] = {"version": np.array([VERSION], np.int64)}
    for name in RECORD.names or ():
        arrays[name] = state.record[name][:size].copy()
    arrays["ring_time"] = state.ring_time[:size].copy()
    arrays["ring_value"] = state.ring_value[:size].copy()
    return arrays


def from_snapshot(snapshot: Mapping[str, NDArray[np.generic]]) -> tuple[State, int]:
    """The state and its size.

    Raises:
        ValueError: another version, or arrays that do not fit together; names the trouble.
    """
    version = int(np.asarray(snapshot.get("version", np.array([-1])), np.int64)[0])
    if version != VERSION:
        raise ValueError(f"the gate's snapshot has version {version}, this program reads {VERSION}")
    names = [*(RECORD.names or ()), "ring_time", "ring_value"]
    missing = [name for name in names if name not in snapshot]
    if missing:
        raise ValueError(f"the gate's snapshot lacks {', '.join(missing)}")
    size = len(snapshot["last_time"])
    if any(len(snapshot[name]) != size for name in names):
        raise ValueError("the arrays of the gate's snapshot differ in length")
    state = grown(empty_state(1024), size)
    for name in RECORD.names or ():
        state.record[name][:size] = snapshot[name]
    state.ring_time[:size] = snapshot["ring_time"]
    state.ring_value[:size] = snapshot["ring_value"]
    return state, size
