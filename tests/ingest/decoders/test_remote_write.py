"""Remote write: what is refused and why, metadata, limits, staleness, many senders at once."""

from __future__ import annotations

from typing import Any

import cramjam
import numpy as np
import pytest

from stormpetrel.errors import TooLargeError, UnsupportedError
from stormpetrel.ingest import remote_write_bounds
from stormpetrel.ingest.remote_write import RemoteWriteDecoder
from stormpetrel.ingest.remote_write_proto import WriteRequest
from stormpetrel.ingest.remote_write_table import UNKNOWN_ID, LabelTable, find
from stormpetrel.ingest.remote_write_wire import hash128
from stormpetrel.ingest.series import REFUSED_SERIES, SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.quality import Quality
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricKind

ONE = 0x3FF0000000000000


def message(*series: Any, metadata: Any = ()) -> bytes:
    """Series are (labels, [(value bits, milliseconds)])."""
    request = WriteRequest()
    for labels, samples in series:
        entry = request.timeseries.add()
        for name, value in labels:
            entry.labels.add(name=name.encode(), value=value.encode())
        for bits, millis in samples:
            entry.samples.add(value=bits, timestamp=millis)
    for kind, family, unit in metadata:
        request.metadata.add(type=kind, metric_family_name=family.encode(), unit=unit.encode())
    return bytes(request.SerializeToString())


def metric(name: str, millis: int = 1000, **labels: str) -> Any:
    return sorted([("__name__", name), *labels.items()]), [(ONE, millis)]


class Sender:
    """A decoder, its registry, and how to send to it."""

    def __init__(self, max_series: int = 100, limit: int = 1 << 20) -> None:
        self.registry = SeriesRegistry(max_series)
        self.decoder = RemoteWriteDecoder(self.registry, limit)

    def send(self, body: bytes, content_type: str = "application/x-protobuf", source: str = "s") -> Decoded:
        packed = bytes(cramjam.snappy.compress_raw(body))
        request = PushRequest(packed, content_type, "snappy", "/api/v1/write", source, 0)
        return self.decoder.decode(request)

    def kinds(self) -> dict[str, MetricKind]:
        infos = [self.registry.info(i) for i in range(len(self.registry))]
        return {info.metric: info.kind for info in infos}


@pytest.mark.parametrize(
    ("labels", "reason"),
    [
        ([("job", "a")], "no_metric_name"),
        ([("__name__", "")], "no_metric_name"),
        ([("__name__", "up"), ("a", "1"), ("a", "2")], "duplicate_label"),
        ([("", "x"), ("__name__", "up")], "empty_label_name"),
        ([("__name__", "up"), *((f"l{i:02}", "x") for i in range(64))], "too_many_labels"),
        ([("__name__", "up"), ("a", "x" * (16 << 10))], "labels_too_long"),
    ],
)
def test_a_bad_series_is_refused_alone(labels: list[tuple[str, str]], reason: str) -> None:
    sender = Sender()
    for _ in range(2):
        decoded = sender.send(message((labels, [(ONE, 1), (ONE, 2)]), metric("up")))
        assert decoded.metrics is not None
        assert [(r.reason, r.rows) for r in decoded.rejected] == [(reason, 2)]
        assert [sender.registry.info(int(s)).metric for s in decoded.metrics.series] == ["up"]
        # Remote write 1.0: "Receivers MUST return 400 for requests that contain any invalid samples".
        assert (decoded.status, decoded.answer_type) == (400, "text/plain; charset=utf-8")
        assert reason.encode() in decoded.answer


def test_labels_in_any_order_are_the_same_series() -> None:
    """vmagent sends them as they come, unless it is started with -sortLabels; Prometheus takes them, too."""
    sender = Sender()
    pairs = [("__name__", "up"), ("Zone", "b"), ("job", "a")]
    for labels in (pairs, pairs[::-1], sorted(pairs)):
        decoded = sender.send(message((labels, [(ONE, 1)])))
        assert decoded.metrics is not None
        assert (decoded.status, decoded.rejected, decoded.metrics.series.tolist()) == (204, (), [0])
    assert sender.registry.info(0).text() == 'up{Zone="b",job="a"}'


def test_an_empty_label_value_is_no_label() -> None:
    sender = Sender()
    sender.send(message(metric("up", a="")))
    assert sender.registry.info(0).labels == ()


def test_staleness_markers_keep_their_bits() -> None:
    decoded = Sender().send(message(([("__name__", "up")], [(STALE_MARKER_BITS, 1)])))
    assert decoded.metrics is not None
    assert decoded.metrics.value.view(np.uint64).tolist() == [STALE_MARKER_BITS]


def test_times_that_do_not_fit_are_refused() -> None:
    limit = 9_223_372_036_854
    series = ([("__name__", "up")], [(ONE, limit), (ONE, limit + 1), (ONE, -limit), (ONE, -limit - 1)])
    decoded = Sender().send(message(series))
    assert decoded.metrics is not None
    assert decoded.metrics.time_unix_nano.tolist() == [limit * 10**6, -limit * 10**6]
    assert [(r.reason, r.rows) for r in decoded.rejected] == [("time_out_of_range", 2)]
    assert decoded.status == 400


def test_refused_series_come_in_once_there_is_room() -> None:
    sender = Sender(max_series=1)
    decoded = sender.send(message(metric("a"), metric("b")))
    assert decoded.metrics is not None
    assert decoded.metrics.series.tolist() == [0, REFUSED_SERIES]
    assert decoded.status == 400
    assert b"limit" in decoded.answer
    sender.registry._max_per_source = 2
    decoded = sender.send(message(metric("a"), metric("b")))
    assert decoded.metrics is not None
    assert decoded.metrics.series.tolist() == [0, 1]


