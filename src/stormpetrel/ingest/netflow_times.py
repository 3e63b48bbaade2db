"""When a flow began and ended, from whichever elements the exporter chose to say it with.

Sources: RFC 3954 and RFC 7011 (6.1.7 to 6.1.10), elements 21, 22 and 150 to 163 of IANA's registry.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from stormpetrel.ingest.netflow_columns import Numbers, Records
from stormpetrel.ingest.netflow_packet import NO_UPTIME
from stormpetrel.model.time import NANOS_PER_MILLISECOND, NANOS_PER_SECOND

Nanos: TypeAlias = NDArray[np.int64]

_GREATEST = (1 << 63) - 1
_NTP_TO_UNIX_SECONDS = 2_208_988_800  # from 1900 to 1970
_DURATIONS = ((161, NANOS_PER_MILLISECOND), (162, 1000))


class Moments(NamedTuple):
    """Of each record: when it was exported (int64, UTC nanoseconds), and its exporter's uptime then in
    milliseconds (int64), `NO_UPTIME` where that is not known."""

    export_unix_nano: Nanos
    uptime_ms: Nanos


def flow_times(records: Records, moments: Moments) -> tuple[Nanos, Nanos]:
    """Start and end of each record in nanoseconds; the time of the export where nothing is said.

    Of several elements the finest absolute one holds. An uptime counts modulo 2^32 ms from the export, so
    that it is exact across its wrap after 49.7 days. A start after its end changes places with it.
    """
    start = _absolute(records, (156, 154, 152, 150), moments)
    end = _absolute(records, (157, 155, 153, 151), moments)
    if start is None and end is None and records.has(21, 22):
        start, end = _by_uptime(records, moments)
    if start is None and end is None:
        start, end = _before_export(records, 158, moments), _before_export(records, 159, moments)
    if end is None:
        end = moments.export_unix_nano if start is None else start + _duration(records)
    if start is None:
        start = end - _duration(records)
    return np.minimum(start, end), np.maximum(start, end)


def _scaled(nanos: int) -> Callable[[Numbers], Numbers]:
    greatest = np.uint64(_GREATEST // nanos)
    return lambda values: np.minimum(values, greatest) * np.uint64(nanos)


def _ntp(values: Numbers) -> Numbers:
    """An NTP timestamp: seconds since 1900 and a fraction of 32 bits; before 1970 is 0."""
    seconds, fraction = values >> np.uint64(32), values & np.uint64(0xFFFF_FFFF)
    since = np.where(seconds >= _NTP_TO_UNIX_SECONDS, seconds - np.uint64(_NTP_TO_UNIX_SECONDS), 0)
    return since.astype(np.uint64) * np.uint64(NANOS_PER_SECOND) + (
        fraction * np.uint64(NANOS_PER_SECOND) >> np.uint64(32)
    )


_TO_NANOS: dict[int, Callable[[Numbers], Numbers]] = {
    **dict.fromkeys((154, 155, 156, 157), _ntp),
    **dict.fromkeys((152, 153), _scaled(NANOS_PER_MILLISECOND)),
    **dict.fromkeys((150, 151), _scaled(NANOS_PER_SECOND)),
}


def _absolute(records: Records, elements: tuple[int, ...], moments: Moments) -> Nanos | None:
    """The first of these elements that the records have; a time of 0 counts as not said."""
    for element in elements:
        values = records.number(element)
        if values is not None:
            nanos = _TO_NANOS[element](values).astype(np.int64)
            return np.where(nanos > 0, nanos, moments.export_unix_nano)
    return None


def _by_uptime(records: Records, moments: Moments) -> tuple[Nanos, Nanos]:
    first, last = records.number(22), records.number(21)
    first = last if first is None else first
    last = first if last is None else last
    if first is None or last is None:  # one of them has more than 8 bytes
        return moments.export_unix_nano, moments.export_unix_nano
    # Without an uptime all that is known is how long the flow took: it ends with the export.
    uptime = np.where(moments.uptime_ms != NO_UPTIME, moments.uptime_ms, last.astype(np.int64))
    export = moments.export_unix_nano
    return _since(export, uptime, first), _since(export, uptime, last)


def _since(export: Nanos, uptime_ms: Nanos, value: Numbers) -> Nanos:
    """The moment at an uptime of `value`: its distance from the present uptime, as a signed 32-bit number."""
    age = (uptime_ms - value.astype(np.int64)).astype(np.uint32).view(np.int32)
    return export - age.astype(np.int64) * NANOS_PER_MILLISECOND


def _before_export(records: Records, element: int, moments: Moments) -> Nanos | None:
    """Elements 158 and 159 say how many microseconds before the export."""
    values = records.number(element)
    if values is None:
        return None
    return moments.export_unix_nano - (values & np.uint64(0xFFFF_FFFF)).astype(np.int64) * 1000


def _duration(records: Records) -> Nanos:
    for element, nanos in _DURATIONS:
        values = records.number(element)
        if values is not None:
            return (values & np.uint64(0xFFFF_FFFF)).astype(np.int64) * nanos
    return np.zeros(len(records), np.int64)
