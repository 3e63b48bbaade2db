"""Arrow tables into a file that appears whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Protocol

import orjson
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from stormpetrel.errors import StoreFullError, StormPetrelError

_ENOSPC = 28


class TableWriter(Protocol):
    """Writes tables of one schema, then closes."""

    def write_table(self, table: pa.Table) -> None:
        """Append the rows."""
        ...

    def close(self) -> None:
        """Finish the format."""
        ...


class JsonLinesWriter:
    """One JSON object a line, in UTF-8; NaN and infinities become null."""

    def __init__(self, sink: IO[bytes], schema: pa.Schema) -> None:
        self._sink = sink
        self._names = schema.names

    def write_table(self, table: pa.Table) -> None:
        """Append the rows, a few thousand at a time."""
        for batch in table.to_batches(max_chunksize=8192):
            self._sink.write(b"".join(orjson.dumps(row) + b"\n" for row in batch.to_pylist()))

    def close(self) -> None:
        """Nothing to finish."""


def _parquet(sink: IO[bytes], schema: pa.Schema) -> TableWriter:
    writer: TableWriter = pa_parquet.ParquetWriter(sink, schema, compression="zstd")
    return writer


def _csv(sink: IO[bytes], schema: pa.Schema) -> TableWriter:
    writer: TableWriter = pa_csv.CSVWriter(sink, schema)
    return writer


WRITERS: dict[str, Callable[[IO[bytes], pa.Schema], TableWriter]] = {
    ".parquet": _parquet,
    ".csv": _csv,
    ".jsonl": JsonLinesWriter,
}


def write_atomically(target: Path, found: tuple[pa.Schema, Iterator[pa.Table]]) -> int:
    """Write all tables to `target`, which is replaced only when everything is on the device.

    Returns:
        The number of rows.

    Raises:
        StoreFullError: no room is left on the device; nothing was changed.
        StormPetrelError: the file cannot be written; nothing was changed.
    """
    schema, tables = found
    partial = target.with_name(f".{target.name}.partial-{os.getpid()}")
    rows = 0
    try:
        with partial.open("wb") as sink:
            writer = WRITERS[target.suffix](sink, schema)
            for table in tables:
                writer.write_table(table)
                rows += table.num_rows
            writer.close()
            sink.flush()
            os.fsync(sink.fileno())
        partial.replace(target)
    except OSError as error:
        kind = StoreFullError if error.errno == _ENOSPC else StormPetrelError
        raise kind(f"{target} cannot be written: {error.strerror or error}; nothing was changed") from error
    finally:
        partial.unlink(missing_ok=True)
    return rows