def test_metadata_before_and_after_the_samples_gives_kinds() -> None:
    sender = Sender()
    names = ["temp", "temp_sum", "lat_bucket", "lat_count", "q", "q_sum", "n_total"]
    kinds = [(2, "temp_sum", ""), (3, "lat", "s"), (5, "q", ""), (1, "n", ""), (2, "temp", "celsius")]
    sender.send(message(*(metric(name) for name in names)))
    late = sender.send(message(metadata=kinds))
    assert late.metrics is not None
    assert (len(late.metrics), late.rejected) == (0, ())
    early = Sender()
    early.send(message(*(metric(name) for name in names), metadata=kinds))
    assert sender.kinds() == early.kinds()
    assert sender.kinds()["temp_sum"] is MetricKind.GAUGE, "the very name before the suffix"
    assert sender.kinds()["lat_bucket"] is MetricKind.COUNTER
    assert sender.kinds()["q"] is MetricKind.GAUGE
    assert not sender.registry.blocked().any()


def test_metadata_that_changes_blocks_only_its_senders_series() -> None:
    sender = Sender()
    sender.send(message(metric("a"), metric("b"), metadata=[(2, "a", "")]))
    sender.send(message(metadata=[(1, "b", "")]), source="other")
    assert not sender.registry.blocked().any()
    assert sender.kinds()["b"] is MetricKind.UNKNOWN
    sender.send(message(metadata=[(1, "a", "")]))
    assert sender.registry.blocked()[:2].tolist() == [Quality.KIND_CHANGED, 0]


def test_metadata_sent_again_and_again_costs_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Sender()
    sender.send(message(metric("a"), metadata=[(2, "a", "")]))
    monkeypatch.setattr(sender.registry, "declare", lambda *told: pytest.fail(f"told {told} again"))
    sender.send(message(metadata=[(2, "a", "")]))


def test_metadata_at_odds_with_itself_says_nothing() -> None:
    sender = Sender()
    decoded = sender.send(message(metric("a"), metadata=[(1, "a", ""), (2, "a", "")]))
    assert [r.reason for r in decoded.rejected] == ["metadata_conflict"]
    assert sender.kinds() == {"a": MetricKind.UNKNOWN}


@pytest.mark.parametrize(
    "content_type",
    [
        "",
        "application/x-protobuf",
        "application/x-protobuf;proto=prometheus.WriteRequest",
        'Application/X-Protobuf; charset=x; Proto="prometheus.WriteRequest"',
        "application/octet-stream",
    ],
)
def test_content_types_of_1_0(content_type: str) -> None:
    assert Sender().send(message(metric("a")), content_type).status == 204


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "text/plain;proto=prometheus.WriteRequest",
        "application/x-protobuf;proto=io.prometheus.write.v3.Request",
        "application/x-protobuf;proto=",
    ],
)
def test_other_content_types_are_not_spoken(content_type: str) -> None:
    with pytest.raises(UnsupportedError, match="remote write is application/x-protobuf"):
        Sender().send(message(metric("a")), content_type)


@pytest.mark.parametrize("limit", ["MAX_SERIES", "MAX_SAMPLES", "MAX_METADATA"])
def test_counts_are_bounded_both_ways(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_write_bounds, limit, 1)
    body = message(metric("a"), metric("b"), metadata=[(1, "a", ""), (1, "b", "")])
    for unusual in (b"", b"\x12\x00"):
        with pytest.raises(TooLargeError):
            Sender().send(body + unusual)


def test_unusual_bodies_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_write_bounds, "MAX_UNUSUAL_BYTES", 30)
    assert Sender().send(message(metric("a", b="x" * 30))).status == 204
    with pytest.raises(TooLargeError, match="30 bytes"):
        Sender().send(message(metric("a", b="x" * 30)) + b"\x12\x00")


def test_the_table_finds_what_it_learnt_through_growth_and_starts_anew_when_full() -> None:
    table = LabelTable(max_entries=5000)
    keys = np.random.default_rng(1).integers(0, 2**64, (5000, 2), np.uint64)
    keys[1:4, 0] = keys[0, 0]  # four keys that want one slot
    for start in range(0, 5000, 100):
        table.insert(keys[start : start + 100], np.arange(start, start + 100, dtype=np.uint32))
    assert [find(*table.arrays, a, b) for a, b in keys] == list(range(5000))
    table.insert(keys[:1], np.array([7], np.uint32))
    assert len(table) == 1
    assert find(*table.arrays, keys[0, 0], keys[0, 1]) == 7
    assert find(*table.arrays, keys[9, 0], keys[9, 1]) == UNKNOWN_ID


def test_hashes_tell_lengths_and_places_apart_and_ignore_the_surroundings() -> None:
    rng = np.random.default_rng(2)
    data = rng.integers(0, 256, 200, np.uint8)
    spans = [(start, end) for start in range(40) for end in range(start, 100)]
    texts = {data[start:end].tobytes() for start, end in spans}
    assert len({hash128(data, start, end) for start, end in spans}) == len(texts)
    zeros = np.zeros(64, np.uint8)
    assert len({hash128(zeros, 0, end) for end in range(65)}) == 65
    for end in range(10, 60):
        alone = np.ascontiguousarray(data[10:end])
        assert hash128(data, 10, end) == hash128(alone, 0, len(alone))
