"""Every decoder goes through the contract suite; and the suite finds decoders that break it."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.metadata
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.body import unpack
from stormpetrel.ingest.remote_write_proto import Histogram, WriteRequest
from stormpetrel.ingest.remote_write_v2_proto import Request
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.signal import MetricBatch
from stormpetrel.testing.check_decoder import check_decoder

Build = dict[str, Callable[[], Any]]
Push = Callable[..., PushRequest]


HISTOGRAM = Histogram(
    count_int=3, sum=7, timestamp=5, positive_spans=[{"offset": 1, "length": 2}], positive_deltas=[1, 1]
).SerializeToString()


def remote_write_request() -> PushRequest:
    message = WriteRequest()
    for job in (b"a", b"b"):
        entry = message.timeseries.add()
        entry.labels.add(name=b"__name__", value=b"up")
        entry.labels.add(name=b"job", value=job)
        entry.samples.add(value=0x3FF0000000000000, timestamp=1_700_000_000_000)
        entry.histograms.append(HISTOGRAM)
    message.metadata.add(type=2, metric_family_name=b"up")
    return PushRequest(message.SerializeToString(), "application/x-protobuf", "", "/api/v1/write", "t", 0)


def remote_write_2_request() -> PushRequest:
    symbols = [b"", b"__name__", b"up", b"job", b"a", b"s"]
    message = Request(symbols=symbols)
    for value in (4, 2):
        entry = message.timeseries.add(labels_refs=[1, 2, 3, value], created_timestamp=5)
        entry.samples.add(value=0x3FF0000000000000, timestamp=1_700_000_000_000, start_timestamp=9)
        entry.metadata.type, entry.metadata.unit_ref = 2, 5
        entry.exemplars.append(b"")
    message.timeseries.add(labels_refs=[1, 4]).histograms.append(HISTOGRAM)
    content_type = "application/x-protobuf;proto=io.prometheus.write.v2.Request"
    return PushRequest(message.SerializeToString(), content_type, "", "/api/v1/write", "t", 0)


def requests_of(name: str, build: Build, push: Push) -> list[PushRequest]:
    """Requests that give rows: VALID_REQUESTS of the decoder's own test module, `test_{name}.py`."""
    if name == "remote_write":
        return [remote_write_request(), remote_write_2_request()]
    if name.startswith("otlp_"):
        message = build[name.removeprefix("otlp_")]()
        return [push(message), push(message, "application/json")]
    found: list[PushRequest] = importlib.import_module(f"tests.ingest.decoders.test_{name}").VALID_REQUESTS
    return found


ENTRY_POINTS = sorted(e.name for e in importlib.metadata.entry_points(group="stormpetrel.decoders"))


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_every_built_in_decoder_keeps_the_contract(name: str, build: Build, push: Push) -> None:
    (entry,) = importlib.metadata.entry_points(group="stormpetrel.decoders", name=name)
    decoder_class = entry.load()
    assert decoder_class.name == name
    check_decoder(lambda limit: decoder_class(SeriesRegistry(), limit), requests_of(name, build, push))


class Sloppy:
    """A decoder with faults to choose."""

    name = "sloppy"
    paths: tuple[str, ...] = ("/x",)

    def __init__(self, limit: int, fault: str) -> None:
        self.limit, self.fault, self.seen = limit, fault, 0

    def decode(self, request: PushRequest) -> Decoded:
        body = unpack(request.body, request.content_encoding, 1 << 40 if self.fault == "bomb" else self.limit)
        if not body.startswith(b"good") and self.fault == "crash":
            raise KeyError("good")
        if not body.startswith(b"good"):
            raise DecodeError("not good")
        self.seen += 1
        rows = self.seen if self.fault == "memory" else len(body)
        return Decoded(
            metrics=MetricBatch(
                np.zeros(rows, np.uint32), np.zeros(rows, np.int64), np.zeros(rows, np.float64)
            )
        )


GOOD = PushRequest(b"good and long enough", "", "", "/x", "t", 0)


def test_the_suite_passes_a_plain_decoder() -> None:
    check_decoder(lambda limit: Sloppy(limit, ""), [GOOD])


@pytest.mark.parametrize("fault", ["crash", "memory", "bomb"])
def test_the_suite_finds_faults(fault: str) -> None:
    with pytest.raises(AssertionError):
        check_decoder(lambda limit: Sloppy(limit, fault), [GOOD])


def test_the_suite_refuses_useless_requests() -> None:
    with pytest.raises(AssertionError, match="at least one"):
        check_decoder(lambda limit: Sloppy(limit, ""), [])
    with pytest.raises(AssertionError, match="uncompressed"):
        check_decoder(lambda limit: Sloppy(limit, ""), [dataclasses.replace(GOOD, content_encoding="gzip")])
