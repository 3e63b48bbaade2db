"""Calls of OTLP over gRPC, as the tests of its source make them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import grpc
import pytest
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from stormpetrel.adapters.clock import SystemClock
from stormpetrel.adapters.sources.otlp_grpc import OtlpGrpcSource
from stormpetrel.app.config_sources import OtlpGrpcConfig
from stormpetrel.ingest.otlp_logs import OtlpLogsDecoder
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.access import Caller, Scope
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.ports.intake import Intake
from stormpetrel.ports.source import Source

Running = Callable[[Source, Intake], AbstractContextManager[None]]
Until = Callable[..., None]
Code = grpc.StatusCode
PATH = "/opentelemetry.proto.collector.logs.v1.LogsService/Export"
TOKEN = (("authorization", "Bearer good"),)
CALLERS = {
    "good": Caller("team", None, frozenset({Scope.INGEST})),
    "reader": Caller("page", None, frozenset({Scope.READ})),
}
LIMIT = 1 << 20


def decode(protocol: str, request: PushRequest) -> Decoded:
    assert protocol == "otlp_logs"
    return OtlpLogsDecoder(SeriesRegistry(), LIMIT).decode(request)


def source(port: int = 0, **settings: Any) -> OtlpGrpcSource:
    return OtlpGrpcSource(OtlpGrpcConfig(port=port, **settings), decode, CALLERS.get, SystemClock())


def request(*bodies: str, time_unix_nano: int = 0) -> bytes:
    message: Any = ExportLogsServiceRequest()
    records = message.resource_logs.add().scope_logs.add().log_records
    for body in bodies:
        records.add(time_unix_nano=time_unix_nano).body.string_value = body
    return bytes(message.SerializeToString())


@contextmanager
def channel(port: int) -> Iterator[Any]:
    opened = grpc.insecure_channel(f"127.0.0.1:{port}")
    try:
        yield opened
    finally:
        opened.close()


def export(opened: Any, body: bytes, metadata: Any = TOKEN, path: str = PATH, **call: Any) -> bytes:
    answer: bytes = opened.unary_unary(path)(body, metadata=metadata, **{"timeout": 15.0, **call})
    return answer


def refused(opened: Any, body: bytes, metadata: Any = TOKEN, path: str = PATH, **call: Any) -> Any:
    with pytest.raises(grpc.RpcError) as caught:
        export(opened, body, metadata, path, **call)
    return caught.value


def retry_seconds(error: Any) -> float:
    """The time to come again, told in both places; 0 when there is none."""
    trailing = dict(error.trailing_metadata())
    if "grpc-status-details-bin" not in trailing:
        assert "google.rpc.retryinfo-bin" not in trailing
        return 0.0
    status = Status.FromString(trailing["grpc-status-details-bin"])
    assert (status.code, status.message) == (error.code().value[0], error.details())
    told = RetryInfo()
    assert status.details[0].Unpack(told)
    assert RetryInfo.FromString(trailing["google.rpc.retryinfo-bin"]) == told
    return float(told.retry_delay.seconds + told.retry_delay.nanos / 1e9)
