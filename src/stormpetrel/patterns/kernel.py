"""The compiled pass over a batch of lines: skeleton, look-up, counting. Python is asked only about new
skeletons.

What is counted for a pattern stands in one row of `state`; rows are given out by the miner.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.patterns.skeleton import MISS, find, skeleton

ROOT, LINES, FIRST, LAST, MINUTE, IN_MINUTE, SEVERITY, SOURCE, ID, COLUMNS = 0, 1, 2, 3, 4, 5, 6, 13, 14, 15
SEVERITIES = 7  # unknown, trace, debug, info, warn, error, fatal
NEVER = np.iinfo(np.int64).min
NANOS_PER_MINUTE = 60_000_000_000
SAMPLE_EVERY, KEEP_EVERY = 128, 8192  # lines of a source: looked at for values; between two cleanings
SAMPLE_FIRST = 16  # lines of a pattern, and LEARNT lines of a source, are all looked at
FIRST_LOOK, LEARNT = 24, 256  # lines after which the header of a source is guessed, and learnt

DONE, NEW, LOOK, SPILL = 0, 1, 2, 3  # why the pass stopped


@njit(cache=True, nogil=True)
def count(state: NDArray[np.int64], row: int, time: int, severity: int, spill: NDArray[np.int64]) -> None:
    """One line more of a pattern; a finished minute goes to `spill[spill[0, 0]]` (row, minute, lines)."""
    state[row, LINES] += 1
    if state[row, FIRST] == NEVER or time < state[row, FIRST]:
        state[row, FIRST] = time
    state[row, LAST] = max(state[row, LAST], time)
    minute = time // NANOS_PER_MINUTE
    if minute != state[row, MINUTE]:
        if state[row, IN_MINUTE] > 0:
            n = spill[0, 0] + 1
            spill[0, 0] = n
            spill[n, 0], spill[n, 1], spill[n, 2] = row, state[row, MINUTE], state[row, IN_MINUTE]
        state[row, MINUTE], state[row, IN_MINUTE] = minute, 0
    state[row, IN_MINUTE] += 1
    level = 0 if severity == 0 else min((severity - 1) // 4 + 1, SEVERITIES - 1)
    state[row, SEVERITY + level] += 1


@njit(cache=True, nogil=True)
def mine(
    text: tuple[NDArray[np.uint8], NDArray[np.int32]],
    lines: tuple[NDArray[np.int32], NDArray[np.int64], NDArray[np.uint8]],
    place: tuple[int, int, int],
    table: tuple[NDArray[np.int64], NDArray[np.int32]],
    counts: tuple[NDArray[np.int64], NDArray[np.int64]],
    outs: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]],
) -> tuple[int, int, int, int]:
    """Take lines from `place[0]` on until Python is needed.

    Args:
        text: bytes and offsets of an Arrow string array; line k is `bytes[offsets[k]:offsets[k + 1]]`.
        lines: source (index), time_unix_nano and severity number of each line.
        place: first line; the row that Python found for it, or MISS; how many lines there are.
        table: keys and values, see `skeleton.find`. Empty keys: nothing is cached.
        counts: of patterns, int64[rows, COLUMNS], and of lines by source, int64[sources].
        outs: pattern id of each line; finished minutes (see `count`); the skeleton where it stopped.

    Returns:
        Next line, why it stopped, and for NEW the length and hash of the skeleton. LOOK is about the line
        before the next one.
    """
    content, offsets = text
    source, time, severity = lines
    keys, values = table
    state, seen = counts
    ids, spill, out = outs
    k, row, n_lines = place
    while k < n_lines:
        if row == MISS:
            n, h = skeleton(content, offsets[k], offsets[k + 1], source[k], out)
            row = find(keys, values, h)
            if row == MISS:
                return k, NEW, n, h
        row = state[row, ROOT]
        count(state, row, time[k], severity[k], spill)
        ids[k] = state[row, ID]
        seen[source[k]] += 1
        so_far = seen[source[k]]
        if so_far % SAMPLE_EVERY == 0 or so_far <= LEARNT or state[row, LINES] <= SAMPLE_FIRST:
            return k + 1, LOOK, 0, 0
        k += 1
        row = MISS
        if spill[0, 0] >= len(spill) - 2:
            return k, SPILL, 0, 0
    return k, DONE, 0, 0


@njit(cache=True, nogil=True)
def mine_one(
    text: NDArray[np.uint8],
    line: tuple[int, int, int],
    table: tuple[NDArray[np.int64], NDArray[np.int32]],
    counts: tuple[NDArray[np.int64], NDArray[np.int64]],
    spill: NDArray[np.int64],
    out: NDArray[np.uint8],
) -> int:
    """`mine` for one line (source, time, severity); MISS, and nothing done, where Python is needed."""
    source, time, severity = line
    keys, values = table
    state, seen = counts
    so_far = seen[source] + 1
    if so_far % SAMPLE_EVERY == 0 or so_far <= LEARNT or spill[0, 0] >= len(spill) - 3:
        return MISS  # all fixed numbers of lines are among these
    _, h = skeleton(text, 0, len(text), source, out)
    row = find(keys, values, h)
    if row == MISS:
        return MISS
    row = state[row, ROOT]
    if state[row, LINES] < SAMPLE_FIRST:
        return MISS
    count(state, row, time, severity, spill)
    seen[source] = so_far
    return int(state[row, ID])
