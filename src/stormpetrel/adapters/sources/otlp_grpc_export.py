"""The three OTLP services over gRPC: one request from the token to the acknowledgement."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from functools import partial
from typing import Any

import grpc

from stormpetrel.adapters.sources.otlp_grpc_status import GrpcRefusedError, refusal_of
from stormpetrel.errors import DecodeError, OverloadedError, StormPetrelError
from stormpetrel.model.access import Caller, Scope
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake

METHODS = {
    "/opentelemetry.proto.collector.logs.v1.LogsService/Export": "otlp_logs",
    "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export": "otlp_metrics",
    "/opentelemetry.proto.collector.trace.v1.TraceService/Export": "otlp_traces",
}

MAX_AT_ONCE = 32  # requests between their token and their answer; more are told to come again
MAX_DECODING = 4
READ_SECONDS = 30.0  # how long a message may take to arrive
STORED_SECONDS = 30.0  # how long a sender waits for the store before it is told to come again

_LOOK_SECONDS = 0.1
_MAX_AUTHORIZATION = 2048
_SOURCE = re.compile(r"[a-zA-Z0-9_.-]{1,64}")

# Decodes a request of a protocol (`otlp_logs` …). DecodeError.
Decode = Callable[[str, PushRequest], Decoded]

# Whose token a secret is.
CallerOf = Callable[[str], Caller | None]


class OtlpExport:
    """Answers the three `Export` methods: what gRPC calls a generic handler.

    The token is looked at before a byte of the message is read, and there are never more than `MAX_AT_ONCE`
    messages in memory. A message is taken as it came over the wire and unpacked by the decoder, within its
    limit: gRPC itself would unpack it without one. The answer comes when everything accepted is stored.

    Args:
        name: the source; what senders give is handed over as `NAME/SENDER/PROTOCOL`.
        decode: see `Decode`.
        caller_of: see `CallerOf`.
        clock: for records without a time.
        intake: where signals go.
        stop: once it is set, whoever waits is told to come again.
    """

    def __init__(  # what one request needs on its way; no options
        self,
        name: str,
        decode: Decode,
        caller_of: CallerOf,
        clock: Clock,
        intake: Intake,
        stop: threading.Event,
    ) -> None:
        self._name = name
        self._decode = decode
        self._caller_of = caller_of
        self._clock = clock
        self._intake = intake
        self._stop = stop
        self._places = threading.BoundedSemaphore(MAX_AT_ONCE)
        self._decoding = threading.BoundedSemaphore(MAX_DECODING)
        self._lock = threading.Lock()
        self._reading: dict[Any, float] = {}

    def service(self, handler_call_details: Any) -> Any:
        """The method of a call; None for one that is not spoken here, which gRPC answers UNIMPLEMENTED."""
        protocol = METHODS.get(handler_call_details.method)
        if protocol is None:
            return None
        # As a stream of requests, of which only one comes: a unary one would be read before we are asked.
        return grpc.stream_unary_rpc_method_handler(partial(self._export, protocol))

    def drop_slow(self) -> None:
        """Cancel the calls whose message does not come."""
        now = time.monotonic()
        with self._lock:
            slow = [context for context, deadline in self._reading.items() if deadline < now]
        for context in slow:
            context.cancel()

    def _export(self, protocol: str, messages: Iterator[bytes], context: Any) -> bytes:
        try:
            metadata = dict(context.invocation_metadata())
            caller = self._caller(metadata)
            source = f"{self._name}/{_sender(metadata, caller)}/{protocol}"
            with self._place():
                return self._receive(protocol, source, messages, context)
        except GrpcRefusedError as refusal:
            context.set_trailing_metadata(refusal.metadata())
            context.abort(refusal.code, refusal.text())
        raise AssertionError("abort raises")

    def _caller(self, metadata: dict[str, str | bytes]) -> Caller:
        """Whose token this is."""
        said = metadata.get("authorization", "")
        scheme, _, secret = str(said)[:_MAX_AUTHORIZATION].partition(" ")
        caller = self._caller_of(secret.strip()) if scheme.lower() == "bearer" else None
        if caller is None:
            message = "send an API token with scope ingest as metadata: `authorization: Bearer …`"
            raise GrpcRefusedError(grpc.StatusCode.UNAUTHENTICATED, "token", message)
        if Scope.INGEST not in caller.scopes:
            message = f"the token {caller.name} lacks the scope {Scope.INGEST}"
            raise GrpcRefusedError(grpc.StatusCode.PERMISSION_DENIED, "scope", message)
        return caller

    @contextmanager
    def _place(self) -> Iterator[None]:
        if not self._places.acquire(blocking=False):
            error = OverloadedError(f"{MAX_AT_ONCE} requests are under way; send it again later")
            raise refusal_of(error)
        try:
            yield
        finally:
            self._places.release()

    def _receive(self, protocol: str, source: str, messages: Iterator[bytes], context: Any) -> bytes:
        body = self._read(messages, context)
        request = PushRequest(
            body=body,
            content_type="application/x-protobuf",
            # No OTLP message begins like a gzip member: 0x1f is a field type that protobuf does not have.
            content_encoding="gzip" if body[:2] == b"\x1f\x8b" else "",
            path=next(path for path, name in METHODS.items() if name == protocol),
            source=source,
            received_unix_nano=self._clock.now_unix_nano(),
        )
        try:
            with self._decoding:
                decoded = self._decode(protocol, request)
            for refused in decoded.rejected:
                self._intake.rejected(source, refused.reason, refused.rows, refused.example)
            self._until_stored(self._handed_over(decoded, source), context)
        except StormPetrelError as error:
            # What will be sent again is not lost: it counts as trouble of the source, not as rows.
            self._intake.rejected(source, error.reason, int(isinstance(error, DecodeError)), str(error))
            raise (error if isinstance(error, GrpcRefusedError) else refusal_of(error)) from None
        return decoded.answer

    def _read(self, messages: Iterator[bytes], context: Any) -> bytes:
        """The message; one that does not come in time is given up by `drop_slow`."""
        with self._lock:
            self._reading[context] = time.monotonic() + READ_SECONDS
        try:
            body = next(messages, None)
        finally:
            with self._lock:
                del self._reading[context]
        if body is None:
            message = "the call ended without a message"
            raise GrpcRefusedError(grpc.StatusCode.INVALID_ARGUMENT, "incomplete", message)
        return body

    def _handed_over(self, decoded: Decoded, source: str) -> list[Future[None]]:
        stored: list[Future[None]] = []
        if decoded.metrics is not None:
            stored.append(self._intake.metrics(decoded.metrics, source))
        if decoded.logs is not None:
            stored.append(self._intake.logs(decoded.logs, source))
        if decoded.spans is not None:
            stored.append(self._intake.spans(decoded.spans, source))
        return stored

    def _until_stored(self, stored: list[Future[None]], context: Any) -> None:
        deadline = time.monotonic() + STORED_SECONDS
        left: set[Future[None]] = set(stored)
        while left:
            done, left = wait(left, timeout=_LOOK_SECONDS)
            for future in done:
                future.result()
            if not left:
                return
            if self._stop.is_set() or not context.is_active():
                message = "Storm Petrel is stopping: send it again"
                raise GrpcRefusedError(grpc.StatusCode.UNAVAILABLE, "stopping", message, retry=True)
            if time.monotonic() > deadline:
                message = f"not stored within {STORED_SECONDS:g} s; send it again"
                raise GrpcRefusedError(grpc.StatusCode.UNAVAILABLE, "timeout", message, retry=True)


def _sender(metadata: dict[str, str | bytes], caller: Caller) -> str:
    """Who sends: the token's name, or what the sender calls itself, as over HTTP."""
    named = metadata.get("x-storm-petrel-source")
    if named is None:
        return caller.name
    if not isinstance(named, str) or not _SOURCE.fullmatch(named):
        message = "x-storm-petrel-source takes 1 to 64 letters, digits, dots, dashes and underscores"
        raise GrpcRefusedError(grpc.StatusCode.INVALID_ARGUMENT, "source_name", message)
    return named
