"""Lines of a Loki push as columns, and the log batch that becomes of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from stormpetrel.ingest.loki_streams import Stream, level_of
from stormpetrel.ingest.severity_lines import fill_severities
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.ingest.text_columns import repeat_text
from stormpetrel.model.columns import build_logs
from stormpetrel.model.signal import LogBatch

# Loki refuses longer lines by default too (limits_config: max_line_size).
MAX_LINE_BYTES = 256 << 10
MAX_METADATA = 128
MAX_METADATA_BYTES = 64 << 10

_TRACE_NAMES = ("trace_id", "traceid", "traceID", "traceId", "trace.id")
_SPAN_NAMES = ("span_id", "spanid", "spanID", "spanId", "span.id")
_HEX = frozenset("0123456789abcdef")


@dataclass(slots=True)
class LokiLines:
    """What was read of a push: streams, and the lines of all of them in one row of columns.

    Attributes:
        streams: n streams, or the reason why one is refused.
        counts: lines of each stream, int64[n]; they follow each other in the columns.
        time_unix_nano: int64[rows].
        line: text[rows], without nulls.
        keep: bool[rows], false for what is refused; it is counted in `tally` already.
        metadata: structured metadata by row, of the rows that have some.
    """

    streams: list[Stream | str]
    counts: NDArray[np.int64]
    time_unix_nano: NDArray[np.int64]
    line: pa.Array
    keep: NDArray[np.bool_]
    tally: RejectTally
    metadata: dict[int, dict[str, str]] = field(default_factory=dict)


def build_batch(
    read: LokiLines, source: str, token: int, limit: int, received_unix_nano: int
) -> LogBatch | None:
    """The lines as log records; None when none is left.

    What streams say is repeated as whole columns; only lines with structured metadata are looked at one by
    one.

    Raises:
        TooLargeError: the labels, repeated for each line, exceed `limit` bytes.
    """
    _refuse_streams(read)
    _refuse_long_lines(read)
    known = [one if isinstance(one, Stream) else _REFUSED for one in read.streams]
    counts = read.counts
    severity = np.repeat(np.array([one.severity for one in known], np.uint8), counts)
    extras = _read_metadata(read, known, severity)
    fill_severities(read.line, severity)
    logs = build_logs(
        read.time_unix_nano,
        read.line,
        source=source,
        observed_unix_nano=received_unix_nano,
        entity=repeat_text([one.entity for one in known], counts, limit),
        severity_number=severity,
        attributes=_replaced(repeat_text([one.attributes for one in known], counts, limit), extras, 0),
        trace_id=_replaced(_empty_texts(len(severity)), extras, 1),
        span_id=_replaced(_empty_texts(len(severity)), extras, 2),
        request_token=token,
    )
    if read.keep.all():
        return logs if len(logs) else None
    return LogBatch(logs.records.filter(pa.array(read.keep))) if read.keep.any() else None


_REFUSED = Stream({}, "", "{}", 0)


def _refuse_streams(read: LokiLines) -> None:
    ends = np.cumsum(read.counts)
    for position, stream in enumerate(read.streams):
        if isinstance(stream, str):
            rows = slice(int(ends[position] - read.counts[position]), int(ends[position]))
            read.tally.add(stream, int(read.keep[rows].sum()))
            read.keep[rows] = False


def _refuse_long_lines(read: LokiLines) -> None:
    lengths = pc.binary_length(read.line).to_numpy(zero_copy_only=False)
    if len(lengths) and lengths.max() > MAX_LINE_BYTES:
        long = (lengths > MAX_LINE_BYTES) & read.keep
        read.tally.add("line_too_long", int(long.sum()), f"more than {MAX_LINE_BYTES} bytes")
        read.keep &= ~long


# Attributes, trace id and span id of a row.
_Extra = tuple[str, str, str]


def _read_metadata(read: LokiLines, streams: list[Stream], severity: NDArray[np.uint8]) -> dict[int, _Extra]:
    """What structured metadata says, by row; sets severities, and refuses what is no map of short texts."""
    if not read.metadata:
        return {}
    owner = np.repeat(np.arange(len(streams)), read.counts)
    extras: dict[int, _Extra] = {}
    refused = 0
    for row, pairs in read.metadata.items():
        if not read.keep[row]:
            continue
        if not _acceptable(pairs):
            read.keep[row] = False
            refused += 1
            continue
        extras[row] = _extra(streams[owner[row]], pairs)
        severity[row] = level_of(pairs) or severity[row]
    read.tally.add("bad_metadata", refused, f"structured metadata names at most {MAX_METADATA} short texts")
    return extras


def _acceptable(pairs: object) -> bool:
    if not isinstance(pairs, dict) or len(pairs) > MAX_METADATA:
        return False
    if not all(isinstance(value, str) for value in pairs.values()):
        return False
    return sum(map(len, pairs)) + sum(map(len, pairs.values())) <= MAX_METADATA_BYTES


def _extra(stream: Stream, pairs: dict[str, str]) -> _Extra:
    """Labels win over metadata of the same name, which then is called `…_extracted` as Loki does."""
    rest = {name: value for name, value in pairs.items() if name and value}
    trace, span = _take_id(rest, _TRACE_NAMES, 32), _take_id(rest, _SPAN_NAMES, 16)
    if stream.labels.keys() & rest.keys():
        rest = {name if name not in stream.labels else f"{name}_extracted": v for name, v in rest.items()}
    if not rest:
        return stream.attributes, trace, span
    added = orjson.dumps(rest).decode()
    if stream.attributes == "{}":
        return added, trace, span
    return f"{stream.attributes[:-1]},{added[1:]}", trace, span


def _take_id(pairs: dict[str, str], names: tuple[str, ...], length: int) -> str:
    """Take out the first id that is whole; a shorter one, as of 64-bit traces, gets zeros in front."""
    for name in names:
        text = pairs.get(name, "").lower()
        if len(text) in (16, length) and _HEX.issuperset(text) and text.strip("0"):
            del pairs[name]
            return text.rjust(length, "0")
    return ""


def _empty_texts(rows: int) -> pa.Array:
    return pa.repeat(pa.scalar("", pa.string()), rows)


def _replaced(column: pa.Array, extras: dict[int, _Extra], part: int) -> pa.Array:
    """The column with one part of the extras in their rows."""
    if not extras:
        return column
    mask = np.zeros(len(column), np.bool_)
    rows = sorted(extras)
    mask[rows] = True
    return pc.replace_with_mask(
        column, pa.array(mask), pa.array([extras[row][part] for row in rows], pa.string())
    )
