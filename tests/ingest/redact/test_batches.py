"""Redaction of batches: JSON stays JSON, keys that come line by line, and every column that holds text."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.redact.examples import GONE, PEM, STAYS

from stormpetrel.ingest.redact import JSONS, TEXTS, Redactor
from stormpetrel.ingest.redact_json import MOST_DEPTH, JsonRedactor, kind_of_key
from stormpetrel.ingest.redact_text import OwnPattern, TextRedactor
from stormpetrel.model.columns import build_logs, build_spans
from stormpetrel.model.records import ALERT_SCHEMA, CHANGE_SCHEMA, AlertBatch, ChangeBatch
from stormpetrel.model.signal import LogBatch

TEXT = st.sampled_from([text for text, _ in GONE] + STAYS) | st.text(max_size=10).map(
    lambda text: text.encode("utf-8", "replace").decode()
)
KEYS = st.sampled_from(["password", "a", "user.name", "Authorization", "x-api-key", "tokens"]) | TEXT
TREES: Any = st.recursive(
    TEXT
    | st.integers(-(2**53), 2**53)
    | st.booleans()
    | st.none()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=8,
)


def redacted(tree: Any) -> Any:
    column = pa.array([orjson.dumps(tree).decode()], pa.string())
    return orjson.loads(JsonRedactor(TextRedactor()).column(column)[0].as_py())


def shape(tree: Any) -> Any:
    """The tree without its leaves; a value that a key hides has none."""
    if isinstance(tree, list):
        return [shape(one) for one in tree]
    if isinstance(tree, dict):
        return {key: "" if kind_of_key(key) else shape(one) for key, one in tree.items()}
    return ""


@settings(deadline=None)
@given(st.dictionaries(KEYS, TREES, max_size=4))
def test_json_stays_json_of_the_same_shape_and_twice_is_once(tree: dict[str, Any]) -> None:
    once = redacted(tree)
    assert shape(once) == shape(tree)
    assert redacted(once) == once


@settings(deadline=None)
@given(st.text(max_size=40))
def test_a_string_value_is_redacted_like_a_text(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    for one in (text, f"{text} bob@example.org"):
        assert redacted({"a": [one]}) == {"a": [TextRedactor().text(one)]}


@pytest.mark.parametrize(
    ("tree", "left"),
    [
        ({"password": "x"}, {"password": "[secret]"}),
        ({"db.Password": 1234}, {"db.Password": "[secret]"}),
        ({"credentials": {"user": "a", "key": "b"}}, {"credentials": "[secret]"}),
        (
            {"http.request.header.authorization": ["Bearer x"]},
            {"http.request.header.authorization": "[authorization]"},
        ),
        ({"x-api-key": "abc"}, {"x-api-key": "[secret]"}),
        ({"password": None, "token": True, "secret": ""}, {"password": None, "token": True, "secret": ""}),
        ({"tokens": 512, "token_count": 3}, {"tokens": 512, "token_count": 3}),
        ({"PWD": "/home/x"}, {"PWD": "/home/x"}),
        ({"pan": 4111111111111111, "n": 4111111111111112}, {"pan": "[card]", "n": 4111111111111112}),
        ({"a": {"b": [{"c": "to bob@example.org"}]}}, {"a": {"b": [{"c": "to [mail]"}]}}),
    ],
)
def test_what_goes_inside_json(tree: Any, left: Any) -> None:
    assert redacted(tree) == left


def test_a_clean_row_keeps_its_bytes_and_an_escaped_one_is_understood() -> None:
    rows = [
        '{ "a" : 1.50 , "b":"x@y" }',
        '{"a":"bob\\u0040example.org"}',
        "no json password=x",
        '{"tokens": 1}',
    ]
    out = JsonRedactor(TextRedactor()).column(pa.array(rows, pa.string())).to_pylist()
    assert out == [rows[0], '{"a":"[mail]"}', "no json password=[secret]", rows[3]]


def test_nesting_beyond_the_bound_is_replaced() -> None:
    deep = "[" * 300 + '"bob@example.org"' + "]" * 300
    (out,) = JsonRedactor(TextRedactor()).column(pa.array([deep], pa.string())).to_pylist()
    assert "bob" not in out
    assert json.loads(out)
    assert out == "[" * MOST_DEPTH + '"[too_deep]"' + "]" * MOST_DEPTH


def test_own_patterns_reach_into_json() -> None:
    redactor = JsonRedactor(TextRedactor(patterns=[OwnPattern("customer", "K-[0-9]{6}")]))
    assert redactor.column(pa.array(['{"a":"K-123456"}'])).to_pylist() == ['{"a":"[customer]"}']


def logs(bodies: list[str], source: str = "f") -> LogBatch:
    return build_logs(list(range(1, len(bodies) + 1)), bodies, source=source)


def bodies(redactor: Redactor, batch: LogBatch) -> list[str]:
    out: list[str] = redactor.batch(batch).records.column("body").to_pylist()
    return out


def test_a_key_that_comes_line_by_line_goes_whole() -> None:
    lines = ["before", *PEM.split("\n"), "after abc"]
    assert bodies(Redactor(), logs(lines)) == ["before", *["[private_key]"] * 4, "after abc"]


def test_a_key_may_come_in_several_batches_among_other_sources() -> None:
    redactor, lines = Redactor(), PEM.split("\n")
    out = []
    for line in lines:
        assert bodies(redactor, logs(["k2xO"], "another")) == ["k2xO"]
        out += bodies(redactor, logs([line]))
    assert out == ["[private_key]"] * 4
    assert bodies(redactor, logs(["k2xO"])) == ["k2xO"]
    assert redactor.counts() == {"private_key": 4}


def test_a_key_without_end_ends_with_the_first_line_that_is_none() -> None:
    begin = PEM.split("\n")[0]
    assert bodies(Redactor(), logs([begin, "MIIE", "10:15 all is well", "MIIE"])) == [
        "[private_key]", "[private_key]", "10:15 all is well", "MIIE",
    ]  # fmt: skip
    endless = bodies(Redactor(), logs([begin, *["MIIE"] * 1000]))
    assert endless.count("MIIE") > 500


def test_a_clean_batch_is_the_same_batch() -> None:
    batch = logs(STAYS)
    assert Redactor().batch(batch) is batch


def test_spans_alerts_and_changes() -> None:
    secret, json_text = "password=x", '{"password":"x"}'
    spans = build_spans([1], [2], f"GET /?{secret}", "a" * 32, "b" * 16, attributes=json_text)
    for batch, schema in (
        (AlertBatch, ALERT_SCHEMA),
        (ChangeBatch, CHANGE_SCHEMA),
    ):
        values = {
            f.name: [1] if pa.types.is_integer(f.type) else [json_text if f.name in JSONS[batch] else secret]
            for f in schema
        }
        made = batch(pa.RecordBatch.from_pydict(values, schema=schema))
        out = Redactor().batch(made).records.to_pydict()
        assert [out[name] for name in TEXTS[batch]] == [["password=[secret]"]] * len(TEXTS[batch])
        assert [out[name] for name in JSONS[batch]] == [['{"password":"[secret]"}']] * len(JSONS[batch])
        assert out["source"] == [secret], "who says it stays as it is"
    out = Redactor().batch(spans).records.to_pydict()
    assert out["name"] == ["GET /?password=[secret]"]
    assert out["attributes"] == ['{"password":"[secret]"}']
