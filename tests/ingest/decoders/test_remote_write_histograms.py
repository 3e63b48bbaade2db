"""Native histograms in remote write 1.0: which series they become, how they end, what is refused."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from stormpetrel.errors import TooLargeError
from stormpetrel.ingest import remote_write_bounds, remote_write_histograms
from stormpetrel.ingest.native_histograms import fixed_bounds
from stormpetrel.ingest.remote_write import RemoteWriteDecoder
from stormpetrel.ingest.remote_write_proto import Histogram, WriteRequest
from stormpetrel.ingest.series import REFUSED_SERIES, SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.quality import Quality
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricKind

GAUGE = 3
CUSTOM = -53


def bits(value: float) -> int:
    return int(struct.unpack("<Q", struct.pack("<d", value))[0])


def histogram(**fields: Any) -> bytes:
    """Four observations up to 1, 2, 2 and 8 unless told otherwise."""
    base = {
        "count_int": 4, "sum": bits(9.5), "timestamp": 1000, "schema": 0,
        "positive_spans": [{"offset": 0, "length": 2}, {"offset": 1, "length": 1}],
        "positive_deltas": [1, 1, -1],
    }  # fmt: skip
    return bytes(Histogram(**{**base, **fields}).SerializeToString())


FLOAT = {
    "count_int": 0, "count_float": 2.5, "positive_deltas": [], "positive_counts": [1.0, 0.5, 1.0],
}  # fmt: skip


class Sender:
    def __init__(self, max_series: int = 1000) -> None:
        self.registry = SeriesRegistry(max_series)
        self.decoder = RemoteWriteDecoder(self.registry, 1 << 22)

    def send(
        self, *histograms: bytes, name: bytes = b"rpc", metadata: Any = (), tail: bytes = b""
    ) -> Decoded:
        message = WriteRequest()
        entry = message.timeseries.add()
        for label, value in ((b"__name__", name), (b"job", b"a")):
            entry.labels.add(name=label, value=value)
        entry.histograms.extend(histograms)
        for kind, family, unit in metadata:
            message.metadata.add(type=kind, metric_family_name=family, unit=unit)
        body = message.SerializeToString() + tail
        return self.decoder.decode(PushRequest(body, "", "", "/api/v1/write", "s", 0))


def by_le(sender: Sender, decoded: Decoded) -> dict[str, float]:
    """Bucket counts by `le`."""
    assert decoded.metrics is not None
    pairs = zip(decoded.metrics.series.tolist(), decoded.metrics.value.tolist(), strict=True)
    labels = [(sender.registry.info(s).label_map(), v) for s, v in pairs]
    return {found["le"]: value for found, value in labels if "le" in found}


@pytest.mark.parametrize("tail", [b"", b"\x12\x00"])  # the compiled way, the library's way
def test_an_integer_histogram_becomes_classic_series(tail: bytes) -> None:
    sender = Sender()
    decoded = sender.send(histogram(), metadata=[(3, b"rpc", b"s")], tail=tail)
    assert decoded.metrics is not None
    assert (decoded.rejected, decoded.status) == ((), 204)
    infos = [sender.registry.info(s) for s in decoded.metrics.series.tolist()]
    assert [(i.metric, i.unit) for i in infos[:3]] == [
        ("rpc_count", ""),
        ("rpc_sum", "s"),
        ("rpc_bucket", ""),
    ]
    assert {i.kind for i in infos} == {MetricKind.COUNTER}
    assert (decoded.metrics.time_unix_nano == 1_000_000_000).all()
    assert decoded.metrics.value[:2].tolist() == [4.0, 9.5]
    counts = by_le(sender, decoded)
    assert tuple(counts) == fixed_bounds()
    assert [counts[le] for le in ("0.5", "1", "2", "4", "8", "16", "+Inf")] == [0, 1, 3, 3, 4, 4, 4]


def test_a_float_gauge_histogram_becomes_gauges() -> None:
    sender = Sender()
    decoded = sender.send(histogram(**FLOAT, reset_hint=GAUGE))
    assert by_le(sender, decoded)["+Inf"] == 2.5
    assert set(sender.registry.kinds()) == {MetricKind.GAUGE}


def test_another_resolution_is_the_same_series() -> None:
    sender = Sender()
    sender.send(histogram())
    known = len(sender.registry)
    spans, deltas = [{"offset": -7, "length": 16}, {"offset": 8, "length": 8}], [1, -1] + [0] * 22
    decoded = sender.send(histogram(schema=3, positive_spans=spans, positive_deltas=deltas))
    assert decoded.rejected == ()
    assert len(sender.registry) == known


def test_a_staleness_marker_ends_all_series_that_there_were() -> None:
    sender = Sender()
    sender.send(histogram(negative_spans=[{"offset": 0, "length": 1}], negative_deltas=[1], count_int=5))
    stale = Histogram(sum=STALE_MARKER_BITS, timestamp=2000).SerializeToString()
    decoded = sender.send(stale)
    assert decoded.metrics is not None
    assert len(decoded.metrics) == len(sender.registry) == 76
    assert (decoded.metrics.value.view(np.uint64) == STALE_MARKER_BITS).all()
    alone = Sender()
    alone.send(stale)
    assert [alone.registry.info(i).metric for i in range(len(alone.registry))] == ["rpc_count", "rpc_sum"]


def test_own_bounds_that_change_end_the_series_that_are_gone() -> None:
    sender = Sender()
    own = {"schema": CUSTOM, "positive_spans": [{"offset": 0, "length": 3}], "positive_deltas": [1, 1, -1]}
    first = sender.send(histogram(**own, custom_values=[0.1, 0.5]))
    assert by_le(sender, first) == {"0.1": 1, "0.5": 3, "+Inf": 4}
    second = sender.send(histogram(**own, custom_values=[0.1, 0.7], timestamp=2000))
    assert second.metrics is not None
    ended = second.metrics.series[second.metrics.value.view(np.uint64) == STALE_MARKER_BITS]
    assert [sender.registry.info(int(s)).label_map()["le"] for s in ended] == ["0.5"]
    assert by_le(sender, second)["0.7"] == 3


def test_a_counter_that_becomes_a_gauge_is_kept_apart() -> None:
    sender = Sender()
    sender.send(histogram())
    sender.send(histogram(reset_hint=GAUGE))
    assert set(sender.registry.blocked()[:40].tolist()) == {Quality.KIND_CHANGED}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (b"\xff\xff", "bad_histogram"),
        (histogram(schema=99), "unknown_schema"),
        (histogram(count_int=3), "bad_buckets"),
        (histogram(positive_deltas=[1, -2, 3]), "bad_buckets"),
        (histogram(positive_counts=[1.0, 1.0, 1.0]), "bad_buckets"),
        (histogram(positive_spans=[{"offset": 0, "length": 2**32 - 1}]), "bad_buckets"),
        (histogram(schema=CUSTOM, custom_values=[1.0], zero_count_int=1), "bad_buckets"),
        (histogram(timestamp=2**62), "time_out_of_range"),
        (histogram(positive_deltas=[0] * 300_000), "too_many_buckets"),
    ],
)
def test_a_bad_histogram_is_refused_alone(message: bytes, reason: str) -> None:
    sender = Sender()
    decoded = sender.send(message, histogram())
    assert [(r.reason, r.rows) for r in decoded.rejected] == [(reason, 1)]
    assert by_le(sender, decoded)["+Inf"] == 4


def test_bad_labels_refuse_the_histogram() -> None:
    assert [r.reason for r in Sender().send(histogram(), name=b"\xff").rejected] == ["not_utf8"]


def test_a_source_without_room_loses_series_and_not_the_layout() -> None:
    sender = Sender(max_series=10)
    sender.send(histogram())
    sender.registry._max_per_source = 1000
    decoded = sender.send(histogram())
    assert decoded.metrics is not None
    assert len(set(decoded.metrics.series.tolist())) == 40, "refused series are not remembered"


def test_a_source_without_any_room_is_asked_for_once_a_histogram(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Sender(max_series=10)
    sender.send(histogram(), name=b"first")
    asked: list[str] = []
    intern = sender.registry.intern

    def counted(metric: str, *rest: Any) -> int:
        asked.append(metric)
        return intern(metric, *rest)

    monkeypatch.setattr(sender.registry, "intern", counted)
    decoded = sender.send(histogram())
    assert asked == ["rpc_count"]
    assert decoded.metrics is not None
    assert decoded.metrics.series.tolist() == [REFUSED_SERIES] * 40, "admission counts these"


def test_histograms_and_their_rows_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_write_bounds, "MAX_HISTOGRAMS", 1)
    for tail in (b"", b"\x12\x00"):
        with pytest.raises(TooLargeError, match="2 native histograms"):
            Sender().send(histogram(), histogram(), tail=tail)
    monkeypatch.undo()
    monkeypatch.setattr(remote_write_histograms, "MAX_ROWS", 50)
    with pytest.raises(TooLargeError, match="50 samples"):
        Sender().send(histogram(), histogram())


def test_layouts_are_forgotten_when_there_are_too_many() -> None:
    sender = Sender()
    series = sender.decoder._v1._histograms
    series._max_layouts = 2
    for name in (b"a", b"b", b"c"):
        sender.send(histogram(), name=name)
    assert len(series._layouts) == 1
