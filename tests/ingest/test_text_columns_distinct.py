"""Texts that repeat are asked about once; whatever they are, what is found is the same."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from stormpetrel.ingest.redact import Redactor, scan_batch
from stormpetrel.ingest.text_columns import over_distinct
from stormpetrel.ingest.trace_ids import with_trace_ids
from stormpetrel.model.columns import build_logs

ATTRIBUTES = (
    '{"pod":"a"}', '{"pod":"b"}', '{"password":"hunter2"}', '{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}',
)  # fmt: skip


def test_repeating_texts_are_asked_about_once_and_others_as_they_are() -> None:
    asked: list[int] = []

    def ask(texts: pa.Array) -> NDArray[np.uint32]:
        asked.append(len(texts))
        return np.array([len(text or "none") for text in texts.to_pylist()], np.uint32)

    assert over_distinct(pa.array(["a", "bb", None] * 200), ask).tolist() == [1, 2, 4] * 200
    assert over_distinct(pa.array([str(k) for k in range(1000)]), ask)[-1] == 3
    assert over_distinct(pa.array(["a"] * 10), ask).tolist() == [1] * 10
    assert over_distinct(pa.array(["x", *["a", "bb"] * 500]).slice(1), ask).tolist() == [1, 2] * 500
    assert asked == [3, 1000, 10, 2]


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


PARTS = (
    "password=hunter2", "a@b.example", "trace_id=4bf92f3577b34da6a3ce929d0e0e4736",
    "span-id: 00f067aa0ba902b7", "tracer of a spanning id", "ey", "@", "=", "",
    "traceparent=00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "4111 1111 1111 1111",
    "Authorization: Bearer abcdefgh12345678", "GET /cart 200", "größe",
)  # fmt: skip


@settings(deadline=None, max_examples=150)
@given(
    st.lists(st.lists(st.sampled_from(PARTS), max_size=4).map(" ".join), min_size=1, max_size=5),
    st.sampled_from([1, 300]),
)
def test_one_look_for_both_finds_what_a_look_for_each_and_each_text_alone_do(
    lines: list[str], times: int
) -> None:
    batch = build_logs(list(range(len(lines) * times)), lines * times, source="s")
    found = scan_batch(batch)
    traced = with_trace_ids(batch, found)
    assert traced.records.equals(with_trace_ids(batch).records)
    redactor = Redactor()
    redacted = redactor.batch(traced, found).records
    assert redacted.equals(redactor.batch(traced).records)
    assert redacted.column("body").to_pylist() == [redactor.text(line) for line in lines] * times
