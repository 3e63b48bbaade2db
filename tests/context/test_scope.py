"""Scopes: one syntax, read once, and refused with a reason."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.context.times import series

from stormpetrel.context.scope import ScopeError, read_scope, selector_of
from stormpetrel.model.signal import SeriesInfo


@pytest.mark.parametrize(
    ("text", "entity", "inside"),
    [
        ("*", "service:shop", True),
        ("host:web-1", "host:web-1", True),
        ("host:web-1", "host:web-1/filesystem:/var", True),
        ("host:web-1", "host:web-10", False),
        ("host:web-*", "host:web-10/process:nginx", True),
        ("host:web-1/filesystem:/var", "host:web-1", False),
        ("host:web-1/filesystem:/var", "host:web-1/filesystem:/var", True),
        ('{job="batch"}', "job:batch", False),
    ],
)
def test_entities(text: str, entity: str, inside: bool) -> None:
    assert read_scope(text).has_entity(entity) is inside


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        ("load", True),
        ("load{}", True),
        ("other", False),
        ('load{job="batch"}', True),
        ('{job="batch", env!="test"}', True),
        ('{job=~"bat.*"}', True),
        ('{job=~"bat"}', False),
        ('{job!~"x.*",missing=""}', True),
        ('{entity="host:h"}', True),
        ("host:h", True),
        ("host:g", False),
    ],
)
def test_series(text: str, inside: bool) -> None:
    assert read_scope(text).has_series(series(1, job="batch", env="prod")) is inside


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "write \\*"),
        ("x" * 5000, "characters"),
        ("{job=batch}", "label="),
        ('{job="a"', "selector"),
        ('{job=~"("}', "RE2"),
        ("web 1", "entity such as"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_reason(text: str, reason: str) -> None:
    with pytest.raises(ScopeError, match=reason):
        read_scope(text)


names = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)


@given(metric=st.from_regex(r"[a-z_:][a-z0-9_:]{0,12}", fullmatch=True),
       labels=st.dictionaries(names, st.text(max_size=12), max_size=4))  # fmt: skip
def test_the_selector_of_a_series_selects_it_and_no_sister(metric: str, labels: dict[str, str]) -> None:
    one = SeriesInfo(1, metric, tuple(sorted(labels.items())), "host:h", "s")
    scope = read_scope(selector_of(one))
    assert scope.has_series(one)
    assert not scope.has_series(SeriesInfo(2, metric + "x", one.labels, "host:h", "s"))
    for name, value in labels.items():
        other = tuple(sorted({**labels, name: value + "x"}.items()))
        assert not scope.has_series(SeriesInfo(3, metric, other, "host:h", "s"))
