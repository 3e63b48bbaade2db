"""The web service `checkout` on two hosts: requests, errors, latency, its process."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr

from stormpetrel.simulate.conditions import WEB_HOSTS
from stormpetrel.simulate.noise import Floats, Ints, Noise
from stormpetrel.simulate.operation import LATENCY_SIGMA, Operation
from stormpetrel.simulate.signals import Column, counter, gauge

SERVICE = "checkout"
BUCKETS_SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_QUANTILES = {"0.5": 0.0, "0.95": 1.6449, "0.99": 2.3263}  # standard normal quantiles
_GIB = float(1 << 30)


def columns(operation: Operation, noise: Noise) -> list[Column]:
    """Everything checkout reports."""
    found: list[Column] = []
    for place, host in enumerate(WEB_HOSTS):
        requests, errors = operation.requests[:, place], operation.errors[:, place]
        latency = operation.latency_seconds[:, place]
        found += _requests(host, requests, errors, noise, operation)
        found += _histogram(host, requests, latency)
        found += _process(host, operation, noise)
    return found + _summary(operation, noise)


def _requests(host: str, requests: Ints, errors: Ints, noise: Noise, operation: Operation) -> list[Column]:
    index = operation.conditions.ticks.index
    missing = np.minimum(noise.count(f"404/{host}", index, 0.01 * requests), requests - errors)
    by_code = {"200": requests - errors - missing, "404": missing, "500": errors}
    return [
        counter("http_requests_total", count, service=SERVICE, host=host, code=code)
        for code, count in by_code.items()
    ]


def _histogram(host: str, requests: Ints, latency: Floats) -> list[Column]:
    """Log-normal latencies counted into buckets: `+Inf` and `_count` equal the number of requests."""
    name, labels = "http_request_duration_seconds", {"service": SERVICE, "host": host}
    found = []
    for bound in BUCKETS_SECONDS:
        share = ndtr((np.log(bound) - np.log(latency)) / LATENCY_SIGMA)
        found.append(counter(f"{name}_bucket", np.rint(requests * share), **labels, le=f"{bound:g}"))
    mean = latency * np.exp(LATENCY_SIGMA**2 / 2)
    return [
        *found,
        counter(f"{name}_bucket", requests, **labels, le="+Inf"),
        counter(f"{name}_sum", requests * mean, "seconds", **labels),
        counter(f"{name}_count", requests, **labels),
    ]


def _summary(operation: Operation, noise: Noise) -> list[Column]:
    """Latency and failures of the service as a whole, as its own dashboard would show them."""
    index = operation.conditions.ticks.index
    requests, errors = operation.requests.sum(axis=1), operation.errors.sum(axis=1)
    latency = (operation.latency_seconds * operation.requests).sum(axis=1) / np.maximum(requests, 1)
    found = [gauge("http_error_ratio", errors / np.maximum(requests, 1), "1", service=SERVICE)]
    for label, place in _QUANTILES.items():
        spread = 1.0 + (0.01 + 0.02 * place) * noise.normal(f"quantile/{label}", index)
        value = latency * np.exp(LATENCY_SIGMA * place) * np.clip(spread, 0.6, 1.6)
        found.append(gauge("http_request_latency_seconds", value, "seconds", service=SERVICE, quantile=label))
    return found


def _process(host: str, operation: Operation, noise: Noise) -> list[Column]:
    conditions = operation.conditions
    seconds, index = conditions.ticks.seconds, conditions.ticks.index
    wander = noise.smooth(f"rss/{host}", seconds, 1800.0) + 0.3 * noise.normal(f"rss/{host}/fine", index)
    base = 1.4 * _GIB * (1.0 + 0.01 * wander)
    waiting = operation.requests[:, WEB_HOSTS.index(host)] / conditions.ticks.step_seconds
    threads = noise.count(
        f"threads/{host}",
        index,
        24.0 + waiting * operation.latency_seconds[:, WEB_HOSTS.index(host)],
    )
    memory = np.rint(base + conditions.memory_bytes[host])
    return [
        gauge("process_resident_memory_bytes", memory, "bytes", service=SERVICE, host=host),
        gauge("process_threads", threads, service=SERVICE, host=host),
    ]
