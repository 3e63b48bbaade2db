"""The nightly job: unusual every night at 02:00 UTC, and therefore usual."""

from __future__ import annotations

import numpy as np

from stormpetrel.simulate.noise import Noise
from stormpetrel.simulate.operation import Operation
from stormpetrel.simulate.signals import Column, counter, gauge

SERVICE = "nightly-report"


def columns(operation: Operation, noise: Noise) -> list[Column]:
    """Everything the job reports."""
    conditions = operation.conditions
    rows = noise.count(
        "rows", conditions.ticks.index, 900.0 * conditions.ticks.step_seconds * conditions.batch
    )
    return [
        gauge("job_running", np.ceil(conditions.batch), service=SERVICE),
        counter("job_rows_processed_total", rows, service=SERVICE),
    ]
