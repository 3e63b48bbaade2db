"""The compiled reader of Loki's protobuf says what the protobuf library says, or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tests.ingest.decoders.test_loki import PROTOBUF, T, as_message

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest import loki_read, loki_wire
from stormpetrel.ingest.loki_lines import LokiLines
from stormpetrel.ingest.loki_proto import LokiRequest
from stormpetrel.ingest.tally import RejectTally

TEXTS = st.text(max_size=12)
NAMES = st.text("abcxyz_", min_size=1, max_size=5)
EDGES = st.integers(-loki_wire.MAX_SECONDS - 2, loki_wire.MAX_SECONDS + 2)
LINES = st.tuples(
    st.integers(-(1 << 64), 1 << 64), st.text(max_size=300), st.dictionaries(TEXTS, TEXTS, max_size=3)
)
STREAMS = st.lists(
    st.tuples(st.dictionaries(NAMES, TEXTS, max_size=3), st.lists(LINES, max_size=5)), max_size=4
)


def shown(read: LokiLines) -> Any:
    return (
        read.streams, read.counts.tolist(), read.time_unix_nano.tolist(), read.line.to_pylist(),
        read.keep.tolist(), read.tally.rejected(), read.metadata,
    )  # fmt: skip


def both(body: bytes) -> None:
    """The two ways agree, whichever is taken."""
    try:
        wanted = shown(loki_read._read_unusual(body, "", RejectTally()))
    except DecodeError:
        with pytest.raises(DecodeError):
            loki_read.read_protobuf(body, "", RejectTally())
        return
    assert shown(loki_read.read_protobuf(body, "", RejectTally())) == wanted


def is_usual(body: bytes) -> bool:
    buf = np.frombuffer(body, np.uint8)
    usual, streams, entries = loki_wire.measure(buf, len(buf))
    return usual and loki_wire.read(
        buf, len(buf), np.zeros((streams, 3), np.int64), np.zeros((entries, 2), np.int64),
        np.zeros((entries, 4), np.int64),
    )  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(STREAMS)
def test_what_the_library_writes_is_usual_and_read_alike(streams: Any) -> None:
    kept = [(labels, [(t % (1 << 62), line, more) for t, line, more in lines]) for labels, lines in streams]
    message = as_message(kept)
    body = message.SerializeToString()
    assert is_usual(body) or any(not stream.labels for stream in message.streams)
    both(body)


@settings(max_examples=300, deadline=None)
@given(
    st.binary(max_size=60) | st.builds(lambda a, b: PROTOBUF[:a] + PROTOBUF[b:], *[st.integers(0, 200)] * 2)
)
def test_damage_is_judged_alike(body: bytes) -> None:
    both(body)


@given(EDGES | st.integers(-(1 << 63), (1 << 63) - 1), st.integers(-(1 << 31), (1 << 31) - 1))
@example(-(1 << 63), 0)
@settings(max_examples=200, deadline=None)
def test_times_at_every_edge(seconds: int, nanos: int) -> None:
    message = as_message([({"a": "b"}, [(T, "x", {})])])
    stamp = message.streams[0].entries[0].timestamp
    stamp.seconds, stamp.nanos = seconds, nanos
    both(message.SerializeToString())
    read = loki_read.read_protobuf(message.SerializeToString(), "", RejectTally())
    if read.keep[0]:
        assert read.time_unix_nano[0] == seconds * 10**9 + nanos
    assert read.keep[0] == (abs(seconds) < loki_wire.MAX_SECONDS and 0 <= nanos < 10**9)


def test_senders_own_extras_are_usual() -> None:
    """The hash of the stream, the format of the push, and labels parsed of a line."""
    body = as_message([({"a": "b"}, [(T, "x", {"k": "v"})])]).SerializeToString()
    entry_end = bytes([0x22, 4, 0x0A, 2, 0x68, 0x69])
    inner = body[2:] + b"\x18\x80\x01"
    with_hash = b"\x0a" + bytes([len(inner)]) + inner + b"\x12\x04loki"
    assert is_usual(with_hash)
    both(with_hash)
    entry = LokiRequest.FromString(body).streams[0].entries[0].SerializeToString() + entry_end
    stream = b"\x0a\x07" + b'{a="b"}' + b"\x12" + bytes([len(entry)]) + entry
    parsed = b"\x0a" + bytes([len(stream)]) + stream
    assert is_usual(parsed)
    both(parsed)


def test_entries_before_labels_are_read_all_the_same() -> None:
    body = as_message([({"a": "b"}, [(T, "x", {})])]).SerializeToString()
    labels, entry = body[2:11], body[11:]
    turned = b"\x0a" + bytes([len(entry) + len(labels)]) + entry + labels
    assert not is_usual(turned)
    both(turned)


def test_the_unusual_way_is_for_short_bodies() -> None:
    body = as_message([({}, [(T, "x" * (9 << 20), {})])]).SerializeToString() + b"\x98\x06\x00"
    with pytest.raises(TooLargeError):
        loki_read.read_protobuf(body, "", RejectTally())


def test_a_number_too_long_for_its_field_is_cut_as_protobuf_does() -> None:
    entry = bytes([0x0A, 6, 0x10, 0x85, 0x80, 0x80, 0x80, 0x10])  # nanos: 2^32 + 5
    stream = b"\x0a\x07" + b'{a="b"}' + b"\x12" + bytes([len(entry)]) + entry
    body = b"\x0a" + bytes([len(stream)]) + stream
    assert is_usual(body)
    both(body)
    assert loki_read.read_protobuf(body, "", RejectTally()).time_unix_nano.tolist() == [5]
