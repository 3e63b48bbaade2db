"""The folds of the metrics benchmark: whole series, each held out once, every data set in every fold."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from benchmarks.quality import _folds, _recordings


def test_each_series_is_held_out_once_and_each_set_is_in_each_fold(tmp_path: Path) -> None:
    for dataset in ("shop", "bank"):
        (tmp_path / dataset).mkdir()
        for k in range(7):
            columns = {"timestamp": 60 * np.arange(100), "value": np.ones(100), "label": np.zeros(100, int)}
            pq.write_table(pa.table(columns), tmp_path / dataset / f"s{k}.parquet")
    recordings = _recordings.read(tmp_path)
    parts = _folds.folds(recordings)
    assert sorted(k for part in parts for k in part) == list(range(14))
    assert parts == _folds.folds(recordings)
    for part in parts:
        assert {recordings[k].file.dataset for k in part} == {"shop", "bank"}


def test_more_false_alarms_than_allowed_are_never_chosen() -> None:
    calm = {"alarm_f1": 0.5, "nab": 50.0, "false_per_series_day": _recordings.MOST_FALSE}
    loud = {"alarm_f1": 0.7, "nab": 70.0, "false_per_series_day": _recordings.MOST_FALSE + 0.01}
    assert _folds.worth(calm) > _folds.worth(loud)
    assert _folds.worth({**calm, "nab": 51.0}) > _folds.worth(calm)
