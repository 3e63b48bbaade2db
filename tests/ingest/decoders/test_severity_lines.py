"""The severity that lines state of themselves: what counts, what does not, and against a plain reading."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.ingest.severity import severity_of
from stormpetrel.ingest.severity_lines import SEARCHED_BYTES, fill_severities


def found(*lines: str) -> list[int]:
    severities = np.zeros(len(lines), np.uint8)
    fill_severities(pa.array(lines, pa.string()), severities)
    return severities.tolist()


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("", 0),
        ("all is well", 0),
        ('level=warn msg="ERROR in the text"', 13),
        ('{"msg":"x","level":"error"}', 17),
        ('{"msg":"x", "level" : "error"}', 17),
        ("severity: INFO here", 9),
        ("lvl=dbg x", 5),
        ("loglevel='critical'", 18),
        ("level=", 0),
        ("level", 0),
        ("level=high ERROR", 17),
        ("the level is info", 0),
        ("sublevel=error", 0),
        ("log.level=error", 17),
        ("2024-01-01 00:00:00 [error] x", 17),
        ("[core:error] x", 17),
        ("<info> x", 9),
        ("(warn) x", 13),
        ("[an error occurred]", 0),
        ("12:00 ERROR x", 17),
        ("12:00 WARNING: x", 13),
        ("FATAL", 21),
        ("INFO then ERROR", 9),
        ("INFO then [error]", 17),
        ("Error: no such file", 17),
        ("app: fatal error: x", 21),
        ("x[1] warning: y", 13),
        ("x[1]: warning: y", 13),
        ("some error: y", 0),
        ("kernel panic - not syncing", 21),
        ("kernel,panic", 0),
        ("panic attack", 0),
        ("ERROR_COUNT=5 ERRORS INFORM", 0),
        ("xERROR ERRORx éERROR", 0),
        ("notice", 0),
        ("[notice]", 10),
        ("x" * SEARCHED_BYTES + " ERROR", 0),
        (" " * (SEARCHED_BYTES - 5) + "ERROR", 17),
        ("level=error", 17),
        ("level=information", 9),
    ],
)
def test_lines(line: str, severity: int) -> None:
    assert found("first", line, "last") == [0, severity, 0]


_WORDS = "trace|debug|info|notice|warn|warning|err|error|crit|critical|fatal|emerg|panic|severe"
_RARE = "verbose|dbg|information|informational|wrn|alert|emergency|failure"
_RULES = (
    re.compile(
        rf"""(?<![\w])(?:level|lvl|severity|loglevel)["']? ?[=:] ?["']?({_WORDS}|{_RARE})(?!\w)""",
        re.I | re.A,
    ),
    re.compile(rf"[\[<(](?:\w+:)?({_WORDS}|alert)[\]>)]", re.I | re.A),
    re.compile(rf"(?<!\w)({_WORDS.upper()})(?!\w)", re.A),
    re.compile(
        r"(?:^|[:\]] )(panic|fatal|error|warning)(?: error)?:|(?<!\w)kernel (panic)(?!\w)", re.I | re.A
    ),
)


def plain_reading(line: str) -> int:
    for rule in _RULES:
        match = rule.search(line)
        if match:
            return severity_of(next(group for group in match.groups() if group))
    return 0


PIECES = st.sampled_from(
    ["level", "lvl", "severity", "=", ":", '"', "'", " ", "[", "]", "<", ">", "(", "error", "ERROR", "Warn",
     "INFO", "fatal", "fatal error", "kernel", "panic", "x", "_", "7", "dbg", "alert", ": ", "] ", "core:"]
)  # fmt: skip


@settings(max_examples=1500, deadline=None)
@given(st.lists(PIECES, max_size=9).map("".join))
def test_against_a_plain_reading(line: str) -> None:
    assert found(line) == [plain_reading(line)]


def test_what_is_known_already_stays() -> None:
    severities = np.array([9, 0], np.uint8)
    fill_severities(pa.array(["ERROR", "ERROR"]), severities)
    assert severities.tolist() == [9, 17]


def test_slices_and_no_lines() -> None:
    lines = pa.array(["ERROR", "INFO", "x"])
    severities = np.zeros(2, np.uint8)
    fill_severities(lines.slice(1), severities)
    assert severities.tolist() == [9, 0]
    fill_severities(pa.array([], pa.string()), np.zeros(0, np.uint8))


@given(st.lists(st.text(max_size=300), max_size=20))
@settings(max_examples=50, deadline=None)
def test_any_lines_do(lines: list[str]) -> None:
    assert all(0 <= severity <= 24 for severity in found(*lines))
