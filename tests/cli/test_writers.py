from __future__ import annotations

import errno
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
import pytest

from stormpetrel.cli.writers import write_atomically
from stormpetrel.errors import StoreFullError, StormPetrelError

SCHEMA = pa.schema([("n", pa.int64()), ("text", pa.string()), ("value", pa.float64())])


def parts(count: int = 3) -> Iterator[pa.Table]:
    for part in range(count):
        yield pa.table([[part, part], ['a "b", c', "é\nx"], [0.5, float("nan")]], schema=SCHEMA)


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_all_rows_of_all_parts_in_order(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"x{suffix}"
    assert write_atomically(target, (SCHEMA, parts())) == 6
    if suffix == ".parquet":
        read = pa_parquet.read_table(target).to_pylist()
    elif suffix == ".csv":
        options = pa_csv.ParseOptions(newlines_in_values=True)
        read = pa_csv.read_csv(target, parse_options=options).to_pylist()
    else:
        read = [json.loads(line) for line in target.read_text("utf-8").splitlines()]
        assert read[1]["value"] is None
    assert [row["n"] for row in read] == [0, 0, 1, 1, 2, 2]
    assert {row["text"] for row in read} == {'a "b", c', "é\nx"}
    assert [file.name for file in tmp_path.iterdir()] == [target.name]


@pytest.mark.parametrize("suffix", [".parquet", ".csv", ".jsonl"])
def test_no_rows_are_an_empty_file_of_the_format(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"x{suffix}"
    assert write_atomically(target, (SCHEMA, parts(0))) == 0
    assert target.exists()


class BrokenError(Exception):
    """Not ours."""


@pytest.mark.parametrize(
    ("error", "seen"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), StoreFullError),
        (PermissionError(errno.EACCES, "Permission denied"), StormPetrelError),
        (BrokenError(), BrokenError),
    ],
)
def test_a_failure_in_the_middle_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, error: Exception, seen: type[Exception]
) -> None:
    def failing() -> Iterator[pa.Table]:
        yield from parts(1)
        raise error

    target = tmp_path / "x.csv"
    target.write_text("old")
    with pytest.raises(seen):
        write_atomically(target, (SCHEMA, failing()))
    assert target.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["x.csv"]
