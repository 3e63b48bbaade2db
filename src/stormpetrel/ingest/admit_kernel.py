"""The quality gate's compiled pass: one verdict a sample, in order of arrival.

Compiled with numba (nogil), because the rules are a state machine per series and a batch may hold
several samples of one series. The rules are told in `stormpetrel.ingest.admit`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from stormpetrel.ingest.admit_scale import KEEPS, implausible, remember_size, size_change
from stormpetrel.ingest.admit_state import ENDED, RELOADED, RING, SEEN, State
from stormpetrel.ingest.series import REFUSED_SERIES as REFUSED
from stormpetrel.model.quality import Quality
from stormpetrel.model.signal import STALE_MARKER_BITS as STALE_BITS

GAUGE_CODES_BELOW = 2  # kind codes: 0 unknown, 1 gauge, 2 counter, 3 delta
COUNTER = 2

INTERVALS_NEEDED = 3  # before a silence is judged
MISSES_TO_RELEARN = 3  # gaps in a row: the sender has changed its interval
GAIN = 0.1  # weight of one interval in the running estimate
PACED = 8  # intervals in a row, alike and unlike the estimate, that make a new rate
PACE_RATIO = 1.5  # ... by at least this factor, up or down
CLIP = 4.0  # one interval teaches as if it were at most this many times the estimate
MIN_MOVES = 20  # a series must have moved this often before standing still is remarkable
LEAST_STILL = 30  # repeats below which nothing is called stuck
CHANCE_STILL = -27.6  # log of the chance (1e-12) of as many repeats, from how often it moved
MAX_HISTORY = 4096  # older movement counts half

_GOOD, _NOT_FINITE, _OUT_OF_ORDER = int(Quality.GOOD), int(Quality.NOT_FINITE), int(Quality.OUT_OF_ORDER)
_DUPLICATE, _CONFLICT, _FUTURE = int(Quality.DUPLICATE), int(Quality.CONFLICT), int(Quality.FUTURE)
_TOO_OLD, _RESET, _CARDINALITY = int(Quality.TOO_OLD), int(Quality.COUNTER_RESET), int(Quality.CARDINALITY)
_GAP, _STUCK, _STALE = int(Quality.GAP), int(Quality.STUCK), int(Quality.STALE_MARKER)
_IMPLAUSIBLE, _PACED = int(Quality.IMPLAUSIBLE), int(Quality.INTERVAL_CHANGED)


class Rows(NamedTuple):
    """A batch and what the registry says of its series (`kinds`, `blocked` by series id)."""

    series: NDArray[np.uint32]
    time: NDArray[np.int64]
    value: NDArray[np.float64]
    bits: NDArray[np.int64]  # the same values, bit for bit
    kinds: NDArray[np.uint8]
    blocked: NDArray[np.uint8]


class Bounds(NamedTuple):
    """The limits that hold for this batch."""

    oldest: int
    newest: int
    gap_factor: float
    assumed_interval: float
    stuck_samples: int
    judge_size: bool


class Out(NamedTuple):
    """Answers row by row, and the journal of overwritten state: one entry a row that changed any."""

    verdict: NDArray[np.uint8]
    signal: NDArray[np.float64]
    resumed: NDArray[np.bool_]
    undo_series: NDArray[np.uint32]
    undo_record: NDArray[np.void]
    undo_time: NDArray[np.int64]
    undo_value: NDArray[np.float64]


@njit(nogil=True, cache=True)
def admit_rows(rows: Rows, state: State, bounds: Bounds, out: Out) -> int:
    """Judge every row; returns how many journal entries were written."""
    # Unpacked once: taking an array out of a tuple inside the loop costs a reference count each time.
    series_of, times, values, bits, kinds, blocked = rows
    records, ring_time, ring_value = state
    verdicts, signals, resumptions, undo_series, undo_record, undo_time, undo_value = out
    undo = 0
    for i in range(len(series_of)):
        series = series_of[i]
        if series == REFUSED:
            verdicts[i] = _CARDINALITY
            continue
        if blocked[series] != 0:
            verdicts[i] = blocked[series]
            continue
        time, value = times[i], values[i]
        record = records[series]
        verdict = _refusal(record, time, value, bits[i], bounds)
        if verdict == _OUT_OF_ORDER:
            verdict = _known(state, series, time, value, bounds.oldest)
        ended = verdict == _STALE and _ends(record, time, bounds)
        if verdict == _GOOD or ended:
            slot = record.slot
            undo_series[undo] = series
            undo_record[undo] = records[series]
            undo_time[undo] = ring_time[series, slot]
            undo_value[undo] = ring_value[series, slot]
            undo += 1
        if ended:
            record.flags |= np.uint8(ENDED)
        elif verdict == _GOOD:
            if record.flags & SEEN:
                ring_time[series, record.slot] = record.last_time
                ring_value[series, record.slot] = record.last_value
                record.slot = np.uint8((record.slot + 1) % RING)
            verdict, signals[i], resumptions[i] = _accept(record, time, value, kinds[series], bounds)
        verdicts[i] = verdict
    return undo


@njit(nogil=True, cache=True)
def _refusal(record: Any, time: int, value: float, bits: int, bounds: Bounds) -> int:
    """Why a row is not accepted, as far as its series' record tells; GOOD when nothing speaks against it."""
    if bits == STALE_BITS:
        return _STALE
    if not np.isfinite(value):
        return _NOT_FINITE
    if time > bounds.newest:
        return _FUTURE
    if record.flags & SEEN and time <= record.last_time:
        if time < record.last_time:
            return _OUT_OF_ORDER
        return _DUPLICATE if _same(value, record.last_value) else _CONFLICT
    verdict = _TOO_OLD if time < bounds.oldest else _GOOD
    if verdict == _GOOD and bounds.judge_size and record.flags & SEEN and implausible(record, value):
        verdict = _IMPLAUSIBLE
    return verdict


