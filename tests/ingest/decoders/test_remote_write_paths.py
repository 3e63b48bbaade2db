"""The compiled way and the protobuf library's way read the same bytes alike, and both read them right."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.errors import DecodeError
from stormpetrel.ingest import remote_write_v1, remote_write_wire
from stormpetrel.ingest.remote_write import RemoteWriteDecoder
from stormpetrel.ingest.remote_write_histograms import MAX_MILLIS
from stormpetrel.ingest.remote_write_proto import Histogram, WriteRequest
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest

NAMES = st.sampled_from([b"__name__", b"job", b"instance", b"a", b"Z", b"", b"\xff", "größe".encode()])
VALUES = st.sampled_from([b"", b"up", b"x", b"10.0.0.1:9100", b"\xc3\x28", b"y" * 300])
SAMPLES = st.tuples(st.integers(0, 2**64 - 1), st.integers(-(2**63), 2**63 - 1))
SERIES = st.tuples(
    st.lists(st.tuples(NAMES, VALUES), max_size=5),
    st.lists(SAMPLES, max_size=3),
    st.booleans(),  # labels sorted as the specification asks
    st.integers(0, 2),  # native histograms
)
HISTOGRAM = Histogram(
    count_int=3, sum=7, timestamp=5, positive_spans=[{"offset": 1, "length": 2}], positive_deltas=[1, 1]
).SerializeToString()
METADATA = st.tuples(st.integers(-1, 9), st.sampled_from([b"up", b"x", b"", b"\xff"]), st.just(b"s"))


def encode(series: list[Any], metadata: list[Any]) -> bytes:
    message = WriteRequest()
    for labels, samples, tidy, histograms in series:
        entry = message.timeseries.add()
        for name, value in sorted(dict(labels).items()) if tidy else labels:
            entry.labels.add(name=name, value=value)
        for bits, millis in samples:
            entry.samples.add(value=bits, timestamp=millis)
        entry.exemplars.extend([b"\x00skipped"] * (histograms > 1))
        entry.histograms.extend([HISTOGRAM, b"broken"][:histograms])
    for kind, family, unit in metadata:
        message.metadata.add(type=kind, metric_family_name=family, unit=unit)
    return bytes(message.SerializeToString())


def request(body: bytes) -> PushRequest:
    return PushRequest(body, "application/x-protobuf", "", "/api/v1/write", "test", 0)


def outcome(decoder: RemoteWriteDecoder, registry: SeriesRegistry, body: bytes) -> Any:
    try:
        decoded: Decoded = decoder.decode(request(body))
    except DecodeError as error:
        return error.reason
    assert decoded.metrics is not None
    rows = [
        column.tobytes()
        for column in (decoded.metrics.series, decoded.metrics.time_unix_nano, decoded.metrics.value)
    ]
    infos = [registry.info(i) for i in range(len(registry))]
    return rows, decoded.rejected, infos, registry.blocked().tobytes(), decoded.status


def both(bodies: list[bytes]) -> list[Any]:
    """Outcomes of the same requests by the two ways, each with a registry of its own; they must agree."""
    ours, theirs = SeriesRegistry(6), SeriesRegistry(6)
    fast, slow = RemoteWriteDecoder(ours, 1 << 20), RemoteWriteDecoder(theirs, 1 << 20)
    outcomes = [outcome(fast, ours, body) for body in bodies]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(remote_write_v1, "_read_usual", lambda body, table: None)
        assert [outcome(slow, theirs, body) for body in bodies] == outcomes
    return outcomes


@settings(max_examples=300, deadline=None)
@given(st.lists(SERIES, max_size=5), st.lists(METADATA, max_size=3))
def test_both_ways_agree_on_what_senders_write(series: list[Any], metadata: list[Any]) -> None:
    body = encode(series, metadata)
    outcomes = both([body, body])
    assert outcomes[0][0] == outcomes[1][0], "a known series reads as it did when it was new"


@settings(max_examples=400, deadline=None)
@given(st.lists(SERIES, min_size=1, max_size=4), st.data())
def test_both_ways_agree_on_damaged_bytes(series: list[Any], data: Any) -> None:
    body = bytearray(encode(series, [(1, b"up", b"s")]))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(body) - 1))
        body[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.integers(0, len(body)))
    both([bytes(body), bytes(body[:cut])])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60))
def test_both_ways_agree_on_any_bytes(body: bytes) -> None:
    both([body])


@pytest.mark.parametrize(
    "unusual",
    [
        b"\x12\x03abc",  # an unknown top-level field
        b"\x0a\x80\x80\x80\x80\x00",  # an overlong length
        b"\x0a\x04\x12\x00\x0a\x00",  # a label after a sample
        b"\x0a\x05\x12\x03\x10\x80\x00",  # an overlong time
        b"\x0a\x0d\x12\x0b\x10\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",  # bits beyond the 64th
        b"\x0a\x0e\x12\x0c\x10" + b"\xff" * 10 + b"\x01",  # a time of eleven bytes
        b"\x0b\x0c",  # a group
        b"\x8a\x00\x00",  # a tag of two bytes
    ],
)
def test_unusual_shapes_go_to_the_library(unusual: bytes) -> None:
    good = encode([([(b"__name__", b"up")], [(1, 2)], True, 0)], [])
    both([unusual, good + unusual, unusual + good])


def test_the_compiled_way_leaves_scattered_labels_to_the_library() -> None:
    """Their hash would take in the samples between, and be new with every request."""
    scattered = np.frombuffer(bytes.fromhex("0a08" "0a00" "1200" "0a00" "1200"), np.uint8)  # fmt: skip
    together = np.frombuffer(bytes.fromhex("0a08" "0a00" "0a00" "1200" "1200"), np.uint8)  # fmt: skip
    assert not remote_write_wire.measure(scattered, 10)[0]
    usual, counts = remote_write_wire.measure(together, 10)
    assert usual
    assert counts.tolist() == [1, 2, 0, 0]


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(
        st.text(min_size=1, max_size=8), st.lists(SAMPLES, min_size=1, max_size=4), min_size=1, max_size=8
    )
)
def test_round_trip_is_exact(metrics: dict[str, list[tuple[int, int]]]) -> None:
    limit = MAX_MILLIS
    wanted = [(m, bits, t % limit) for m, samples in metrics.items() for bits, t in samples]
    body = encode(
        [
            ([(b"__name__", m.encode()), (b"job", b"j")], [(b, t % limit) for b, t in s], True, 0)
            for m, s in metrics.items()
        ],
        [],
    )
    registry = SeriesRegistry()
    decoder = RemoteWriteDecoder(registry, 1 << 20)
    for _ in range(2):  # once new, once known
        batch = decoder.decode(request(body)).metrics
        assert batch is not None
        bits = batch.value.view(np.uint64).tolist()
        rows = zip(batch.series.tolist(), bits, batch.time_unix_nano.tolist(), strict=True)
        assert [(registry.info(s).metric, b, t // 10**6) for s, b, t in rows] == wanted
        assert all(registry.info(int(s)).labels == (("job", "j"),) for s in batch.series)


def test_golden_request_by_hand() -> None:
    """Bytes written by hand from the specification: up{job="n"} = 1 at 1000 ms."""
    body = bytes.fromhex(
        "0a28"  # timeseries
        "0a0e" "0a085f5f6e616d655f5f" "12027570"  # __name__ = up
        "0a08" "0a036a6f62" "12016e"  # job = n
        "120c" "09000000000000f03f" "10e807"  # 1.0 at 1000
    )  # fmt: skip
    registry = SeriesRegistry()
    decoded = RemoteWriteDecoder(registry, 1000).decode(request(body))
    assert decoded.metrics is not None
    assert registry.info(0).text() == 'up{job="n"}'
    assert decoded.metrics.value.tolist() == [1.0]
    assert decoded.metrics.time_unix_nano.tolist() == [1_000_000_000]
    assert (decoded.status, decoded.answer) == (204, b"")
