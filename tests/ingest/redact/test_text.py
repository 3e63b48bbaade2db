"""Redaction of texts: what goes, what stays, and that twice is once."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.redact.examples import GONE, STAYS

from stormpetrel.errors import ConfigError
from stormpetrel.ingest.redact_kinds import BIT_OF, KIND_NAMES, KINDS
from stormpetrel.ingest.redact_scan import scan_kinds
from stormpetrel.ingest.redact_text import OwnPattern, TextRedactor

ALL = TextRedactor()
PIECES = st.sampled_from(
    [text for text, _ in GONE] + STAYS + list("@=:.-[]\"'&, \n\\") + ["password=", "token", "Bearer ", "4111"]
)
MIXED = st.lists(PIECES | st.text(max_size=8), max_size=6).map("".join)


def column(texts: list[str]) -> pa.Array:
    return pa.array(texts, pa.string())


@pytest.mark.parametrize(("text", "left"), GONE, ids=lambda value: value[:40])
def test_what_must_go_goes(text: str, left: str) -> None:
    assert ALL.text(text) == left
    assert ALL.text(f"10:15 web-1 {text}\nnext line").startswith("10:15 web-1 ")


@pytest.mark.parametrize("text", STAYS, ids=lambda value: value[:40])
def test_what_must_stay_stays(text: str) -> None:
    assert ALL.text(text) == text


def test_a_column_is_redacted_row_by_row() -> None:
    texts = [text for pair in zip([t for t, _ in GONE], STAYS * 2, strict=False) for text in pair]
    want = [ALL.text(text) for text in texts]
    assert ALL.column(column(texts)).to_pylist() == want
    sliced = column(["password=outside", *texts, "password=outside"]).slice(1, len(texts))
    assert ALL.column(sliced).to_pylist() == want


def test_many_rows_and_few_are_redacted_alike() -> None:
    for text, left in GONE:  # few rows and many take different ways through RE2
        assert ALL.column(column([text] * 50)).to_pylist() == [left] * 50


def test_a_clean_column_is_the_same_column() -> None:
    clean = column(STAYS)
    assert ALL.column(clean) is clean
    assert len(ALL.column(column([]))) == 0


def test_nulls_stay_nulls() -> None:
    texts = pa.array([None, "password=x", None], pa.string())
    assert ALL.column(texts).to_pylist() == [None, "password=[secret]", None]


@settings(deadline=None)
@given(st.lists(MIXED, max_size=6))
def test_redacting_twice_changes_nothing(texts: list[str]) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    once = ALL.column(column(texts))
    assert ALL.column(once).to_pylist() == once.to_pylist()


@settings(deadline=None)
@given(st.lists(MIXED, min_size=1, max_size=6), st.integers(0, 5))
def test_a_row_does_not_depend_on_its_neighbours(texts: list[str], place: int) -> None:
    texts = [text.encode("utf-8", "replace").decode() for text in texts]
    row = place % len(texts)
    assert ALL.column(column(texts))[row].as_py() == ALL.text(texts[row])


@settings(deadline=None)
@given(st.text(alphabet="0123456789abcdef-", max_size=60))
def test_hexadecimal_ids_stay(text: str) -> None:
    # A run of digits alone may have the form of a card; a hexadecimal letter beside it says that it is none.
    guarded = "".join(f"{part}a" if part.isdigit() else part for part in text.split("-"))
    assert ALL.text(f"id {guarded}f") == f"id {guarded}f"


@settings(deadline=None)
@given(st.uuids(), st.datetimes(), st.ip_addresses(), st.integers(0, 10**12))
def test_identifiers_times_and_addresses_stay(uuid: object, time: object, address: object, n: int) -> None:
    text = f"{uuid} {time} {address} #{n} n={n} {n}ms"
    assert ALL.text(text) == text


@settings(deadline=None)
@given(st.text(max_size=200))
def test_the_scan_misses_nothing_that_a_rule_would_change(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    forced = np.full(1, sum(BIT_OF.values()), np.uint32)
    assert ALL.column_where(column([text]), forced).to_pylist() == [ALL.text(text)]


@settings(deadline=None)
@given(MIXED)
def test_the_scan_misses_nothing_in_mixed_texts(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    forced = np.full(1, sum(BIT_OF.values()), np.uint32)
    assert ALL.column_where(column([text]), forced).to_pylist() == [ALL.text(text)]


def test_every_kind_has_an_example_and_is_counted() -> None:
    redactor = TextRedactor()
    redactor.column(column([text for text, _ in GONE] + ["@"]))
    assert set(redactor.counts()) == set(KIND_NAMES)
    assert min(redactor.counts().values()) >= 1
    assert {
        mark.text for kind in KINDS for mark in kind.marks if mark.fold and mark.text != mark.text.lower()
    } == set()


def test_counts_are_texts_not_finds() -> None:
    redactor = TextRedactor()
    redactor.column(column(["a@example.org b@example.org", "c@example.org", "none"]))
    assert redactor.counts() == {"mail": 2}


def test_a_kind_that_is_kept_stays() -> None:
    redactor = TextRedactor(keep=["mail", "secret"])
    text = "bob@example.org password=x 4111111111111111"
    assert redactor.text(text) == "bob@example.org password=x [card]"
    with pytest.raises(ConfigError, match="'e-mail' is no kind"):
        TextRedactor(keep=["e-mail"])


def test_own_patterns_take_the_match_or_the_first_group() -> None:
    redactor = TextRedactor(
        patterns=[OwnPattern("customer", r"K-[0-9]{6}"), OwnPattern("ticket", r"ticket (\w+) of")]
    )
    assert redactor.text("K-123456 has ticket ABC of K-1 and ünï K-654321") == (
        "[customer] has ticket [ticket] of K-1 and ünï [customer]"
    )
    assert redactor.counts() == {"customer": 1, "ticket": 1}


def test_own_patterns_that_do_not_go_together_are_used_one_by_one() -> None:
    twice = [OwnPattern("a", "(?P<x>aa1)"), OwnPattern("b", "(?P<x>bb2)")]
    assert TextRedactor(patterns=twice).text("aa1 bb2") == "[a] [b]"


@pytest.mark.parametrize(
    ("regex", "why"),
    [("(", "missing"), ("(?=x)", "invalid"), (r"(a)\1", "invalid"), ("x*", "empty"), ("own", r"\[own\]")],
)
def test_a_pattern_that_cannot_work_is_refused(regex: str, why: str) -> None:
    with pytest.raises(ConfigError, match=f"own.*{why}"):
        TextRedactor(patterns=[OwnPattern("own", regex)])


def test_many_finds_in_one_text_are_all_taken() -> None:
    text = " ".join(["bob@example.org", "4111111111111111"] * 500)
    assert ALL.text(text) == " ".join(["[mail]", "[card]"] * 500)


def test_each_kind_finds_where_its_bit_is() -> None:
    for text, _ in GONE:
        assert scan_kinds(column([text]))[0] & sum(BIT_OF.values()), text