@njit(nogil=True, cache=True)
def _known(state: State, series: int, time: int, value: float, oldest: int) -> int:
    """A row behind its series' newest: one of the samples before, sent again, or another one."""
    for k in range(RING):
        if state.ring_time[series, k] == time:
            return _DUPLICATE if _same(value, state.ring_value[series, k]) else _CONFLICT
    return _TOO_OLD if time < oldest else _OUT_OF_ORDER


@njit(nogil=True, cache=True)
def _same(a: float, b: float) -> bool:
    """Bit for bit among finite numbers: 0.0 and -0.0 differ."""
    return a == b and np.signbit(a) == np.signbit(b)


@njit(nogil=True, cache=True)
def _ends(record: Any, time: int, bounds: Bounds) -> bool:
    """Whether a staleness marker of this time still says something of the series."""
    alive = record.flags & SEEN and not record.flags & ENDED
    return bool(alive and record.last_time <= time and time <= bounds.newest)


@njit(nogil=True, cache=True)
def _accept(record: Any, time: int, value: float, kind: int, bounds: Bounds) -> tuple[int, float, bool]:
    """Take a sample over into the record: its verdict, what is judged of it, and whether it resumed."""
    verdict = _GOOD
    judged = value if kind < GAUGE_CODES_BELOW else np.nan
    resumed = False
    if record.flags & SEEN:
        seconds = (time - record.last_time) * 1e-9
        resumed = bool(record.flags & ENDED) or seconds > gap_bound(record, bounds)
        if kind == COUNTER and value < record.last_value:
            verdict = _RESET
        elif resumed:
            verdict = _GAP
        elif kind >= GAUGE_CODES_BELOW:
            judged = (value - record.last_value if kind == COUNTER else value) / seconds
        if _learn_interval(record, seconds, resumed) and verdict == _GOOD:
            verdict = _PACED
        if _moved(record, value, resumed, bounds.stuck_samples):
            verdict = _STUCK
    if bounds.judge_size:
        change = size_change(record, judged)
        verdict = verdict if change == KEEPS else change
    remember_size(record, value)
    record.last_time = time
    record.last_value = value
    record.flags = np.uint8(SEEN)
    return verdict, judged, resumed


@njit(nogil=True, cache=True)
def gap_bound(record: Any, bounds: Bounds) -> float:
    """Seconds of silence after which what came before is unknown; infinite while nothing is known."""
    if record.learnt >= INTERVALS_NEEDED:
        return bounds.gap_factor * float(record.interval)
    if record.flags & RELOADED:
        return bounds.gap_factor * bounds.assumed_interval
    return np.inf


@njit(nogil=True, cache=True)
def _learn_interval(record: Any, seconds: float, resumed: bool) -> bool:
    """Mean of the first three, then a clipped running mean; true where it is taken anew.

    That is after three gaps in a row, and after `PACED` intervals in a row of another length.
    """
    if record.flags & (ENDED | RELOADED):
        return False
    other = seconds > PACE_RATIO * record.interval or PACE_RATIO * seconds < record.interval
    record.paced = np.uint8(record.paced + 1 if other and not resumed else 0)
    record.misses = np.uint8(record.misses + 1 if resumed else 0)
    estimate = float(record.interval)
    if record.learnt < INTERVALS_NEEDED:
        record.learnt = np.uint8(record.learnt + 1)
        estimate += (seconds - estimate) / record.learnt
    elif record.misses >= MISSES_TO_RELEARN or record.paced >= PACED:
        record.misses = np.uint8(0)
        record.paced = np.uint8(0)
        record.interval = np.float32(seconds)
        return True
    elif record.paced == 0:  # what may be a new rate does not pull at the old one
        estimate += GAIN * (min(seconds, CLIP * estimate) - estimate)
    record.interval = np.float32(estimate)
    return False


@njit(nogil=True, cache=True)
def _moved(record: Any, value: float, resumed: bool, stuck_samples: int) -> bool:
    """Count movement; true on the one sample that makes a moving series stuck."""
    if resumed:  # what lies between is unknown: standing still starts to count anew
        record.run = np.uint32(0)
    if value == record.last_value:
        record.run = np.uint32(min(record.run + 1, 0xFFFF_FFFF))
        used_to_move = record.moves >= MIN_MOVES and 2 * record.moves >= record.history
        return bool(used_to_move and not resumed and record.run == _still(record, stuck_samples))
    history = np.int64(record.history) + np.int64(record.run) + 1
    moves = np.int64(record.moves) + 1
    while history > MAX_HISTORY:
        history //= 2
        moves //= 2
    record.history = np.uint16(history)
    record.moves = np.uint16(moves)
    record.run = np.uint32(0)
    return False


@njit(nogil=True, cache=True)
def _still(record: Any, most: int) -> int:
    """How many repeats are too many to be chance, from the share of samples that moved; at most `most`."""
    rest = max(0.02, 1.0 - float(record.moves) / max(1.0, float(record.history)))
    repeats = 1 + int(CHANCE_STILL / np.log(rest))
    return min(max(repeats, LEAST_STILL), most)


@njit(nogil=True, cache=True)
def undo_rows(state: State, out: Out, count: int) -> None:
    """Put back what `admit_rows` overwrote, newest first."""
    for k in range(count - 1, -1, -1):
        series = out.undo_series[k]
        state.record[series] = out.undo_record[k]
        slot = state.record[series].slot
        state.ring_time[series, slot] = out.undo_time[k]
        state.ring_value[series, slot] = out.undo_value[k]
