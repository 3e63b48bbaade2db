"""Labelled metric files: finding them, and reading measurements and labels apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from stormpetrel.errors import ConfigError
from stormpetrel.model.time import NANOS_PER_SECOND

_SPLITS = frozenset({"dev", "heldout", "train", "test"})
_NOT_MEASURED = frozenset({"timestamp", "label", "is_test"})
ROW_SECONDS = 60  # a file without timestamps is read as one row a minute


@dataclass(frozen=True, slots=True)
class SeriesFile:
    """One file: its data set (the folder it is in, split folders left out) and its name."""

    dataset: str
    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Measured:
    """What a detector may see of a file.

    Attributes:
        time_unix_nano: int64[n].
        values: float64[columns, n].
        timestamp: the file's own timestamp column, or row numbers; int64[n].
    """

    time_unix_nano: NDArray[np.int64]
    values: NDArray[np.float64]
    timestamp: NDArray[np.int64]


def find(data: Path) -> list[SeriesFile]:
    """All Parquet and CSV files below `data` that hold series, by data set and name.

    Files that start with an underscore, and files directly in `data` beside folders (an index), are not
    series. ConfigError when there is none, or when two would write the same prediction.
    """
    folders = any(child.is_dir() for child in data.iterdir())
    found: dict[tuple[str, str], SeriesFile] = {}
    for path in sorted(data.rglob("*")):
        parts = path.relative_to(data).parts
        if path.suffix not in (".parquet", ".csv") or path.name.startswith("_"):
            continue
        if len(parts) == 1 and folders and not _SPLITS.issuperset(_children(data)):
            continue
        kept = [part for part in parts[:-1] if part not in _SPLITS]
        file = SeriesFile("__".join(kept) or data.resolve().name, path.stem, path)
        key = (file.dataset, file.name)
        if key in found:
            raise ConfigError(f"{path} and {found[key].path} are both {key[0]}/{key[1]}; evaluate them apart")
        found[key] = file
    if not found:
        raise ConfigError(f"{data}: no .parquet or .csv series; a file needs `timestamp` and `value` columns")
    return [found[key] for key in sorted(found)]


def _children(data: Path) -> set[str]:
    return {child.name for child in data.iterdir() if child.is_dir()}


def _read(path: Path, columns: list[str] | None = None) -> pa.Table:
    try:
        if path.suffix == ".csv":
            table = pa.csv.read_csv(path)
            return table.select(columns) if columns else table
        return pa.parquet.read_table(path, columns=columns)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise ConfigError(f"{path}: cannot be read as a table: {error}; mend or remove the file") from error


def _names(path: Path) -> list[str]:
    if path.suffix == ".csv":
        return list(_read(path).column_names)
    try:
        return list(pa.parquet.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise ConfigError(f"{path}: cannot be read as Parquet: {error}; mend or remove the file") from error


def measurements(file: SeriesFile) -> Measured:
    """Timestamps and values of a file; the label column is not read."""
    names = _names(file.path)
    measured = [name for name in names if name not in _NOT_MEASURED]
    timed = "timestamp" in names
    if not measured:
        raise ConfigError(f"{file.path}: no column of measurements beside {', '.join(names)}")
    table = _read(file.path, [*(["timestamp"] if timed else []), *measured])
    values = np.stack([_numbers(table, name, file.path) for name in measured])
    timestamp = np.arange(values.shape[1], dtype=np.int64)
    if not timed:
        return Measured(timestamp * (ROW_SECONDS * NANOS_PER_SECOND), values, timestamp)
    timestamp = _numbers(table, "timestamp", file.path).astype(np.int64)
    return Measured(timestamp * NANOS_PER_SECOND, values, timestamp)


def _numbers(table: pa.Table, name: str, path: Path) -> NDArray[np.float64]:
    try:
        numbers: NDArray[np.float64] = table[name].cast(pa.float64()).to_numpy()
    except pa.ArrowException as error:
        raise ConfigError(f"{path}: column {name} is not numeric: {error}") from error
    return numbers


def labels(file: SeriesFile) -> NDArray[np.bool_] | None:
    """The file's label column as a mask, None without one. A file with `is_test` counts only those rows."""
    names = _names(file.path)
    if "label" not in names:
        return None
    return _numbers(_read(file.path, ["label"]), "label", file.path) > 0


def judged_from(file: SeriesFile, rows: int) -> tuple[int, bool]:
    """The first row that counts, and whether that holds for the ranking too.

    A file with `is_test` counts its test rows, for everything; any other counts alarms after 15 % (at
    least 64) of its rows, and ranks them all.
    """
    if "is_test" in _names(file.path):
        test = _numbers(_read(file.path, ["is_test"]), "is_test", file.path) > 0
        return (int(np.argmax(test)) if test.any() else rows), True
    return max(int(0.15 * rows), min(64, rows // 2)), False
