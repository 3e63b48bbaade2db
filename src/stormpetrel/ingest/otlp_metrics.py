"""OTLP metrics: requests to metric batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

from stormpetrel.ingest.counter_starts import CounterStarts
from stormpetrel.ingest.otlp_points import Identity, Points
from stormpetrel.ingest.otlp_request import OtlpBody, OtlpDecoder
from stormpetrel.ingest.otlp_values import attribute_map, text_of
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.resource import entity_of
from stormpetrel.model.signal import MetricBatch

# Resource attributes that become labels: what tells one origin from another and lives as long as it.
# Versions, process ids, command lines and uids do not: they would start all series anew.
_CHOSEN = frozenset(
    {
        "service.name", "service.namespace", "service.instance.id",
        "host.name", "container.name", "deployment.environment", "deployment.environment.name",
        "cloud.region", "cloud.availability_zone",
    }
)  # fmt: skip


def resource_labels(resource: dict[str, Any]) -> dict[str, str]:
    """The resource attributes that become labels of every series of the resource.

    Those of service, host, container, environment, region and zone, and of Kubernetes all whose name
    ends in `.name`; the others are left out.

    >>> resource_labels({"service.name": "a", "k8s.pod.name": "a-1", "k8s.pod.uid": "9", "process.pid": 3})
    {'service.name': 'a', 'k8s.pod.name': 'a-1'}
    """
    return {
        name: text_of(value)
        for name, value in resource.items()
        if name in _CHOSEN or (name.startswith("k8s.") and name.endswith(".name"))
    }


class OtlpMetricsDecoder(OtlpDecoder):
    """Decodes OTLP metric requests, protobuf or JSON.

    Names and units stay as they are. Labels are the data point's attributes, `resource_labels`, and
    `otel.scope.name`; a data point's attribute wins over a resource's of the same name.

    - gauge: a gauge. Sum: cumulative and monotonic a counter, delta a delta, else a gauge.
    - histogram: `<name>_count`, `<name>_sum` and `<name>_bucket{le}` counting up to each bound.
    - exponential histogram: the same, with the bounds of `native_histograms`.
    - summary: `<name>_count`, `<name>_sum` and `<name>{quantile}`.

    A point flagged as having no recorded value ends its series with a staleness marker (of a histogram
    its count and sum, of an exponential one the buckets too). A point without a time takes ours. A counter
    whose start time lies behind its newest point was started again: see `counter_starts`. Exemplars,
    minimum and maximum are not kept.
    """

    name = "otlp_metrics"
    paths = ("/v1/metrics",)
    _request = ExportMetricsServiceRequest
    _response = ExportMetricsServiceResponse
    _rejected_field = "rejected_data_points"

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        super().__init__(registry, max_unpacked_bytes)
        self._starts = CounterStarts(registry)

    def _signals(self, request: PushRequest, opened: OtlpBody) -> tuple[Decoded, RejectTally]:
        points = Points(self._registry, request.source, request.received_unix_nano)
        for group in opened.parse(ExportMetricsServiceRequest()).resource_metrics:
            resource = attribute_map(group.resource.attributes)
            entity = entity_of({name: text_of(value) for name, value in resource.items()})
            labels = resource_labels(resource)
            for scope in group.scope_metrics:
                named = {**labels, "otel.scope.name": scope.scope.name} if scope.scope.name else labels
                for metric in scope.metrics:
                    points.add(metric, Identity(named, entity))
        return Decoded(metrics=self._batch(points)), points.tally

    def _batch(self, points: Points) -> MetricBatch | None:
        if not points.series:
            return None
        batch = MetricBatch(
            np.array(points.series, np.uint32),
            np.array(points.times, np.int64),
            np.array(points.values, np.float64),
        )
        return self._starts.with_zeros(batch, np.array(points.starts, np.int64))
