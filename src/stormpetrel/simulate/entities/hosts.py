"""The hosts under it all: processor, memory, disk, network."""

from __future__ import annotations

import numpy as np

from stormpetrel.simulate.conditions import (
    BATCH_HOST,
    DATABASE_HOST,
    HOSTS,
    QUEUE_HOST,
    WEB_HOSTS,
    Conditions,
    season,
)
from stormpetrel.simulate.noise import Floats, Noise
from stormpetrel.simulate.operation import Operation
from stormpetrel.simulate.signals import Column, counter, gauge

_PROCESSORS = 8
MEMORY_BYTES = float(16 << 30)


def columns(operation: Operation, noise: Noise) -> list[Column]:
    """Everything all hosts report, host by host."""
    found: list[Column] = []
    for host in HOSTS:
        cpu = _cpu(host, operation, noise)
        found += _local(host, cpu, operation.conditions, noise)
        found += _network(host, operation, noise)
    return found


def _cpu(host: str, operation: Operation, noise: Noise) -> Floats:
    if host in WEB_HOSTS:
        return operation.web_cpu_ratio[:, WEB_HOSTS.index(host)]
    conditions = operation.conditions
    step = conditions.ticks.step_seconds
    wobble = 0.012 * noise.normal(f"cpu/{host}", conditions.ticks.index)
    if host == DATABASE_HOST:
        busy = 0.08 + operation.queries / step / 2500.0
    elif host == QUEUE_HOST:
        busy = 0.05 + operation.dequeued / step / 400.0
    elif host == BATCH_HOST:
        busy = 0.03 + 0.75 * conditions.batch
    else:
        busy = 0.12 + 0.08 * season(conditions.ticks.seconds)
    return np.clip(busy + wobble + conditions.cpu_ratio[host], 0.005, 1.0)


def _local(host: str, cpu: Floats, conditions: Conditions, noise: Noise) -> list[Column]:
    ticks = conditions.ticks
    load = (
        _PROCESSORS
        * cpu
        / (1.1 - np.minimum(cpu, 1.0))
        * (1.0 + 0.05 * noise.normal(f"load/{host}", ticks.index))
    )
    wander = noise.smooth(f"memory/{host}", ticks.seconds, 2400.0)
    fine = 0.3 * noise.normal(f"memory/{host}/fine", ticks.index)
    used = 5.2e9 * (1.0 + 0.01 * (wander + fine))
    memory = np.minimum(used + conditions.memory_bytes[host], MEMORY_BYTES)
    # Logs grow and are rotated every hour: a small saw tooth, among temporary files that come and go.
    files = 6e6 * noise.smooth(f"disk/{host}", ticks.seconds, 900.0)
    files = files + 2e6 * noise.normal(f"disk/{host}/fine", ticks.index)
    disk = 4.0e10 + 2e3 * (ticks.seconds % 3600.0) + files + conditions.disk_bytes[host]
    io_share = np.clip(0.02 + 0.25 * cpu + 0.01 * noise.normal(f"io/{host}", ticks.index), 0.0, 1.0)
    if host == DATABASE_HOST:
        io_share = np.clip(io_share * (0.5 + 0.5 * conditions.database_slowdown), 0.0, 1.0)
    millis = np.rint(io_share * ticks.step_seconds * 1000.0)
    return [
        gauge("system_cpu_utilization_ratio", cpu, "1", host=host),
        gauge("system_load1", np.maximum(load, 0.0), host=host),
        gauge("system_memory_used_bytes", np.rint(memory), "bytes", host=host),
        gauge("system_filesystem_used_bytes", np.rint(disk), "bytes", host=host, mountpoint="/"),
        counter("system_disk_io_milliseconds_total", millis, "milliseconds", host=host, device="vda"),
    ]


def _network(host: str, operation: Operation, noise: Noise) -> list[Column]:
    conditions = operation.conditions
    index, step = conditions.ticks.index, conditions.ticks.step_seconds
    if host in WEB_HOSTS:
        served = operation.requests[:, WEB_HOSTS.index(host)] * 1.0
    elif host == DATABASE_HOST:
        served = operation.queries * 0.4
    else:
        served = 20.0 * step * season(conditions.ticks.seconds)
    packets = noise.count(f"packets/{host}", index, 40.0 * served + 30.0 * step)
    lost = noise.count(f"lost/{host}", index, packets * (0.0005 + conditions.loss_ratio[host]))
    received = noise.count(f"received/{host}", index, packets * 620.0)
    labels = {"host": host, "device": "eth0"}
    return [
        counter("system_network_received_bytes_total", received, "bytes", **labels),
        counter("system_network_sent_bytes_total", np.rint(received * 1.7), "bytes", **labels),
        counter("system_network_packets_total", packets, **labels),
        counter("system_network_retransmits_total", lost, **labels),
    ]
