"""The database `orders-db`: connections, queries, latency, replication."""

from __future__ import annotations

import numpy as np

from stormpetrel.simulate.conditions import DATABASE_HOST
from stormpetrel.simulate.noise import Floats, Noise
from stormpetrel.simulate.operation import Operation
from stormpetrel.simulate.signals import Column, counter, gauge

SERVICE = "orders-db"


def columns(operation: Operation, noise: Noise) -> list[Column]:
    """Everything the database reports. Connections in use follow Little's law: rate times time held."""
    conditions = operation.conditions
    index, step = conditions.ticks.index, conditions.ticks.step_seconds
    busy = operation.queries / step * operation.query_seconds * 4.0
    wobble = np.abs(1.0 + 0.15 * noise.normal("replication", index))
    # The replica falls behind by what writes there are, and by as much as its disk is slower.
    lag = 0.15 * wobble * conditions.database_slowdown * (1.0 + 4.0 * conditions.batch)
    committed = noise.count("commits", index, operation.requests.sum(axis=1) * 0.8)
    return [
        gauge("db_connections", noise.count("connections", index, 40.0 + busy), service=SERVICE),
        counter("db_queries_total", operation.queries, service=SERVICE),
        counter("db_commits_total", committed, service=SERVICE),
        gauge("db_query_latency_seconds", operation.query_seconds, "seconds", service=SERVICE),
        gauge("db_replication_lag_seconds", lag, "seconds", service=SERVICE, replica="db-2"),
        gauge("db_disk_used_bytes", _disk(operation), "bytes", service=SERVICE),
    ]


def _disk(operation: Operation) -> Floats:
    """Grows 40 kB a second until old orders are archived."""
    conditions = operation.conditions
    return np.rint(2.1e11 + 4e4 * conditions.since_archive + conditions.disk_bytes[DATABASE_HOST])
