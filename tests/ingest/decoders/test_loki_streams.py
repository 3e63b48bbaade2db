"""Label texts of Loki streams."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.ingest.loki_streams import Stream, describe_text, level_of, parse_labels


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("{}", {}),
        (" { } ", {}),
        ('{a="b"}', {"a": "b"}),
        ('{ a = "b" , c="d", }', {"a": "b", "c": "d"}),
        ("{a=`b\\n`}", {"a": "b\\n"}),
        (r'{a="\"\\\n\t\x41\u00e4\U0001F600\101"}', {"a": '"\\\n\tAä😀A'}),
        (r'{a="\ud800\UFFFFFFFF"}', {"a": "��"}),
        ('{"service.name"="x", b="}"}', {"service.name": "x", "b": "}"}),
        ("", None),
        ("a", None),
        ('{a="b"', None),
        ('{a="b" c="d"}', None),
        ('{="b"}', None),
        ('{a=b}', None),
        ('{a=~"b"}', None),
        ('{a="b}', None),
        ('{1a="b"}', None),
    ],
)  # fmt: skip
def test_label_texts(text: str, labels: dict[str, str] | None) -> None:
    assert parse_labels(text) == labels


@settings(deadline=None)
@given(st.text(max_size=40))
def test_any_value_survives_quoting(value: str) -> None:
    # JSON's escapes are Go's as well, but for surrogate pairs.
    assert parse_labels(f"{{a={json.dumps(value, ensure_ascii=False)}}}") == {"a": value}


@settings(deadline=None)
@given(st.text('{}a="\\`, b', max_size=30))
def test_any_text_is_labels_or_none(text: str) -> None:
    found = parse_labels(text)
    assert found is None or all(name for name in found)


def test_a_long_text_is_read_in_linear_time() -> None:
    assert isinstance(describe_text('{a="' + "\\" * 32_000, ""), str)
    assert isinstance(describe_text("{" + 'a="b",' * 5000, ""), str)
    assert describe_text("{" * 40_000, "") == "labels_too_long"


def test_streams_are_the_same_cached_or_not() -> None:
    long = "x" * 2000
    for text in ('{job="a"}', f'{{job="{long}"}}'):
        one, other = describe_text(text, "t"), describe_text(text, "t")
        assert isinstance(one, Stream)
        assert one == other
        assert json.loads(one.attributes)["loki.tenant"] == "t"
    assert describe_text('{job="a"}', "") != describe_text('{job="a"}', "t")


def test_the_surest_name_of_a_level_wins_if_it_says_one() -> None:
    assert level_of({"severity": "info", "level": "error"}) == 17
    assert level_of({"detected_level": "unknown", "severity": "info"}) == 9
    assert level_of({"level": "high"}) == 0
