"""Cutting streams: both framings, however the bytes come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.adapters.sources.statsd import MAX_LINE_BYTES, LineFrames
from stormpetrel.adapters.sources.syslog_frames import FrameError, Framing, SyslogFrames

MESSAGES = [b"<1>a", b"<2>bb\tb", b"<3>" + b"c" * 300, b"<4>4 <5>d"]
COUNTED = b"".join(b"%d %s" % (len(message), message) for message in MESSAGES)
LINES = b"".join(message + b"\n" for message in MESSAGES)


def cut(stream: bytes, places: list[int], longest: int = 1000) -> tuple[list[bytes], SyslogFrames]:
    frames = SyslogFrames(longest)
    got: list[bytes] = []
    ends = [*sorted(place % (len(stream) + 1) for place in places), len(stream)]
    for start, end in zip([0, *ends], ends, strict=False):
        got += frames.feed(stream[start:end])
    return [*got, *frames.finish()], frames


@given(st.lists(st.integers(0, 10_000), max_size=30), st.sampled_from([b"", b"\n", b"\r\n\0"]))
def test_counted_streams_do_not_depend_on_the_reads(places: list[int], before: bytes) -> None:
    got, frames = cut(before + COUNTED, places)
    assert got == MESSAGES
    assert frames.framing is Framing.COUNTED


@given(st.lists(st.integers(0, 10_000), max_size=30), st.sampled_from([b"\n", b"\0"]))
def test_lines_do_not_depend_on_the_reads(places: list[int], end: bytes) -> None:
    got, frames = cut(LINES.replace(b"\n", end), places)
    assert got == MESSAGES
    assert frames.framing is Framing.LINES


@given(st.lists(st.integers(0, 10_000), max_size=30), st.booleans())
def test_long_messages_are_cut_however_they_come(places: list[int], counted: bool) -> None:
    got, _ = cut(COUNTED if counted else LINES, places, longest=100)
    assert got == [message[:101] for message in MESSAGES]


@given(st.lists(st.binary(max_size=50), max_size=20))
def test_any_bytes_are_messages_or_an_error(reads: list[bytes]) -> None:
    frames = SyslogFrames(20)
    try:
        for read in reads:
            assert all(len(message) <= 21 for message in frames.feed(read))
        assert sum(map(len, frames.finish())) <= 21
    except FrameError:
        assert frames.framing is Framing.COUNTED


@pytest.mark.parametrize(
    ("stream", "framing"),
    [
        (b"12", Framing.UNKNOWN),
        (b"12 ", Framing.UNKNOWN),
        (b"12 <", Framing.COUNTED),
        (b"12 a", Framing.LINES),
        (b"2024-01-02T00:00:00Z web-1 x: y", Framing.LINES),
        (b"123456789 <1>", Framing.LINES),
        (b"<1>", Framing.LINES),
    ],
)
def test_the_first_bytes_tell_the_framing(stream: bytes, framing: Framing) -> None:
    frames = SyslogFrames(100)
    frames.feed(stream)
    assert frames.framing is framing


def test_a_last_message_without_its_end_counts() -> None:
    assert cut(b"<1>a\n<2>b", [])[0] == [b"<1>a", b"<2>b"]
    assert cut(b"4 <1>a99 <2>b", [])[0] == [b"<1>a", b"<2>b"]
    assert cut(b"4 <1>a99", [])[0] == [b"<1>a"]
    assert cut(b"12", [])[0] == [b"12"]


def test_a_counted_stream_that_loses_its_way_is_refused() -> None:
    frames = SyslogFrames(100)
    assert frames.feed(b"4 <1>a\n4 <2>b\n") == [b"<1>a", b"<2>b"]  # a newline after each is known of rsyslog
    with pytest.raises(FrameError, match="expected a length"):
        frames.feed(b"no length <1>")


def test_an_unfinished_message_is_held_within_a_bound() -> None:
    for start in (b"<1>", b"9999999 <1>"):
        frames = SyslogFrames(100)
        got = [message for _ in range(1000) for message in frames.feed(start + b"x" * 1000)]
        assert len(got) <= 1 or start != b"<1>"
        assert len(frames._rest) <= 101
        assert all(len(message) == 101 for message in got)


@given(st.lists(st.integers(0, 100), max_size=9))
def test_lines_of_statsd(places: list[int]) -> None:
    stream = b"a:1|c\nb:2|c\n\nc:3|c"
    frames, got = LineFrames(), []
    ends = [*sorted(place % len(stream) for place in places), len(stream)]
    for start, end in zip([0, *ends], ends, strict=False):
        got += frames.feed(stream[start:end])
    assert got + frames.finish() == [b"a:1|c", b"b:2|c", b"", b"c:3|c"]


def test_a_line_of_statsd_has_a_bound() -> None:
    frames = LineFrames()
    with pytest.raises(ValueError, match="more than 65536 bytes"):
        frames.feed(b"x" * (MAX_LINE_BYTES + 1))


@given(st.lists(st.text("\r\n\0", min_size=1, max_size=300), max_size=20))
def test_what_stands_between_counted_messages_is_not_held(reads: list[str]) -> None:
    frames = SyslogFrames(20)
    assert frames.feed(b"4 <1>a") == [b"<1>a"]
    for read in reads:
        assert frames.feed(read.encode()) == []
        assert len(frames._rest) <= 20, "a sender of line ends only must not fill the memory"
    assert frames.feed(b"4 <2>b") == [b"<2>b"]
