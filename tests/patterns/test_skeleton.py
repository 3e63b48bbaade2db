"""Skeletons: numbers and identifiers go, words stay; the table finds what was put in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.patterns.skeleton import MAX_BYTES, MISS, find, put, skeleton


def reduced(line: str, seed: int = 0) -> tuple[str, int]:
    content = np.frombuffer(line.encode() or b" ", np.uint8)
    out = np.zeros(MAX_BYTES, np.uint8)
    length, hashed = skeleton(content, 0, len(line.encode()), seed, out)
    return out[:length].tobytes().decode("utf-8", "replace"), hashed


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("took 532 ms", "took 0 ms"),
        ("ratio -0.25%", "ratio -0.0%"),
        ("10.0.0.7:8080", "0.0.0.0:0"),
        ("id 9f4ef63ab", "id 0"),
        ("0xdeadBEEF", "0"),
        ("deadbeef", "deadbeef"),
        ("123e4567-e89b-12d3-abcd-426614174000", "0-0-0-0-0"),
        ("00:1a:2b:3c:4d:5e", "0:0:0:0:0:0"),
        ("a1b22c333d", "0"),
        ("ssh2 eth10 eth1 x86_64 7zip 532ms", "ssh2 eth00 eth1 x00_0 0zip 0ms"),
        ("  tail  \r\n", "  tail"),
        ("größe 5", "größe 0"),
        ("", ""),
    ],
)
def test_what_is_reduced(line: str, wanted: str) -> None:
    assert reduced(line)[0] == wanted


def test_a_long_line_is_cut() -> None:
    assert len(reduced("x" * (MAX_BYTES + 500))[0]) == MAX_BYTES


def test_sources_do_not_share_hashes() -> None:
    assert reduced("same line", 0)[1] != reduced("same line", 1)[1]


@given(st.text(max_size=200))
def test_any_text_and_never_longer(line: str) -> None:
    text, hashed = reduced(line)
    assert len(text.encode()) <= len(line.encode()) * 3  # undecodable cuts count three bytes
    assert hashed != 0


@given(st.lists(st.integers(1, 2**62), unique=True, max_size=60))
def test_the_table_finds_what_was_put_in(numbers: list[int]) -> None:
    keys, values = np.zeros(128, np.int64), np.zeros(128, np.int32)
    for k, number in enumerate(numbers):
        assert find(keys, values, number) == MISS
        assert put(keys, values, number, k) == 1
    assert [find(keys, values, number) for number in numbers] == list(range(len(numbers)))
    if numbers:
        assert put(keys, values, numbers[0], 99) == 0
        assert find(keys, values, numbers[0]) == 99
