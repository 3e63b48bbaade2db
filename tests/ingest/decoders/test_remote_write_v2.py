"""Remote write 2.0: golden requests by the specification, what is answered, metadata, starts, histograms."""

from __future__ import annotations

from typing import Any

import cramjam
import numpy as np
import pytest

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest import remote_write_bounds
from stormpetrel.ingest.remote_write import RemoteWriteDecoder
from stormpetrel.ingest.remote_write_proto import Histogram
from stormpetrel.ingest.remote_write_v2_proto import Request
from stormpetrel.ingest.series import REFUSED_SERIES, SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.quality import Quality
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricKind

TYPE = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
ONE = 0x3FF0000000000000
COUNTER, GAUGE, HISTOGRAM = 1, 2, 3
UNUSUAL = b"\x32\x00"  # an unknown field: the library's way


class Sender:
    def __init__(self, max_series: int = 100, tail: bytes = b"") -> None:
        self.registry = SeriesRegistry(max_series)
        self.decoder = RemoteWriteDecoder(self.registry, 1 << 20)
        self.tail = tail

    def send(self, message: Any, content_type: str = TYPE) -> Decoded:
        raw = message if isinstance(message, bytes) else message.SerializeToString()
        body = bytes(cramjam.snappy.compress_raw(raw + self.tail))
        return self.decoder.decode(PushRequest(body, content_type, "snappy", "/api/v1/write", "s", 0))

    def rows(self, decoded: Decoded) -> list[tuple[str, int, float]]:
        assert decoded.metrics is not None
        batch = decoded.metrics
        columns = (batch.series.tolist(), (batch.time_unix_nano // 10**6).tolist(), batch.value.tolist())
        return [(self.registry.info(s).metric, t, v) for s, t, v in zip(*columns, strict=True)]

    def kinds(self) -> dict[str, tuple[MetricKind, str]]:
        infos = [self.registry.info(i) for i in range(len(self.registry))]
        return {info.metric: (info.kind, info.unit) for info in infos}


class Message:
    """A request; strings become symbols."""

    def __init__(self) -> None:
        self.symbols = {b"": 0}
        self.request = Request()

    def ref(self, text: str) -> int:
        return self.symbols.setdefault(text.encode(), len(self.symbols))

    def add(
        self,
        name: str,
        *samples: tuple[int, int],
        kind: int = 0,
        unit: str = "",
        created: int = 0,
        **labels: str,
    ) -> Any:
        entry = self.request.timeseries.add(created_timestamp=created)
        for pair in sorted({"__name__": name, **labels}.items()):
            entry.labels_refs.extend(self.ref(text) for text in pair)
        for bits, millis in samples:
            entry.samples.add(value=bits, timestamp=millis)
        if kind or unit:
            entry.metadata.type, entry.metadata.unit_ref = kind, self.ref(unit)
        return entry

    def bytes(self) -> bytes:
        self.request.ClearField("symbols")
        self.request.symbols.extend(self.symbols)
        return bytes(self.request.SerializeToString())


def one(name: str, millis: int = 1000, **rest: Any) -> bytes:
    message = Message()
    message.add(name, (ONE, millis), **rest)
    return message.bytes()


def headers(decoded: Decoded) -> dict[str, str]:
    return {name.split("-")[-2]: value for name, value in decoded.answer_headers}


def test_golden_request_by_hand() -> None:
    """Bytes written by hand from the specification: up{job="n"} = 1 at 1000 ms, a gauge in seconds."""
    symbols = "220022085f5f6e616d655f5f2202757022036a6f6222016e22077365636f6e6473"  # 0 to 5
    series = (
        "0a0401020304"  # labels
        "120f" "09000000000000f03f" "10e807" "18f403"  # 1.0 at 1000, since 500
        "2a04" "0802" "2005"  # gauge, unit
        "3007"  # created at 7
    )  # fmt: skip
    body = bytes.fromhex(symbols + "2a1f" + series)
    assert len(bytes.fromhex(series)) == 0x1F
    sender = Sender()
    for _ in range(2):
        decoded = sender.send(body)
        assert sender.rows(decoded) == [("up", 1000, 1.0)]
        assert (decoded.status, decoded.answer) == (204, b"")
    assert sender.registry.info(0).text() == 'up{job="n"}'
    assert sender.kinds() == {"up": (MetricKind.GAUGE, "seconds")}
    assert decoded.answer_headers == (
        ("X-Prometheus-Remote-Write-Samples-Written", "1"),
        ("X-Prometheus-Remote-Write-Histograms-Written", "0"),
        ("X-Prometheus-Remote-Write-Exemplars-Written", "0"),
    )


def test_a_series_is_found_by_its_words_wherever_the_table_has_them() -> None:
    sender = Sender()
    first, second = Message(), Message()
    first.add("up", (ONE, 1), job="a", zone="b")
    for word in ("b", "zone", "up", "x"):
        second.ref(word)
    second.add("up", (ONE, 2), job="a", zone="b")
    swapped = Message()
    swapped.add("up", (ONE, 3), job="b", zone="a")
    found = [sender.send(m.bytes()).metrics for m in (first, second, second, swapped)]
    assert [batch.series.tolist() for batch in found if batch is not None] == [[0], [0], [0], [1]]


@pytest.mark.parametrize("tail", [b"", UNUSUAL])
@pytest.mark.parametrize(
    ("refs", "reason"),
    [
        ([1], "bad_symbol_ref"),
        ([1, 9], "bad_symbol_ref"),
        ([], "no_metric_name"),
        ([2, 1], "no_metric_name"),
        ([1, 2, 1, 2], "duplicate_label"),
        ([1, 2, 0, 2], "empty_label_name"),
        ([1, 4], "not_utf8"),
    ],
)
def test_a_bad_series_is_refused_alone_and_told(refs: list[int], reason: str, tail: bytes) -> None:
    request = Request(symbols=[b"", b"__name__", b"up", b"job", b"\xff"])
    for labels in (refs, [1, 2]):
        request.timeseries.add(labels_refs=labels).samples.add(value=ONE, timestamp=1)
    sender = Sender(tail=tail)
    for _ in range(2):
        decoded = sender.send(request)
        assert sender.rows(decoded) == [("up", 1, 1.0)]
        assert [(r.reason, r.rows) for r in decoded.rejected] == [(reason, 1)]
        assert (decoded.status, headers(decoded)) == (
            400,
            {"Samples": "1", "Histograms": "0", "Exemplars": "0"},
        )
        assert reason.encode() in decoded.answer
        assert decoded.answer_type.startswith("text/plain")


def test_a_reference_that_leads_nowhere_is_not_the_empty_word() -> None:
    sender = Sender()
    for refs, status in (([1, 2, 3, 0], 204), ([1, 2, 3, 9], 400), ([1, 2, 3, 0], 204)):
        request = Request(symbols=[b"", b"__name__", b"up", b"job"])
        request.timeseries.add(labels_refs=refs).samples.add(value=ONE, timestamp=1)
        assert sender.send(request).status == status


@pytest.mark.parametrize("tail", [b"", UNUSUAL])
def test_a_unit_that_leads_nowhere_or_is_a_novel(tail: bytes) -> None:
    request = Request(symbols=[b"", b"__name__", b"up", b"x" * 600])
    for unit in (9, 3):
        entry = request.timeseries.add(labels_refs=[1, 2])
        entry.samples.add(value=ONE, timestamp=1)
        entry.metadata.unit_ref = unit
    decoded = Sender(tail=tail).send(request)
    assert [(r.reason, r.rows) for r in decoded.rejected] == [("bad_metadata", 1), ("bad_symbol_ref", 1)]


@pytest.mark.parametrize("tail", [b"", UNUSUAL])
def test_what_is_no_request_is_refused_whole(tail: bytes) -> None:
    with pytest.raises(DecodeError, match="first symbol must be empty"):
        Sender(tail=tail).send(Request(symbols=[b"up"]))
    with pytest.raises(DecodeError, match=r"not a remote write 2\.0 request"):
        Sender().send(b"\x2a\x05abc")
    assert Sender(tail=tail).send(b"").status == 204


def test_series_without_room_are_not_written_and_come_in_later() -> None:
    sender = Sender(max_series=1)
    message = Message()
    message.add("a", (ONE, 1))
    message.add("b", (ONE, 1), (ONE, 2))
    decoded = sender.send(message.bytes())
    assert decoded.metrics is not None
    assert decoded.metrics.series.tolist() == [0, REFUSED_SERIES, REFUSED_SERIES], "admission counts these"
    assert (decoded.status, headers(decoded)["Samples"], decoded.rejected) == (400, "1", ())
    assert b"limit" in decoded.answer
    sender.registry._max_per_source = 2
    assert sender.send(message.bytes()).status == 204


def test_times_that_do_not_fit_and_staleness_markers() -> None:
    limit = 9_223_372_036_854
    message = Message()
    message.add("up", (STALE_MARKER_BITS, 5), (ONE, limit + 1), (ONE, -limit))
    decoded = Sender().send(message.bytes())
    assert decoded.metrics is not None
    assert decoded.metrics.value.view(np.uint64).tolist() == [STALE_MARKER_BITS, ONE]
    assert (decoded.status, headers(decoded)["Samples"]) == (400, "2")


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("temp_sum", GAUGE, (MetricKind.GAUGE, "s")),
        ("lat_bucket", HISTOGRAM, (MetricKind.COUNTER, "")),
        ("lat_sum", HISTOGRAM, (MetricKind.COUNTER, "s")),
        ("lat", HISTOGRAM, (MetricKind.UNKNOWN, "s")),
        ("q", 5, (MetricKind.GAUGE, "s")),
        ("n", COUNTER, (MetricKind.COUNTER, "s")),
        ("n_total", 0, (MetricKind.COUNTER, "s")),
        ("n", 99, (MetricKind.UNKNOWN, "s")),
    ],
)
def test_metadata_gives_kinds_and_units(name: str, kind: int, expected: Any) -> None:
    sender = Sender()
    sender.send(one(name, kind=kind, unit="s"))
    assert sender.kinds() == {name: expected}


