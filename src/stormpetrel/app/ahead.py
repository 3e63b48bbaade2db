"""Compiling ahead: the decoders' machine code is there before the first sender comes.

The first request of a protocol would otherwise wait until its kernels are compiled, on a small machine for
longer than a sender has patience. What was compiled once is read from a cache at later starts.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from time import perf_counter
from typing import NamedTuple

import structlog

from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import PushRequest
from stormpetrel.ports.decode import Decoder

log = structlog.get_logger(__name__)

MakeDecoder = Callable[[SeriesRegistry, int], Decoder]

_UNPACKED_BYTES = 1 << 20
# The start compiles what this host's own signals need: only one function is compiled at a time, and those
# come first.
_DELAY_SECONDS = 30.0
# For a stop this is long enough unless the machine is small and the cache cold; then it is left behind.
_JOIN_SECONDS = 5.0


class Example(NamedTuple):
    """The smallest request that takes a protocol's usual way."""

    protocol: str
    path: str
    content_type: str
    body: bytes
    content_encoding: str = ""


def _snappy(body: bytes) -> bytes:
    """Snappy's block format without compressing: one literal of at most sixty bytes."""
    return bytes((len(body), (len(body) - 1) << 2)) + body


_PROTOBUF, _JSON = "application/x-protobuf", "application/json"
_SAMPLE = b"\x12\x10\t\x00\x00\x00\x00\x00\x00\xf0?\x10\x80\xd0\x95\xff\xbc1"
_RESOURCE = b"\n\x15\n\x13\n\x0cservice.name\x12\x03\n\x01a"

EXAMPLES: tuple[Example, ...] = (
    Example(
        "remote_write", "/api/v1/write", _PROTOBUF,
        _snappy(b"\n)\n\r\n\x08__name__\x12\x01a\n\x06\n\x01b\x12\x01c" + _SAMPLE), "snappy",
    ),
    Example("loki", "/loki/api/v1/push", _PROTOBUF,
            _snappy(b'\n\x18\n\x07{a="b"}\x12\r\n\x08\x08\x80\xe2\xcf\xaa\x06\x10\x01\x12\x01c'), "snappy"),
    Example("otlp_logs", "/v1/logs", _PROTOBUF,
            b"\n5" + _RESOURCE
            + b"\x12\x1c\x12\x1a\t\x00\x00*6\xfe\x9c\x97\x17\x10\t*\x03\n\x01b2\x08\n\x01c\x12\x03\n\x01d"),
    Example("otlp_metrics", "/v1/metrics", _PROTOBUF,
            b"\n4" + _RESOURCE
            + b"\x12\x1b\x12\x19\n\x01a*\x14\n\x12\x19\x00\x00*6\xfe\x9c\x97\x17!"
            + b"\x00\x00\x00\x00\x00\x00\xf0?"),
    Example("otlp_traces", "/v1/traces", _PROTOBUF,
            b"\nN" + _RESOURCE
            + b"\x125\x123\n\x10\x01\x02\x03\x04\x05\x06\x07\x08\t\n\x0b\x0c\r\x0e\x0f\x10"
            + b"\x12\x08\x01\x02\x03\x04\x05\x06\x07\x08*\x01a0\x02"
            + b"9\x00\x00*6\xfe\x9c\x97\x17A\x01\x00*6\xfe\x9c\x97\x17"),
    Example("influx", "/api/v2/write", "text/plain", b"a,b=c d=1.5,e=2i,f=t 1700000000000000000\n"),
    Example("loki", "/loki/api/v1/push", _JSON,
            b'{"streams":[{"stream":{"a":"b"},"values":[["1700000000000000000","c"]]}]}'),
    Example("otlp_logs", "/v1/logs", _JSON,
            b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":"1700000000000000000",'
            b'"body":{"stringValue":"b"},"attributes":[{"key":"c","value":{"stringValue":"d"}}]}]}]}]}'),
    Example(
        "remote_write", "/api/v1/write", _PROTOBUF + ";proto=io.prometheus.write.v2.Request",
        _snappy(
            b'"\x00"\x08__name__"\x01a"\x01b"\x01c*\x1c\n\x04\x01\x02\x03\x04' + _SAMPLE + b"*\x02\x08\x02"
        ),
        "snappy",
    ),
)  # fmt: skip


class CompileAhead:
    """Decodes each example once, in a thread of its own; nothing of it is kept.

    Args:
        makers: decoders by the name of their protocol; examples of others are passed over.
        delay_seconds: how long after `start` it begins.
    """

    def __init__(self, makers: Mapping[str, MakeDecoder], delay_seconds: float = _DELAY_SECONDS) -> None:
        self._makers = makers
        self._delay = delay_seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="compile-ahead", daemon=True)

    def start(self) -> None:
        """Begin, after the delay."""
        self._thread.start()

    def ask_to_stop(self) -> None:
        """End after the example under way."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until it ended; it does so by itself, too."""
        if self._thread.ident is not None:
            self._thread.join(_JOIN_SECONDS)

    def _run(self) -> None:
        self._stopping.wait(self._delay)
        began = perf_counter()
        for example in EXAMPLES:
            if self._stopping.is_set():
                return
            maker = self._makers.get(example.protocol)
            if maker is None:
                continue
            try:
                decode_example(example, maker)
            except Exception:  # logged: the first sender will wait, or meet the same fault
                log.exception("not_compiled_ahead", protocol=example.protocol)
        log.info("compiled_ahead", seconds=round(perf_counter() - began, 1))


def decode_example(example: Example, make: MakeDecoder) -> int:
    """Decode with a registry of its own; how many rows came of it."""
    request = PushRequest(
        example.body, example.content_type, example.content_encoding, example.path, "ahead", 1
    )
    decoded = make(SeriesRegistry(), _UNPACKED_BYTES).decode(request)
    batches = (decoded.metrics, decoded.logs, decoded.spans)
    return sum(len(batch) for batch in batches if batch is not None)
