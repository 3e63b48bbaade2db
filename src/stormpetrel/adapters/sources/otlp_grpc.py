"""The source that receives OTLP over gRPC. Needs the extra `grpc`.

Specification: https://opentelemetry.io/docs/specs/otlp/#otlpgrpc.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

import grpc

from stormpetrel.adapters.sources.otlp_grpc_export import MAX_AT_ONCE, CallerOf, Decode, OtlpExport
from stormpetrel.errors import ConfigError
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake

# As it comes over the wire. The specification asks for a limit, and names 4 MiB as enough.
MAX_MESSAGE_BYTES = 16 << 20

_REFUSING = 8  # threads that say no while all places are taken
_MAX_CALLS = 1024
_MAX_STREAMS = 128
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 30.0
_LOOK_SECONDS = 0.25
_GRACE_SECONDS = 0.75

_OPTIONS = (
    # Two of us on one port would take turns without knowing.
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", _MAX_STREAMS),
    ("grpc.max_metadata_size", 16 << 10),
    # A small message may unpack to gigabytes, and gRPC unpacks without a limit: the decoder does it.
    ("grpc.per_message_decompression", 0),
    # None and gzip, as the specification asks (bits of grpc_compression_algorithm).
    ("grpc.compression_enabled_algorithms_bitset", 0b101),
    # A sender that is gone is noticed, and one that asks too often whether we live is not.
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
)


class GrpcSettings(Protocol):
    """Where to listen; `app.config_sources.OtlpGrpcConfig` is one."""

    @property
    def port(self) -> int:
        """The port; 0 picks a free one here."""
        ...

    @property
    def host(self) -> str:
        """The address to listen on."""
        ...

    @property
    def certificate_file(self) -> str:
        """Certificate chain, PEM; empty: no TLS."""
        ...

    @property
    def key_file(self) -> str:
        """Its private key, PEM."""
        ...


class OtlpGrpcSource:
    """Listens for OTLP over gRPC: logs, metrics and traces, from senders with a token.

    A request is acknowledged when everything accepted is stored; one that is partly refused is answered
    with a partial success. A full queue is answered RESOURCE_EXHAUSTED and a failed store UNAVAILABLE, both
    with the time to come again, nothing being kept; bytes that are no request INVALID_ARGUMENT. A port that
    cannot be had, or a certificate that cannot be read, is reported and tried again.

    Args:
        config: where to listen.
        decode: what to do with a request, by protocol: `otlp_logs`, `otlp_metrics`, `otlp_traces`.
        caller_of: whose token a secret is.
        clock: dates records that carry no time.

    Raises:
        ConfigError: a certificate without a key, or a key without a certificate.
    """

    name = "otlp_grpc"

    def __init__(self, config: GrpcSettings, decode: Decode, caller_of: CallerOf, clock: Clock) -> None:
        if bool(config.certificate_file) != bool(config.key_file):
            raise ConfigError(
                "sources.otlp_grpc: certificate_file and key_file go together; name both for TLS, or neither"
            )
        self._config = config
        self._decode = decode
        self._caller_of = caller_of
        self._clock = clock
        self.port = 0  # the one that is listened on; 0 while there is none

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Listen until `stop` is set; who then waits for an answer is told to come again."""
        pause = _FIRST_PAUSE_SECONDS
        while not stop.is_set():
            export = OtlpExport(self.name, self._decode, self._caller_of, self._clock, intake, stop)
            pool = ThreadPoolExecutor(MAX_AT_ONCE + _REFUSING, thread_name_prefix="otlp-grpc")
            server = grpc.server(pool, (export,), options=self._options(), maximum_concurrent_rpcs=_MAX_CALLS)
            try:
                self.port = self._bind(server)
                server.start()
                while not stop.wait(_LOOK_SECONDS):
                    export.drop_slow()
                return
            except (OSError, RuntimeError, ValueError) as error:
                intake.rejected(self.name, "cannot_listen", 1, f"{self._address(self._config.port)}: {error}")
            finally:
                self.port = 0
                server.stop(_GRACE_SECONDS).wait(2 * _GRACE_SECONDS)
                pool.shutdown(wait=False, cancel_futures=True)
            stop.wait(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _options(self) -> list[tuple[str, Any]]:
        return [*_OPTIONS, ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]

    def _address(self, port: int) -> str:
        host = f"[{self._config.host}]" if ":" in self._config.host else self._config.host
        return f"{host}:{port}"

    def _bind(self, server: Any) -> int:
        address = self._address(self._config.port)
        if not self._config.certificate_file:
            return int(server.add_insecure_port(address))
        pair = (Path(self._config.key_file).read_bytes(), Path(self._config.certificate_file).read_bytes())
        return int(server.add_secure_port(address, grpc.ssl_server_credentials([pair])))