def test_metadata_that_comes_late_is_learnt_and_that_changes_blocks() -> None:
    sender = Sender()
    sender.send(one("a"))
    sender.send(one("a", 2, kind=GAUGE, unit="s"))
    assert sender.kinds() == {"a": (MetricKind.GAUGE, "s")}
    assert not sender.registry.blocked().any()
    sender.send(one("a", 3, kind=COUNTER, unit="s"))
    assert sender.registry.blocked()[0] == Quality.KIND_CHANGED
    sender.send(one("a", 4, kind=GAUGE, unit="s"))
    sender.registry.release(0)
    assert sender.kinds() == {"a": (MetricKind.GAUGE, "s")}, "what the sender went back to is what holds"


@pytest.mark.parametrize("tail", [b"", UNUSUAL])
def test_a_series_at_odds_with_itself_is_told_of_each_time(tail: bytes) -> None:
    sender = Sender(tail=tail)
    message = Message()
    for unit in ("s", "ms", "s"):
        message.add("a", (ONE, 1), kind=GAUGE, unit=unit)
    for _ in range(3):
        sender.send(message.bytes())
        assert sender.registry.blocked()[0] == Quality.UNIT_CHANGED
        sender.registry.release(0)
        assert sender.kinds() == {"a": (MetricKind.GAUGE, "s")}, "what it said last"


