"""Which sources this process runs itself, from the configuration."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import tzinfo

from stormpetrel.adapters.sources.discovery import DiscoverySource
from stormpetrel.adapters.sources.files import FileSource
from stormpetrel.adapters.sources.host import HostSource
from stormpetrel.adapters.sources.journald import JournaldSource
from stormpetrel.adapters.sources.netflow import NetflowSource
from stormpetrel.adapters.sources.scrape import ScrapeSource
from stormpetrel.adapters.sources.smart import SmartSource
from stormpetrel.adapters.sources.statsd import StatsdSource
from stormpetrel.adapters.sources.syslog import SyslogSource
from stormpetrel.app.config import Config
from stormpetrel.app.logging import RECENT
from stormpetrel.app.own import OWN_ENTITY, OWN_SERVICE, OWN_SOURCE
from stormpetrel.errors import ConfigError, OverloadedError, StoreError
from stormpetrel.ingest.exposition import ExpositionParser
from stormpetrel.ingest.netflow_flows import NetflowDecoder
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.smartctl import SmartctlParser
from stormpetrel.ingest.statsd import StatsdWindows
from stormpetrel.ingest.syslog import SyslogParser
from stormpetrel.ingest.timestamps import find_timestamp, zone_named
from stormpetrel.model.access import Caller
from stormpetrel.model.columns import build_logs
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore
from stormpetrel.ports.decode import Decoder
from stormpetrel.ports.intake import Intake
from stormpetrel.ports.source import Source

_OWN_INTERVAL_SECONDS = 15.0
_OWN_LOG_INTERVAL_SECONDS = 3.0
_OWN_LABELS = {"service_name": OWN_SERVICE}


class OwnSource:
    """This system's own metrics as a source like any other."""

    name = OWN_SOURCE

    def __init__(self, text: Callable[[], bytes], parser: ExpositionParser, clock: Clock) -> None:
        self._text = text
        self._parser = parser
        self._clock = clock

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Read and hand over until stopped; a reading that cannot be stored is left out."""
        while not stop.wait(_OWN_INTERVAL_SECONDS):
            rows = 0
            try:
                now = self._clock.now_unix_nano()
                metrics = self._parser.parse(self._text(), now, self.name, _OWN_LABELS).metrics
                if metrics is not None:
                    rows = len(metrics)
                    intake.metrics(metrics, self.name).result(timeout=30)
            except (OverloadedError, StoreError, TimeoutError) as error:
                intake.rejected(self.name, getattr(error, "reason", "timeout"), max(1, rows), str(error))


class OwnLogSource:
    """This system's own log as a source like any other; a line that cannot be stored is left out."""

    name = "petrel-log"

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Hand over new lines every few seconds until stopped."""
        while not stop.wait(_OWN_LOG_INTERVAL_SECONDS):
            lines = RECENT.take()
            if not lines:
                continue
            batch = build_logs(
                [line.time_unix_nano for line in lines],
                [line.body.encode(errors="replace").decode() for line in lines],
                source=self.name,
                entity=OWN_ENTITY,
                severity_number=[line.severity_number for line in lines],
            )
            try:
                intake.logs(batch, self.name).result(timeout=30)
            except (OverloadedError, StoreError, TimeoutError) as error:
                intake.rejected(self.name, getattr(error, "reason", "timeout"), len(lines), str(error))


def build_sources(
    config: Config,
    instance: str,
    registry: SeriesRegistry,
    clock: Clock,
    control: ControlStore,
    own_metrics: Callable[[], bytes],
) -> list[tuple[str, Source]]:
    """The sources to run, with their kind as the pages show it."""
    parser = ExpositionParser(registry)
    zone = zone_named(config.sources.logs.time_zone)

    def find_time(line: bytes, observed_unix_nano: int) -> tuple[int, int] | None:
        return find_timestamp(line, zone, observed_unix_nano)

    sources: list[tuple[str, Source]] = []
    if config.sources.host.enabled:
        sources.append(("host", HostSource(config.sources.host, registry, clock, instance)))
    if config.sources.logs.journald and JournaldSource.available():
        sources.append(("journald", JournaldSource(config.sources.logs, control, clock, instance)))
    if config.sources.logs.files:
        sources.append(("file", FileSource(config.sources.logs, control, clock, instance, find_time)))
    sources += [
        ("scrape", ScrapeSource(target, parser.parse, registry, clock, config.seed))
        for target in config.sources.scrape
    ]
    sources += [
        ("scrape", DiscoverySource(job, parser.parse, registry, clock, config.seed))
        for job in config.sources.discovery
    ]
    if config.sources.flows.udp_port:
        sources.append(("netflow", NetflowSource(config.sources.flows, NetflowDecoder().decode, clock)))
    sources += _listeners(config, registry, clock, zone)
    smart = config.sources.smart
    # A host without smartctl or disks is nothing to complain of, unless somebody named the program.
    if smart.enabled and (smart.command != "smartctl" or SmartSource.available(smart.command)):
        sources.append(("smart", SmartSource(smart, SmartctlParser(registry).parse, clock, instance)))
    if config.sources.own_metrics:
        sources.append(("self", OwnSource(own_metrics, parser, clock)))
        sources.append(("file", OwnLogSource()))
    return sources


def _listeners(
    config: Config, registry: SeriesRegistry, clock: Clock, zone: tzinfo
) -> list[tuple[str, Source]]:
    """Syslog and StatsD, where a port is set."""
    sources: list[tuple[str, Source]] = []
    syslog = config.sources.syslog
    if syslog.udp_port or syslog.tcp_port or syslog.tls_port:
        parser = SyslogParser(zone, SyslogSource.name, syslog.max_message_bytes, config.intake.future_seconds)
        sources.append(("syslog", SyslogSource(syslog, parser.parse, clock)))
    statsd = config.sources.statsd
    if statsd.udp_port or statsd.tcp_port:
        windows = StatsdWindows(registry, StatsdSource.name, statsd.flush_seconds)
        sources.append(("statsd", StatsdSource(statsd, windows, clock)))
    return sources


def build_receivers(
    config: Config,
    decoders: Mapping[str, Decoder],
    caller_of: Callable[[str], Caller | None],
    clock: Clock,
) -> list[tuple[str, Source]]:
    """The sources that listen for senders with a token, with their kind as the pages show it.

    Args:
        config: which of them listen.
        decoders: by protocol, the same that serve HTTP.
        caller_of: whose token a secret is.
        clock: dates what carries no time.

    Raises:
        ConfigError: one is to listen whose extra is not installed.
    """
    if not config.sources.otlp_grpc.port:
        return []
    try:
        from stormpetrel.adapters.sources.otlp_grpc import OtlpGrpcSource  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise ConfigError(
            "sources.otlp_grpc.port is set, but OTLP over gRPC needs the extra grpc: "
            f"pip install 'stormpetrel[grpc]', or set the port to 0 ({error})"
        ) from error

    def decode(protocol: str, request: PushRequest) -> Decoded:
        return decoders[protocol].decode(request)

    return [("otlp_grpc", OtlpGrpcSource(config.sources.otlp_grpc, decode, caller_of, clock))]
