"""Texts that repeat are asked about once; whatever they are, what is found is the same."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.ingest.redact import Redactor
from stormpetrel.ingest.text_columns import distinct_texts
from stormpetrel.ingest.trace_ids import with_trace_ids
from stormpetrel.model.columns import build_logs

ATTRIBUTES = (
    '{"pod":"a"}', '{"pod":"b"}', '{"password":"hunter2"}', '{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}',
)  # fmt: skip


def test_repeating_texts_come_once_and_others_as_they_are() -> None:
    few = pa.array(["a", "b"] * 500)
    assert sorted(distinct_texts(few).to_pylist()) == ["a", "b"]
    many = pa.array([str(k) for k in range(1000)])
    assert distinct_texts(many) is many
    short = pa.array(["a"] * 10)
    assert distinct_texts(short) is short


@settings(deadline=None, max_examples=30)
@given(st.lists(st.sampled_from(ATTRIBUTES), min_size=1, max_size=6))
def test_what_is_found_does_not_depend_on_repetition(chosen: list[str]) -> None:
    rows = (chosen * 600)[:600]
    batch = build_logs(list(range(600)), ["x"] * 600, source="s", attributes=rows)
    together = Redactor().batch(with_trace_ids(batch)).records
    one_by_one = [
        Redactor().batch(with_trace_ids(build_logs([0], ["x"], source="s", attributes=[row]))).records
        for row in chosen
    ]
    for name in ("attributes", "trace_id"):
        expected = ([one.column(name)[0].as_py() for one in one_by_one] * 600)[:600]
        assert together.column(name).to_pylist() == expected
