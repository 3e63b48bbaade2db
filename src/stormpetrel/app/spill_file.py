"""One insert as one file: what the spill writes, and reads again, perhaps in another process.

    16 hex digits: XXH3-64 of everything after this line
    one line of JSON: {"version", "kind", "token", "sections": [[name, bytes], ...]}
    the sections, one after the other: Arrow IPC streams (compressed with LZ4), series as JSON

A file that was cut off, or changed in a single bit, does not fit its checksum and is not read.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from stormpetrel.app.inserts import KINDS, Insert, RecordInsert, SampleInsert, Signals
from stormpetrel.errors import StormPetrelError
from stormpetrel.model.quality import Quarantined
from stormpetrel.model.signal import (
    LOG_SCHEMA,
    AdmittedMetrics,
    LogBatch,
    MetricBatch,
    MetricKind,
    SeriesInfo,
)

VERSION = 1
_OPTIONS = pa.ipc.IpcWriteOptions(compression="lz4")
_CHECKSUM = 16  # hex digits, and then the end of the line
_KIND_NAMES: dict[type[Signals], str] = {kind: kind.__name__ for kind in KINDS}
_BY_NAME = {name: kind for kind, name in _KIND_NAMES.items()}

Sections = dict[str, bytes]


class SpillDamagedError(StormPetrelError):
    """A spilled insert cannot be read: damaged, or written by another version of this program."""

    reason = "spill_damaged"


def encode(insert: Insert) -> bytes:
    """The whole content of the file."""
    sections = _of_samples(insert) if isinstance(insert, SampleInsert) else _of_records(insert)
    head = {
        "version": VERSION,
        "kind": _KIND_NAMES[insert.kind],
        "token": insert.token,
        "sections": [[name, len(content)] for name, content in sections.items()],
    }
    body = b"".join([orjson.dumps(head), b"\n", *sections.values()])
    return b"%016x\n%b" % (xxhash.xxh3_64_intdigest(body), body)


def decode(content: bytes) -> Insert:
    """The insert that `encode` wrote.

    Raises:
        SpillDamagedError: these are not the bytes that were written, or of another version.
    """
    body = memoryview(content)[_CHECKSUM + 1 :]
    if content[: _CHECKSUM + 1] != b"%016x\n" % xxhash.xxh3_64_intdigest(body):
        raise SpillDamagedError("the checksum does not fit")
    try:
        return _read_checked(content)
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        # The bytes are what was written: the columns have changed since.
        raise SpillDamagedError(f"not what this version writes: {error}") from error


def _read_checked(content: bytes) -> Insert:
    line = content.index(b"\n", _CHECKSUM + 1)
    head: dict[str, Any] = orjson.loads(content[_CHECKSUM + 1 : line])
    if head["version"] != VERSION:
        raise SpillDamagedError(f"version {head['version']}, this program reads {VERSION}")
    sections: Sections = {}
    at = line + 1
    for name, length in head["sections"]:
        sections[name] = content[at : at + length]
        at += length
    return _insert_of(head["kind"], head["token"], sections)


def _insert_of(kind: str, token: str, sections: Sections) -> Insert:
    if _BY_NAME[kind] is MetricBatch:
        return _to_samples(token, sections)
    make: Any = _BY_NAME[kind]
    records = _read(sections["records"])
    if make is LogBatch and "pattern" not in records.schema.names:  # written before patterns were kept
        records = records.append_column(LOG_SCHEMA.field("pattern"), pa.repeat(0, len(records)))
    return RecordInsert(token, make(records))


def _of_records(insert: RecordInsert) -> Sections:
    return {"records": _written(insert.batch.records)}


def _of_samples(insert: SampleInsert) -> Sections:
    admitted, apart = insert.admitted, insert.quarantined
    series = [[s.series, s.metric, s.labels, s.entity, s.source, s.kind.value, s.unit] for s in insert.series]
    return {
        "series": orjson.dumps(series),
        "admitted": _written(_columns(admitted.batch, signal=admitted.signal, resumed=admitted.resumed)),
        "late": _written(_columns(insert.late)),
        "quarantined": _written(_columns(apart.batch, verdict=apart.verdict)),
    }


def _to_samples(token: str, sections: Sections) -> SampleInsert:
    series = tuple(
        SeriesInfo(number, metric, tuple((k, v) for k, v in labels), entity, source, MetricKind(kind), unit)
        for number, metric, labels, entity, source, kind, unit in orjson.loads(sections["series"])
    )
    admitted, apart = _read(sections["admitted"]), _read(sections["quarantined"])
    return SampleInsert(
        token,
        series,
        AdmittedMetrics(_batch(admitted), _array(admitted, "signal"), _array(admitted, "resumed")),
        _batch(_read(sections["late"])),
        Quarantined(_batch(apart), _array(apart, "verdict")),
    )


def _columns(batch: MetricBatch, **more: NDArray[Any]) -> pa.RecordBatch:
    columns = {"series": batch.series, "time": batch.time_unix_nano, "value": batch.value, **more}
    return pa.record_batch({name: pa.array(column) for name, column in columns.items()})


def _batch(records: pa.RecordBatch) -> MetricBatch:
    return MetricBatch(_array(records, "series"), _array(records, "time"), _array(records, "value"))


def _array(records: pa.RecordBatch, name: str) -> NDArray[Any]:
    """A column as an array of its own: compiled code takes no read-only ones."""
    return np.array(records.column(name).to_numpy(zero_copy_only=False))


def _written(records: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, records.schema, options=_OPTIONS) as stream:
        stream.write_batch(records)
    return bytes(sink.getvalue())


def _read(section: bytes) -> pa.RecordBatch:
    table = pa.ipc.open_stream(pa.py_buffer(section)).read_all().combine_chunks()
    batches = table.to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
