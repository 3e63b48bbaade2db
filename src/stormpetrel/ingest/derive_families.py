"""Which metrics of services tell of requests: the names that instrumentation and proxies give them.

A name stands here when its meaning is documented by whoever sends it. The first of a service's own metrics
that speaks is taken, and a proxy's view of it only where it has none.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import IntEnum

from stormpetrel.model.resource import root_of
from stormpetrel.model.signal import SeriesInfo

# Counters of requests, the service's own first, then those of proxies and meshes.
REQUESTS = (
    "http_requests_total",  # Prometheus' client libraries, by custom
    "http_server_requests_total",
    "http_server_requests_seconds_count",  # Micrometer, Spring Boot
    "http_server_request_duration_seconds_count",  # OpenTelemetry
    "http_server_duration_milliseconds_count",  # OpenTelemetry before 1.23
    "http_request_duration_seconds_count",
    "flask_http_request_total",
    "grpc_server_handled_total",
    "span_requests",  # derived from spans; its failures are `span_errors`
    "istio_requests_total",
    "envoy_cluster_upstream_rq_xx",
    "traefik_service_requests_total",
    "nginx_ingress_controller_requests",
    "haproxy_backend_http_responses_total",
)
# Histograms and summaries of durations, without `_sum` and `_count`, and seconds of one of their units.
DURATIONS = (
    ("http_request_duration_seconds", 1.0),
    ("http_server_requests_seconds", 1.0),
    ("http_server_request_duration_seconds", 1.0),
    ("http_server_duration_milliseconds", 1e-3),
    ("flask_http_request_duration_seconds", 1.0),
    ("grpc_server_handling_seconds", 1.0),
    ("istio_request_duration_milliseconds", 1e-3),
    ("envoy_cluster_upstream_rq_time", 1e-3),
    ("traefik_service_request_duration_seconds", 1.0),
    ("nginx_ingress_controller_request_duration_seconds", 1.0),
)
SPAN_REQUESTS, SPAN_DURATION = "span_requests", "span_duration_seconds"  # by operation, see `derive_red`
_CODES = (
    "code", "status", "status_code", "http_status_code", "http_response_status_code", "response_code",
    "envoy_response_code_class", "grpc_code",
)  # fmt: skip
_FAILED = re.compile(
    r"5(\d\d|xx)?|unknown|deadline_?exceeded|unimplemented|internal|unavailable|data_?loss", re.IGNORECASE
)
_CODE = re.compile(r"[1-5](\d\d|xx)?|other|[A-Za-z_]{2,30}", re.IGNORECASE)
_RANKS = {name: rank for rank, name in enumerate(REQUESTS)}
_SECONDS = {f"{name}_sum": (rank, unit) for rank, (name, unit) in enumerate(DURATIONS)}
_COUNTS = {f"{name}_count": rank for rank, (name, _) in enumerate(DURATIONS)}


class Role(IntEnum):
    """What a series says of requests. `PLAIN`: how many; of `GOOD` and `FAILED` ones also how they ended.
    `FAILED_TOO`: failures that are among the plain ones. `TYPICAL`: how long requests of one operation took,
    to be weighed by how many there are."""

    PLAIN = 0
    GOOD = 1
    FAILED = 2
    FAILED_TOO = 3
    SECONDS = 4
    COUNT = 5
    TYPICAL = 6


@dataclass(frozen=True, slots=True)
class Part:
    """One thing that a series tells. `rank`: of its family, the least is taken; `unit`: seconds of one."""

    rank: int
    role: Role
    unit: float = 1.0


def parts_of(info: SeriesInfo) -> tuple[Part, ...]:
    """What a series of a service tells of its requests: nothing, or up to two things; O(labels).

    >>> info = SeriesInfo(1, "http_requests_total", (("code", "503"),), "service:shop", "scrape:shop")
    >>> [part.role.name for part in parts_of(info)]
    ['FAILED']
    """
    if not root_of(info.entity).startswith("service:"):
        return ()
    if info.metric == SPAN_DURATION:
        typical = dict(info.labels).get("quantile") == "0.5"
        return (Part(len(DURATIONS), Role.TYPICAL),) if typical else ()
    if info.metric == "span_errors":
        return (Part(_RANKS[SPAN_REQUESTS], Role.FAILED_TOO),)
    found = []
    if info.metric in _RANKS:
        found.append(Part(_RANKS[info.metric], _ended(info)))
    if info.metric in _SECONDS:
        rank, unit = _SECONDS[info.metric]
        found.append(Part(rank, Role.SECONDS, unit))
    if info.metric in _COUNTS:
        found.append(Part(_COUNTS[info.metric], Role.COUNT))
    return tuple(found)


def _ended(info: SeriesInfo) -> Role:
    """How the requests of a counter ended, by the label that says so."""
    labels = dict(info.labels)
    code = next((labels[name] for name in _CODES if labels.get(name)), "")
    if not _CODE.fullmatch(code):
        return Role.GOOD if info.metric == SPAN_REQUESTS else Role.PLAIN
    return Role.FAILED if _FAILED.fullmatch(code) else Role.GOOD
