"""Text columns from bytes, JSON bodies with bad characters, and request tokens."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest.json_body import parse_json
from stormpetrel.ingest.request_token import request_token
from stormpetrel.ingest.text_columns import gather_text, repeat_text


@settings(deadline=None)
@given(st.binary(max_size=60), st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=8))
def test_spans_become_texts(body: bytes, spans: list[tuple[int, int]]) -> None:
    inside = [(min(a, b, len(body)), min(max(a, b), len(body))) for a, b in spans]
    starts, ends = (np.array([span[i] for span in inside], np.int64) for i in (0, 1))
    column = gather_text(np.frombuffer(body, np.uint8), starts, ends)
    assert column.to_pylist() == [body[a:b].decode("utf-8", "replace") for a, b in inside]
    column.validate(full=True)


def test_texts_are_repeated_as_often_as_is_said() -> None:
    assert repeat_text(["a", "", "ä"], np.array([2, 0, 1]), 4).to_pylist() == ["a", "a", "ä"]
    assert repeat_text([], np.array([], np.int64), 4).to_pylist() == []
    with pytest.raises(TooLargeError):
        repeat_text(["abcd"], np.array([2]), 7)


@settings(deadline=None)
@given(st.recursive(st.text() | st.integers(-(1 << 63), 1 << 63) | st.none(), st.lists, max_leaves=8))
def test_json_says_what_was_said(value: object) -> None:
    assert parse_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\ud83d"', "�"),
        (rb'"\ude00\ud83d x"', "�� x"),
        (rb'"\\ud83d\ud800"', "\\ud83d�"),
        (rb'"\\\ud83d"', "\\�"),
        (b'["\xff"]', ["�"]),
    ],
)
def test_bad_characters_are_replaced(body: bytes, value: object) -> None:
    assert parse_json(body) == value


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 5000, b"NaN", b'"\\ud800', b"\xff"])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError, match="the thing"):
        parse_json(body, "the thing")


def test_tokens_tell_senders_and_bodies_apart() -> None:
    tokens = {request_token(b"x", "a", "b"), request_token(b"x", "ab", ""), request_token(b"y", "a", "b")}
    assert len(tokens) == 3
    assert request_token(b"x", "\ud800") != 0
