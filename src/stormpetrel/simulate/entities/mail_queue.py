"""The queue `mail-queue`: depth, age, what goes in and out."""

from __future__ import annotations

import numpy as np

from stormpetrel.simulate.noise import Noise
from stormpetrel.simulate.operation import Operation
from stormpetrel.simulate.signals import Column, counter, gauge

SERVICE = "mail-queue"


def columns(operation: Operation, noise: Noise) -> list[Column]:
    """Everything the queue reports. The backlog is exact; in flight is what is being delivered."""
    ticks = operation.conditions.ticks
    per_second = operation.enqueued / ticks.step_seconds
    in_flight = noise.count("in-flight", ticks.index, 0.4 * per_second + 2.0)
    age = 0.2 + operation.backlog / np.maximum(per_second, 1.0)
    age = age * (1.0 + 0.05 * noise.normal("age", ticks.index))
    return [
        gauge("queue_depth", operation.backlog + in_flight, service=SERVICE),
        gauge("queue_oldest_age_seconds", np.maximum(age, 0.0), "seconds", service=SERVICE),
        counter("queue_enqueued_total", operation.enqueued, service=SERVICE),
        counter("queue_dequeued_total", operation.dequeued, service=SERVICE),
    ]
