"""What a log line says of itself: time, severity, program."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.sources.times import find_time

from stormpetrel.adapters.sources.file_lines import read_line
from stormpetrel.model.time import from_iso, to_iso

NOW = from_iso("2026-11-22T21:00:00Z")


@pytest.mark.parametrize(
    ("text", "time", "process"),
    [
        ("Nov 22 20:33:52 web-1 sshd[12]: hello", "2026-11-22T20:33:52.000Z", "sshd"),
        ("Nov  2 20:33:52 web-1 CRON[1]: hello", "2026-11-02T20:33:52.000Z", "CRON"),
        ("Dec 24 10:00:00 h p: last year's", "2025-12-24T10:00:00.000Z", "p"),
        ("Feb 29 10:00:00 h p: leap", "2024-02-29T10:00:00.000Z", "p"),
        ("2026-11-22 20:33:52 status installed libc6", "2026-11-22T20:33:52.000Z", ""),
        ("2026-11-22T20:33:52.123456+01:00 web-1 app[1]: x", "2026-11-22T19:33:52.123Z", "app"),
        ("2026-11-22T14:33:52,5-0630 x", "2026-11-22T21:00:00.000Z", ""),
        ("[2026-11-22 20:00:00.25] x", "2026-11-22T20:00:00.250Z", ""),
        ("<34>1 2026-10-11T22:14:15.003Z mymachine su - ID47 - x", "2026-10-11T22:14:15.003Z", ""),
        ("<13>Nov 22 20:33:52 h logger: x", "2026-11-22T20:33:52.000Z", "logger"),
        ("1795379573.25 started", "2026-11-22T20:32:53.250Z", ""),
        ("1795379573250 started", "2026-11-22T20:32:53.250Z", ""),
        ("2027-01-01 00:00:00 from the future", "2026-11-22T21:00:00.000Z", ""),
        ("2026-13-45 10:00:00 no such day", "2026-11-22T21:00:00.000Z", ""),
        ("nothing at all", "2026-11-22T21:00:00.000Z", ""),
        ("12345 is a number", "2026-11-22T21:00:00.000Z", ""),
    ],
)
def test_time_and_program(text: str, time: str, process: str) -> None:
    line = read_line(text, NOW, find_time)
    assert (to_iso(line.time_unix_nano), line.process) == (time, process)


@pytest.mark.parametrize(
    ("text", "severity"),
    [
        ("Nov 22 20:33:52 h p[1]: ERROR disk failed", 17),
        ("2026-11-22 20:00:00,123 WARNING low space", 13),
        ("time=x level=warn msg=y", 13),
        ('{"level":"error","msg":"INFO"}', 17),
        ("[2026-11-22 20:00:00] [error] [client 1.2.3.4] x", 17),
        ("2026/11/22 [crit] 12#0: x", 18),
        ("panic: runtime error", 21),
        ("Nov 22 20:33:52 h kernel: Kernel panic - not syncing", 21),
        ("Nov 22 20:33:52 h sshd[1]: error: kex", 17),
        ("<11>Nov 22 20:33:52 h p: INFO", 17),
        ("<191>Nov 22 20:33:52 h p: ERROR", 5),
        ("<999>ERROR", 17),
        ("no errors were found, warning lights are off", 0),
        ("TERRORS and INFORMATION", 0),
        ("", 0),
    ],
)
def test_severity(text: str, severity: int) -> None:
    assert read_line(text, NOW, find_time).severity_number == severity


@given(st.text(max_size=300) | st.from_regex(r"<?\d{1,4}>?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:?\d\d.*"))
def test_any_text_is_read_and_never_from_the_future(text: str) -> None:
    line = read_line(text, NOW, find_time)
    assert line.time_unix_nano <= NOW
    assert 0 <= line.severity_number <= 24
