"""OTLP over gRPC on loopback: tokens, refusals, and the answer after the insert."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from tests.sources.grpc_calls import (
    LIMIT,
    TOKEN,
    Code,
    Running,
    Until,
    channel,
    export,
    refused,
    request,
    retry_seconds,
    source,
)

from stormpetrel.errors import StoreError
from stormpetrel.testing.memory import MemoryIntake

pytestmark = pytest.mark.e2e


@pytest.fixture
def intake() -> MemoryIntake:
    return MemoryIntake()


@pytest.fixture
def opened(intake: MemoryIntake, running: Running, until: Until) -> Iterator[Any]:
    one = source()
    with running(one, intake):
        until(lambda: one.port)
        with channel(one.port) as found:
            yield found


def test_records_are_stored_before_the_answer(intake: MemoryIntake, opened: Any) -> None:
    assert export(opened, request("one", "two")) == b""
    assert intake.bodies() == ["one", "two"]
    (kept,) = intake.kept()
    assert kept.source == "otlp_grpc/team/otlp_logs"
    assert {row["source"] for row in intake.log_rows()} == {kept.source}
    assert export(opened, b"") == b"", "nothing to tell is told"
    assert export(opened, request("three"), (*TOKEN, ("x-storm-petrel-source", "shop-1"))) == b""
    assert intake.kept()[-1].source == "otlp_grpc/shop-1/otlp_logs"


def test_the_same_again_is_acknowledged_once_stored(intake: MemoryIntake, opened: Any) -> None:
    for _ in range(3):
        export(opened, request("one"))
    assert (intake.bodies(), intake.repeated) == (["one"], 2)


def test_partial_success(intake: MemoryIntake, opened: Any) -> None:
    answer = ExportLogsServiceResponse.FromString(export(opened, request("far", time_unix_nano=2**63)))
    assert answer.partial_success.rejected_log_records == 1
    assert answer.partial_success.error_message == "time_out_of_range: 1"
    assert [(r.source, r.reason, r.rows) for r in intake.refusals()] == [
        ("otlp_grpc/team/otlp_logs", "time_out_of_range", 1)
    ]


@pytest.mark.parametrize(
    ("metadata", "code", "words"),
    [
        ((), Code.UNAUTHENTICATED, "Bearer"),
        ((("authorization", "Bearer wrong"),), Code.UNAUTHENTICATED, "token"),
        ((("authorization", "Basic good"),), Code.UNAUTHENTICATED, "token"),
        ((("authorization", "Bearer reader"),), Code.PERMISSION_DENIED, "ingest"),
        ((*TOKEN, ("x-storm-petrel-source", "a/b")), Code.INVALID_ARGUMENT, "letters"),
    ],
)
def test_strangers_are_refused(
    intake: MemoryIntake, opened: Any, metadata: Any, code: Any, words: str
) -> None:
    error = refused(opened, request("one"), metadata)
    assert error.code() == code
    assert words in error.details()
    assert retry_seconds(error) == 0.0
    assert intake.kept() == []


def test_what_is_no_request_is_not_to_be_sent_again(intake: MemoryIntake, opened: Any) -> None:
    error = refused(opened, b"\xff\xff")
    assert error.code() == Code.INVALID_ARGUMENT
    assert retry_seconds(error) == 0.0
    assert [(r.reason, r.rows) for r in intake.refusals()] == [("malformed", 1)]
    assert refused(opened, b"", path="/some.Service/Export").code() == Code.UNIMPLEMENTED


def test_overload_and_failure_say_when_to_come_again(intake: MemoryIntake, opened: Any) -> None:
    intake.overload(1)
    error = refused(opened, request("one"))
    assert error.code() == Code.RESOURCE_EXHAUSTED
    assert retry_seconds(error) == 2.0
    intake.fail(StoreError("the store is away"), 1)
    error = refused(opened, request("one"))
    assert (error.code(), error.details()) == (Code.UNAVAILABLE, "the store is away")
    assert retry_seconds(error) == 2.0
    assert [(r.reason, r.rows) for r in intake.refusals()] == [("overloaded", 0), ("store", 0)]
    export(opened, request("one"))
    assert intake.bodies() == ["one"]


def test_gzip_is_unpacked_within_the_limit(intake: MemoryIntake, opened: Any) -> None:
    packed = {"compression": grpc.Compression.Gzip}
    export(opened, request("one" * 1000), **packed)
    assert intake.bodies() == ["one" * 1000]
    bomb = refused(opened, request("x" * 40 * LIMIT), **packed)
    assert bomb.code() == Code.INVALID_ARGUMENT
    assert "more than" in bomb.details()
    deflated = refused(opened, request("one" * 1000), compression=grpc.Compression.Deflate)
    assert deflated.code() == Code.UNIMPLEMENTED
