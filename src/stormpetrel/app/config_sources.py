"""The sources' part of the configuration: what this process reads, and where it listens besides HTTP."""

from __future__ import annotations

import ipaddress
from typing import Self

from pydantic import Field, field_validator, model_validator

from stormpetrel.app.config_section import Section
from stormpetrel.errors import ConfigError
from stormpetrel.ingest.timestamps import zone_named


class HostSourceConfig(Section):
    """This host's own metrics."""

    enabled: bool = Field(True, description="read this host's metrics")
    interval_seconds: float = Field(5.0, ge=0.2, description="time between readings")
    connections: bool = Field(True, description="tell which processes are connected to which hosts")
    top_processes: int = Field(10, ge=0, le=100, description="how many processes get series of their own")


class LogSourceConfig(Section):
    """This host's own logs."""

    journald: bool = Field(True, description="follow the journal where there is one")
    files: list[str] = Field(
        default=["/var/log/syslog", "/var/log/messages", "/var/log/auth.log", "/var/log/kern.log",
                 "/var/log/dpkg.log", "/var/log/*/*.log", "/var/log/containers/*.log",
                 "/var/lib/docker/containers/*/*-json.log"],
        description="glob patterns of files to follow",
    )  # fmt: skip
    from_start: bool = Field(False, description="read files from their start when first seen")
    first_bytes: int = Field(
        32 << 10, ge=0, le=64 << 20, description="how much of the end of a file first seen at start is read"
    )
    max_line_bytes: int = Field(64 << 10, ge=256, description="longer lines are cut, and marked so")
    join_lines: bool = Field(True, description="join stack traces and indented lines to the line before them")
    time_zone: str = Field(
        "UTC", description="zone of times that name none, as in Europe/Berlin; also for syslog RFC 3164"
    )

    @field_validator("time_zone")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            zone_named(name)
        except ConfigError as error:
            raise ValueError(str(error).removeprefix("time_zone: ")) from None
        return name


class ScrapeConfig(Section):
    """One Prometheus endpoint to scrape."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$", description="name of the source")
    url: str = Field(pattern=r"^https?://", description="address of the metrics page")
    interval_seconds: float = Field(15.0, ge=1, description="time between scrapes")
    timeout_seconds: float = Field(10.0, ge=0.1, description="longest wait for an answer")
    labels: dict[str, str] = Field(default_factory=dict, description="labels added to every series")
    bearer_token_file: str = Field("", description="file with a bearer token, read at every scrape")


class DiscoveryConfig(Section):
    """Targets to scrape that a file or a web service lists, in Prometheus' own formats."""

    name: str = Field(pattern=r"^[a-zA-Z0-9_.-]{1,64}$", description="name of the job")
    files: list[str] = Field(
        default_factory=list, description="glob patterns of file_sd lists (JSON or YAML)"
    )
    url: str = Field("", pattern=r"^(https?://.*)?$", description="address of an http_sd list")
    refresh_seconds: float = Field(60.0, ge=1, description="time between looks at the lists")
    interval_seconds: float = Field(15.0, ge=1, description="time between scrapes")
    timeout_seconds: float = Field(10.0, ge=0.1, description="longest wait for an answer")
    labels: dict[str, str] = Field(default_factory=dict, description="labels added to every series")
    bearer_token_file: str = Field("", description="file with a bearer token for targets and list")
    max_targets: int = Field(200, ge=1, le=5000, description="targets beyond this are left out, and counted")


class Listener(Section):
    """An address of its own; senders here cannot say who they are, so only listed networks are heard."""

    host: str = Field("127.0.0.1", description="address to listen on; loopback unless you decide otherwise")
    allow: list[str] = Field(
        default=["127.0.0.0/8", "::1/128"], description="networks whose messages are taken"
    )

    @field_validator("allow")
    @classmethod
    def _are_networks(cls, networks: list[str]) -> list[str]:
        for text in networks:
            ipaddress.ip_network(text, strict=False)  # ValueError names the text
        return networks


class SyslogConfig(Listener):
    """Syslog, RFC 5424 and RFC 3164, over UDP, TCP and TLS."""

    udp_port: int = Field(0, ge=0, le=65535, description="UDP port; 0: not listening")
    tcp_port: int = Field(0, ge=0, le=65535, description="TCP port; 0: not listening")
    tls_port: int = Field(0, ge=0, le=65535, description="TLS port (RFC 5425); 0: not listening")
    certificate_file: str = Field("", description="certificate chain for TLS, PEM")
    key_file: str = Field("", description="its private key, PEM")
    client_ca_file: str = Field("", description="PEM; where given, senders need a certificate signed by it")
    max_connections: int = Field(200, ge=1, le=10_000, description="TCP and TLS senders at once")
    idle_seconds: float = Field(3600.0, ge=1, description="connections silent for longer are closed")
    max_message_bytes: int = Field(
        64 << 10, ge=480, le=1 << 20, description="longer messages are cut, and marked so"
    )

    @model_validator(mode="after")
    def _has_certificate(self) -> Self:
        if self.tls_port and not (self.certificate_file and self.key_file):
            raise ValueError("tls_port needs certificate_file and key_file")
        return self


class StatsdConfig(Listener):
    """StatsD metrics over UDP and TCP."""

    udp_port: int = Field(0, ge=0, le=65535, description="UDP port; 0: not listening")
    tcp_port: int = Field(0, ge=0, le=65535, description="TCP port; 0: not listening")
    flush_seconds: float = Field(10.0, ge=1, le=300, description="time over which messages are summed up")


class FlowsConfig(Listener):
    """NetFlow 5 and 9 and IPFIX over UDP."""

    udp_port: int = Field(0, ge=0, le=65535, description="UDP port; 0: not listening")


class OtlpGrpcConfig(Section):
    """OTLP over gRPC; needs the extra `grpc`. Senders show a token as over HTTP."""

    port: int = Field(0, ge=0, le=65535, description="port; 0: not listening")
    host: str = Field("127.0.0.1", description="address to listen on; loopback unless you decide otherwise")
    certificate_file: str = Field("", description="certificate chain, PEM; empty: no TLS")
    key_file: str = Field("", description="its private key, PEM")


class SmartConfig(Section):
    """Health of this host's disks by smartctl, where it is installed and may be run."""

    enabled: bool = Field(True, description="read SMART attributes of this host's disks")
    interval_seconds: float = Field(3600.0, ge=60, description="time between readings")
    command: str = Field("smartctl", min_length=1, description="name or path of the program")


class SourcesConfig(Section):
    """Everything this process reads by itself; what pushes to it needs no configuration."""

    host: HostSourceConfig = HostSourceConfig()
    logs: LogSourceConfig = LogSourceConfig()
    scrape: list[ScrapeConfig] = Field(default_factory=list)
    discovery: list[DiscoveryConfig] = Field(default_factory=list)
    syslog: SyslogConfig = SyslogConfig()
    statsd: StatsdConfig = StatsdConfig()
    flows: FlowsConfig = FlowsConfig()
    otlp_grpc: OtlpGrpcConfig = OtlpGrpcConfig()
    smart: SmartConfig = SmartConfig()
    own_metrics: bool = Field(
        True, description="this system's own metrics and log go through its own pipeline"
    )
