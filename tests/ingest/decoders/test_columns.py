"""Batches from columns: single values hold for every row, lengths and texts are checked."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from stormpetrel.model.columns import build_logs, build_spans


def test_single_values_hold_for_every_row_and_arrays_are_taken_as_they_are() -> None:
    logs = build_logs(
        np.array([1, 2, 3]),
        pa.array(["a", "b", "c"]),
        source="file",
        severity_number=np.array([9, 13, 17], np.int64),
        entity=["x", "y", "z"],
        request_token=2**64 - 1,
    )
    assert logs.records.to_pylist()[1] == {
        "time_unix_nano": 2,
        "observed_unix_nano": 2,
        "entity": "y",
        "source": "file",
        "severity_number": 13,
        "body": "b",
        "attributes": "{}",
        "trace_id": "",
        "span_id": "",
        "request_token": 2**64 - 1,
        "pattern": 0,
    }
    spans = build_spans(5, [6, 7], "n", "t", "s", kind=[1, 2], source="otlp")
    assert spans.records["start_unix_nano"].to_pylist() == [5, 5]
    assert spans.records["kind"].to_pylist() == [1, 2]


def test_no_rows_and_one_row() -> None:
    assert len(build_logs([], [], source="s")) == 0
    assert len(build_logs(1, "only", source="s")) == 1


def test_columns_of_different_lengths_and_broken_texts_are_refused() -> None:
    with pytest.raises(ValueError, match="differ in length"):
        build_logs([1, 2], ["a"], source="s")
    with pytest.raises(ValueError, match="surrogates"):
        build_logs([1], ["\ud800"], source="s")