def test_known_series_take_the_compiled_way(monkeypatch: pytest.MonkeyPatch) -> None:
    sender = Sender()
    sender.send(one("a", kind=GAUGE))
    monkeypatch.setattr(sender.registry, "intern", lambda *told: pytest.fail(f"asked for {told} again"))
    sender.send(one("a", 2, kind=GAUGE))


def test_a_restart_that_the_value_does_not_show() -> None:
    sender = Sender()
    sender.send(one("n", 1000, kind=COUNTER, created=500))
    assert sender.rows(sender.send(one("n", 3000, kind=COUNTER, created=2000))) == [
        ("n", 2000, 0.0),
        ("n", 3000, 1.0),
    ]
    message = Message()
    entry = message.add("n", (ONE, 5000), kind=COUNTER)
    entry.samples[0].start_timestamp = 4000
    assert sender.rows(sender.send(message.bytes()))[0] == ("n", 4000, 0.0)
    entry.samples[0].timestamp, entry.samples[0].start_timestamp = 7000, 2**62
    assert len(sender.rows(sender.send(message.bytes()))) == 1, "a start beyond all time is none"


def test_histograms_are_flattened_and_counted() -> None:
    sender = Sender()
    message = Message()
    entry = message.add("rpc", kind=HISTOGRAM, unit="seconds", created=500)
    fields: dict[str, Any] = {"positive_spans": [{"offset": 1, "length": 1}], "positive_deltas": [3]}
    entry.histograms.append(Histogram(count_int=3, timestamp=1000, **fields).SerializeToString())
    entry.histograms.append(b"\xff")
    entry.exemplars.append(b"skipped")
    decoded = sender.send(message.bytes())
    assert decoded.metrics is not None
    assert len(decoded.metrics) == 40
    assert sender.kinds()["rpc_sum"] == (MetricKind.COUNTER, "seconds")
    assert [r.reason for r in decoded.rejected] == ["bad_histogram"]
    assert (decoded.status, headers(decoded)) == (400, {"Samples": "0", "Histograms": "1", "Exemplars": "0"})
    del entry.histograms[:]
    later = Histogram(count_int=3, timestamp=3000, start_timestamp=2000, **fields)
    entry.histograms.append(later.SerializeToString())
    again = sender.send(message.bytes())
    assert again.metrics is not None
    assert len(again.metrics) == 80, "a zero for each counter that was started again"


def test_exemplars_alone_are_no_fault() -> None:
    message = Message()
    message.add("up").exemplars.append(b"anything")
    decoded = Sender().send(message.bytes())
    assert (decoded.status, headers(decoded)["Exemplars"]) == (204, "0")


@pytest.mark.parametrize("limit", ["MAX_SERIES", "MAX_SAMPLES", "MAX_SYMBOLS"])
def test_counts_are_bounded_both_ways(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote_write_bounds, limit, 1)
    message = Message()
    message.add("a", (ONE, 1))
    message.add("b", (ONE, 1))
    for tail in (b"", UNUSUAL):
        with pytest.raises(TooLargeError):
            Sender(tail=tail).send(message.bytes())


def test_the_wrong_schema_gives_nothing_by_design() -> None:
    """The specification keeps the numbers of 1.0's fields free, so that this is empty, not garbage."""
    decoded = Sender().send(one("up"), "application/x-protobuf")
    assert decoded.metrics is not None
    assert len(decoded.metrics) == 0
