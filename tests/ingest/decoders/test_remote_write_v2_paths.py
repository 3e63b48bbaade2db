"""Remote write 2.0: the compiled way and the protobuf library's way read the same bytes alike."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stormpetrel.errors import DecodeError
from stormpetrel.ingest import remote_write_v2
from stormpetrel.ingest.remote_write import RemoteWriteDecoder
from stormpetrel.ingest.remote_write_proto import Histogram
from stormpetrel.ingest.remote_write_v2_proto import Request
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import PushRequest

TYPE = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
WORDS = [b"__name__", b"a", b"job", b"up", b"n_total", b"", b"\xff", "größe".encode(), b"y" * 200]
HISTOGRAM = Histogram(
    count_int=3, sum=7, timestamp=5, positive_spans=[{"offset": 1, "length": 2}], positive_deltas=[1, 1]
).SerializeToString()

TIMES = st.one_of(st.integers(0, 20), st.integers(-(2**63), 2**63 - 1))
SAMPLES = st.tuples(st.integers(0, 2**64 - 1), TIMES, TIMES)
SERIES = st.tuples(
    st.one_of(
        st.sampled_from([[1, 4], [1, 5], [1, 4, 3, 2], [1, 5, 3, 4]]),
        st.lists(st.integers(0, 11), max_size=6),
    ),
    st.lists(SAMPLES, max_size=3),
    st.integers(0, 2),  # native histograms, the second one broken
    st.one_of(st.none(), st.tuples(st.integers(-1, 9), st.integers(0, 11))),  # type, unit
    TIMES,  # created
)


def encode(series: list[Any]) -> bytes:
    message = Request(symbols=[b"", *WORDS])
    for refs, samples, histograms, metadata, created in series:
        entry = message.timeseries.add(labels_refs=refs, created_timestamp=created)
        for bits, millis, start in samples:
            entry.samples.add(value=bits, timestamp=millis, start_timestamp=start)
        entry.histograms.extend([HISTOGRAM, b"broken"][:histograms])
        if metadata is not None:
            entry.metadata.type, entry.metadata.unit_ref = metadata
            entry.metadata.help_ref = 1
    return bytes(message.SerializeToString())


def outcome(decoder: RemoteWriteDecoder, registry: SeriesRegistry, body: bytes) -> Any:
    try:
        decoded = decoder.decode(PushRequest(body, TYPE, "", "/api/v1/write", "test", 0))
    except DecodeError as error:
        return error.reason
    assert decoded.metrics is not None
    batch = decoded.metrics
    rows = [column.tobytes() for column in (batch.series, batch.time_unix_nano, batch.value)]
    infos = [registry.info(i) for i in range(len(registry))]
    answer = (decoded.status, decoded.answer, decoded.answer_headers)
    return rows, decoded.rejected, infos, registry.blocked().tobytes(), answer


def both(bodies: list[bytes]) -> list[Any]:
    """Outcomes of the same requests by the two ways, each with a registry of its own; they must agree."""
    ours, theirs = SeriesRegistry(90), SeriesRegistry(90)
    fast, slow = RemoteWriteDecoder(ours, 1 << 20), RemoteWriteDecoder(theirs, 1 << 20)
    outcomes = [outcome(fast, ours, body) for body in bodies]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote_write_v2, "_read_usual", lambda body, table: None)
        assert [outcome(slow, theirs, body) for body in bodies] == outcomes
    return outcomes


AT_ODDS = [([1, 4], [(0, 0, 0)], 0, (kind, unit), 0) for kind, unit in ((0, 2), (1, 1), (0, 2), (2, 3))]


@settings(max_examples=400, deadline=None)
@given(st.lists(SERIES, max_size=5), st.lists(SERIES, max_size=3))
@example(AT_ODDS[:2], [])
@example(AT_ODDS[:1], AT_ODDS[:3])
@example(AT_ODDS[:3], AT_ODDS[1:])
def test_both_ways_agree_on_what_senders_write(first: list[Any], second: list[Any]) -> None:
    both([encode(first), encode(second), encode(first)])


@settings(max_examples=400, deadline=None)
@given(st.lists(SERIES, min_size=1, max_size=4), st.data())
def test_both_ways_agree_on_damaged_bytes(series: list[Any], data: Any) -> None:
    body = bytearray(encode(series))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    both([bytes(body), bytes(body[:cut])])


@settings(max_examples=400, deadline=None)
@given(st.binary(max_size=60))
def test_both_ways_agree_on_any_bytes(body: bytes) -> None:
    both([body])


GOOD = encode([([1, 4], [(1, 2, 0)], 1, (2, 0), 0)])


@pytest.mark.parametrize(
    "unusual",
    [
        b"\x32\x00",  # an unknown top-level field
        b"\x2a\x02\x08\x01",  # references that are not packed
        b"\x2a\x08\x0a\x02\x01\x04\x0a\x02\x03\x02",  # references in two parts
        b"\x2a\x06\x2a\x02\x08\x01\x2a\x00",  # metadata in two parts
        b"\x2a\x04\x2a\x02\x28\x01",  # an unknown field of the metadata
        b"\x2a\x07\x0a\x05\x01\x84\x80\x80\x00",  # an overlong reference
        b"\x2a\x08\x0a\x06\x01\xff\xff\xff\xff\x0f",  # the greatest reference
        b"\x2a\x0c\x2a\x0a\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f",  # a type of many bytes
        b"\x2a\x04\x12\x02\x20\x01",  # an unknown field of a sample
        b"\x2a\x03\x30\x80\x00",  # an overlong created timestamp
    ],
)
def test_unusual_shapes_go_to_the_library(unusual: bytes) -> None:
    both([unusual, GOOD + unusual, GOOD])


def test_symbols_after_series_go_to_the_library() -> None:
    """The library gathers them first; whoever reads in order would not know them yet."""
    message = Request(symbols=[b"", b"__name__"])
    message.timeseries.add(labels_refs=[1, 2]).samples.add(timestamp=1)
    outcomes = both([message.SerializeToString() + b"\x22\x02up"])
    assert outcomes[0][2][0].metric == "up"


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8),
        st.lists(
            st.tuples(st.integers(0, 2**64 - 1), st.integers(-(10**12), 10**12)), min_size=1, max_size=4
        ),
        min_size=1,
        max_size=8,
    )
)
def test_round_trip_is_exact(metrics: dict[str, list[tuple[int, int]]]) -> None:
    message = Request(symbols=[b"", b"__name__", b"job", b"j", *(name.encode() for name in metrics)])
    for number, samples in enumerate(metrics.values()):
        entry = message.timeseries.add(labels_refs=[1, 4 + number, 2, 3])
        for bits, millis in samples:
            entry.samples.add(value=bits, timestamp=millis)
    registry = SeriesRegistry()
    decoder = RemoteWriteDecoder(registry, 1 << 20)
    wanted = [(name, bits, millis) for name, samples in metrics.items() for bits, millis in samples]
    for _ in range(2):  # once new, once known
        decoded = decoder.decode(PushRequest(message.SerializeToString(), TYPE, "", "", "s", 0))
        assert decoded.metrics is not None
        batch = decoded.metrics
        rows = zip(
            batch.series.tolist(),
            batch.value.view(np.uint64).tolist(),
            (batch.time_unix_nano // 10**6).tolist(),
            strict=True,
        )
        assert [(registry.info(s).metric, bits, millis) for s, bits, millis in rows] == wanted
        assert all(registry.info(int(s)).labels == (("job", "j"),) for s in batch.series)
