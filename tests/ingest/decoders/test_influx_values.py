"""Line protocol: values and times to the last bit, and against a naive reading."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.ingest.decoders.test_influx import NOW, Sender, T, rows

from stormpetrel.errors import DecodeError


def value(text: str) -> float:
    ((_, _, number),) = rows(f"m f={text} 1")
    return number


@pytest.mark.parametrize(
    ("query", "time"),
    [
        ("", 17), ("precision=", 17), ("precision=ns", 17), ("precision=n", 17), ("precision=us", 17_000),
        ("precision=u", 17_000), ("bucket=b&precision=ms&org=o", 17_000_000), ("precision=s", 17 * 10**9),
        ("precision=m", 17 * 60 * 10**9), ("precision=h", 17 * 3600 * 10**9),
    ],
)  # fmt: skip
def test_precision(query: str, time: int) -> None:
    assert rows("m f=1 17\nm f=2 -17", query) == [("m_f", time, 1.0), ("m_f", -time, 2.0)]
    assert rows("m f=1", query) == [("m_f", NOW, 1.0)]


def test_an_unknown_precision_is_refused() -> None:
    with pytest.raises(DecodeError, match="precision"):
        Sender().send("m f=1", "precision=d")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0", 0.0), ("-0", -0.0), ("1", 1.0), ("+1", 1.0), ("1.", 1.0), (".5", 0.5), ("-1.25", -1.25),
        ("1e5", 1e5), ("1E-5", 1e-5), ("1.5e+3", 1500.0), ("12i", 12.0), ("-12i", -12.0), ("12u", 12.0),
        ("9223372036854775807i", 2.0**63), ("-9223372036854775808i", -(2.0**63)),
        ("18446744073709551615u", 2.0**64),
        ("0.1", 0.1), ("0.30000000000000004", 0.30000000000000004), ("9007199254740993", 9007199254740992.0),
        ("1e23", 1e23), ("1e-300", 1e-300), ("1.7976931348623157e308", 1.7976931348623157e308),
        ("5e-324", 5e-324),
        ("123456789012345678901234567890", 1.2345678901234568e29), ("1e400", math.inf), ("-1e400", -math.inf),
        ("1e99999", math.inf), ("1e-99999", 0.0), ("+9007199254740993", 9007199254740992.0),
        ("t", 1.0), ("T", 1.0), ("true", 1.0), ("True", 1.0), ("TRUE", 1.0),
        ("f", 0.0), ("F", 0.0), ("false", 0.0), ("False", 0.0), ("FALSE", 0.0),
    ],
)  # fmt: skip
def test_values(text: str, number: float) -> None:
    found = value(text)
    assert (found, math.copysign(1, found)) == (number, math.copysign(1, number))


@settings(max_examples=400, deadline=None)
@given(st.floats(allow_nan=False, allow_infinity=False), st.sampled_from(["r", ".3f", "e", ".17g"]))
def test_every_double_is_read_exactly(number: float, form: str) -> None:
    text = repr(number) if form == "r" else format(number, form)
    assert value(text) == float(text)


@given(st.integers(-(1 << 63), (1 << 63) - 1))
@settings(max_examples=100, deadline=None)
def test_every_whole_number_and_time_is_read(number: int) -> None:
    assert value(f"{number}i") == float(number)
    if number > -(1 << 63):
        assert rows(f"m f=1 {number}") == [("m_f", number, 1.0)]


def naive(body: str) -> list[tuple[str, int, float]]:
    """What plain lines say, read the obvious way."""
    found = []
    for line in body.split("\n"):
        key, fields, time = line.split(" ")
        measurement, *tags = key.split(",")
        labels = ",".join(f'{name}="{text}"' for name, text in sorted(tag.split("=") for tag in tags))
        for one in fields.split(","):
            name, number = one.split("=")
            metric = f"{measurement}_{name}"
            found.append((f"{metric}{{{labels}}}" if labels else metric, int(time), float(number)))
    return found


NAME = st.text("abcxyz.-/:ä", min_size=1, max_size=6)
LINE: Any = st.tuples(
    NAME, st.dictionaries(NAME, NAME, max_size=3),
    st.dictionaries(NAME, st.floats(-1e20, 1e20), min_size=1, max_size=4), st.integers(0, T),
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.lists(LINE, min_size=1, max_size=6))
def test_against_a_naive_reading(lines: Any) -> None:
    body = "\n".join(
        name + "".join(f",{k}={v}" for k, v in tags.items()) + " "
        + ",".join(f"{k}={v!r}" for k, v in fields.items()) + f" {time}"
        for name, tags, fields, time in lines
    )  # fmt: skip
    sender = Sender()
    assert sender.rows(body) == naive(body)
    assert sender.rows(body) == naive(body)
    assert np.isfinite([v for _, _, v in naive(body)]).all()
