"""What follows from the conditions: one consistent set of numbers that metrics, logs and spans share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stormpetrel.simulate.conditions import DATABASE_HOST, WEB_HOSTS, Conditions
from stormpetrel.simulate.noise import Floats, Ints, Noise

QUERIES_PER_REQUEST = 3.2
MAILS_PER_REQUEST = 0.35
CONSUMER_PER_SECOND = 90.0
LATENCY_SIGMA = 0.5  # spread of the log of a request's latency
DATABASE_TIMEOUT_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Operation:
    """The estate at work, per tick.

    Attributes:
        requests, errors: int64[t, web host], answered requests, and those of them that failed.
        web_cpu_ratio: float64[t, web host] in [0, 1].
        latency_seconds: float64[t, web host], median latency of a request.
        query_seconds: float64[t], mean time of one database query.
        queries, enqueued, dequeued: int64[t].
        backlog: int64[t], mails waiting at the end of the tick.
    """

    conditions: Conditions
    requests: Ints
    errors: Ints
    web_cpu_ratio: Floats
    latency_seconds: Floats
    query_seconds: Floats
    queries: Ints
    enqueued: Ints
    dequeued: Ints
    backlog: Ints


class Works:
    """Turns conditions into an operation; its only state is the queue's backlog."""

    def __init__(self, noise: Noise) -> None:
        self._noise = noise
        self._backlog = 0

    def run(self, conditions: Conditions) -> Operation:
        """One step; O(ticks). Steps must follow one another in time."""
        ticks, noise, step = conditions.ticks, self._noise, conditions.ticks.step_seconds
        query_seconds = self._query_seconds(conditions)
        cpu, latency = self._web(conditions, query_seconds)
        requests = np.empty((len(ticks), len(WEB_HOSTS)), np.int64)
        errors = np.empty_like(requests)
        timeouts = np.clip((query_seconds - DATABASE_TIMEOUT_SECONDS) * 2.0, 0.0, 0.2)
        for column, host in enumerate(WEB_HOSTS):
            share = conditions.traffic * step / len(WEB_HOSTS)
            requests[:, column] = noise.count(f"requests/{host}", ticks.index, share)
            lost = 0.5 * conditions.loss_ratio[host]
            ratio = np.clip(conditions.error_ratio + timeouts + lost, 0.0, 1.0)
            failed = noise.count(f"failures/{host}", ticks.index, requests[:, column] * ratio)
            errors[:, column] = np.minimum(failed, requests[:, column])
        asked = (QUERIES_PER_REQUEST * requests.sum(axis=1)) + 250.0 * step * conditions.batch
        mails = MAILS_PER_REQUEST * (requests - errors).sum(axis=1)
        enqueued = noise.count("enqueued", ticks.index, mails)
        dequeued, backlog = self._drain(conditions, enqueued)
        return Operation(
            conditions=conditions,
            requests=requests,
            errors=errors,
            web_cpu_ratio=cpu,
            latency_seconds=latency,
            query_seconds=query_seconds,
            queries=noise.count("queries", ticks.index, asked),
            enqueued=enqueued,
            dequeued=dequeued,
            backlog=backlog,
        )

    def _query_seconds(self, conditions: Conditions) -> Floats:
        load = (QUERIES_PER_REQUEST * conditions.traffic + 250.0 * conditions.batch) / 1500.0
        wait = 1.0 / (1.0 - np.minimum(load, 0.9))  # M/M/1: service time over what is left of the server
        wobble = 1.0 + 0.04 * self._noise.normal("query", conditions.ticks.index)
        loss = 1.0 + 20.0 * conditions.loss_ratio[DATABASE_HOST]
        return 0.003 * wait * conditions.database_slowdown * loss * np.clip(wobble, 0.7, 1.3)

    def _web(self, conditions: Conditions, query_seconds: Floats) -> tuple[Floats, Floats]:
        cpu = np.empty((len(conditions.ticks), len(WEB_HOSTS)))
        latency = np.empty_like(cpu)
        for column, host in enumerate(WEB_HOSTS):
            wobble = self._noise.normal(f"cpu/{host}", conditions.ticks.index)
            busy = 0.10 + 0.0035 * conditions.traffic + 0.012 * wobble
            cpu[:, column] = np.clip(busy + conditions.cpu_ratio[host], 0.01, 1.0)
            own = 0.030 * conditions.slowdown / (1.05 - np.minimum(cpu[:, column], 0.97))
            retransmits = 1.0 + 12.0 * conditions.loss_ratio[host]
            jitter = 1.0 + 0.03 * self._noise.normal(f"latency/{host}", conditions.ticks.index)
            whole = own + QUERIES_PER_REQUEST * query_seconds
            latency[:, column] = whole * retransmits * np.clip(jitter, 0.8, 1.2)
        return cpu, latency

    def _drain(self, conditions: Conditions, enqueued: Ints) -> tuple[Ints, Ints]:
        step = conditions.ticks.step_seconds
        mean = CONSUMER_PER_SECOND * step * conditions.consumers
        capacity = self._noise.count("consumers", conditions.ticks.index, mean)
        # Lindley's recursion depth = max(0, depth + in - out) without a loop: the walk above its minimum.
        walk = self._backlog + np.cumsum(enqueued - capacity)
        backlog = walk - np.minimum(np.minimum.accumulate(walk), 0)
        before = np.concatenate([np.array([self._backlog], np.int64), backlog[:-1]])
        if len(backlog):
            self._backlog = int(backlog[-1])
        return before + enqueued - backlog, backlog
