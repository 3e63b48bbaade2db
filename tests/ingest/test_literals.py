"""Looking for many literals: nothing is missed, nothing is made up."""

from __future__ import annotations

import re

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.ingest.literals import MOST_LITERALS, Literal, literal_table, scan, text_buffers

WORDS = [
    ("token", True, True),
    ("AKIA", False, False),
    ("eyJ", False, False),
    ("-key", True, False),
    ("ke", False, False),
]
TABLE = literal_table([Literal(*word, 1 << place) for place, word in enumerate(WORDS)])


def plain(text: str) -> int:
    found = 0
    for place, (word, fold, assigned) in enumerate(WORDS):
        pattern = re.escape(word) + (r"(?=[A-Za-z0-9_.-]*[\"'\\\s]*[=:])" if assigned else "")
        found |= (re.search(pattern, text, (re.IGNORECASE if fold else 0) | re.ASCII) is not None) << place
    return found


@settings(deadline=None)
@given(
    st.lists(
        st.lists(
            st.sampled_from(
                ["token", "TOKEN", "AKIA", "akia", "eyJ", "-Key", "ke", " ", '"', "=", ":", "é", "k", "tok"]
            ),
            max_size=8,
        ).map("".join),
        max_size=5,
    )
)
def test_the_same_as_regular_expressions(texts: list[str]) -> None:
    assert scan(pa.array(texts, pa.string()), TABLE).tolist() == [plain(text) for text in texts]


def test_a_literal_across_two_rows_is_none() -> None:
    assert scan(pa.array(["AK", "IA", "AKIA"]), TABLE).tolist() == [0, 0, 2]


def test_slices_and_nulls() -> None:
    column = pa.array(["AKIA", None, "eyJ", ""], pa.string())
    assert scan(column, TABLE).tolist() == [2, 0, 4, 0]
    assert scan(column.slice(2), TABLE).tolist() == [4, 0]
    assert scan(column.slice(4), TABLE).tolist() == []
    with pytest.raises(ValueError, match="no column of texts"):
        text_buffers(pa.array([1]))


@pytest.mark.parametrize(
    "literals",
    [[Literal("a", False, False, 1)], [Literal("A1", True, False, 1)], [Literal("a12", False, False, 1)],
     [Literal("x" * 30, False, False, 1)], [Literal("ab", False, False, 1)] * (MOST_LITERALS + 1)],
)  # fmt: skip
def test_what_cannot_be_looked_for_is_refused(literals: list[Literal]) -> None:
    with pytest.raises(ValueError, match=r"looked for|more than"):
        literal_table(literals)
