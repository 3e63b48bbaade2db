"""The inputs of the estate at each tick: load, season, batch job, and what faults change of them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from stormpetrel.model.time import NANOS_PER_SECOND
from stormpetrel.simulate.noise import Floats, Ints, Noise

DAY_SECONDS = 86_400.0
WEB_HOSTS = ("web-1", "web-2")
DATABASE_HOST, QUEUE_HOST, BATCH_HOST = "db-1", "queue-1", "batch-1"
BACKGROUND_HOSTS = ("app-1", "app-2", "app-3", "app-4", "app-5")
HOSTS = (*WEB_HOSTS, DATABASE_HOST, QUEUE_HOST, BATCH_HOST, *BACKGROUND_HOSTS)
BATCH_HOUR_UTC = 2.0
ARCHIVE_HOUR_UTC = 3.0


@dataclass(frozen=True, slots=True)
class Ticks:
    """The sampling grid of one step: `index` int64[t] counts steps since the epoch."""

    index: Ints
    step_seconds: float

    def __len__(self) -> int:
        return len(self.index)

    @property
    def seconds(self) -> Floats:
        """Seconds since the epoch."""
        return self.index.astype(np.float64) * self.step_seconds

    @property
    def time_unix_nano(self) -> Ints:
        """Unix nanoseconds."""
        return self.index * np.int64(round(self.step_seconds * NANOS_PER_SECOND))


@dataclass(slots=True)
class Conditions:
    """What drives the estate, one number a tick. Faults change these, never a metric: what follows from
    a fault elsewhere (latency from a busy processor, connections from a slow database) follows by itself.

    Attributes:
        traffic: requests per second asked of the checkout service.
        error_ratio: share of requests that fail for reasons of the service's own.
        slowdown: factor on the checkout service's own work.
        database_slowdown: factor on the time of one query.
        batch: 0 to 1, how much of the nightly job is running.
        since_archive: seconds since old orders were last archived, every night at 03:00 UTC.
        consumers: 0 to 1, share of the queue's consumers that work.
        cpu_ratio, memory_bytes, disk_bytes, loss_ratio: by host, on top of the normal.
    """

    ticks: Ticks
    traffic: Floats
    error_ratio: Floats
    slowdown: Floats
    database_slowdown: Floats
    batch: Floats
    since_archive: Floats
    consumers: Floats
    cpu_ratio: dict[str, Floats] = field(default_factory=dict)
    memory_bytes: dict[str, Floats] = field(default_factory=dict)
    disk_bytes: dict[str, Floats] = field(default_factory=dict)
    loss_ratio: dict[str, Floats] = field(default_factory=dict)


def season(seconds: Floats) -> Floats:
    """Load relative to its weekly mean: a day with its top about 14 UTC, a calmer weekend."""
    hour = (seconds % DAY_SECONDS) / 3600.0
    day = 1.0 + 0.45 * np.cos((hour - 14.0) * np.pi / 12.0) + 0.12 * np.cos((hour - 20.0) * np.pi / 6.0)
    # The epoch was a Thursday: Saturday starts two days after. Two-hour slopes, no jump at midnight.
    since_saturday = (seconds - 2 * DAY_SECONDS) % (7 * DAY_SECONDS)
    into = np.clip(since_saturday / 7200.0, 0.0, 1.0)
    out = np.clip((since_saturday - 2 * DAY_SECONDS) / 7200.0, 0.0, 1.0)
    return day * (1.0 - 0.3 * (into - out))


def batch_activity(seconds: Floats, noise: Noise) -> Floats:
    """The nightly job: from 02:00 UTC for 35 to 45 minutes, with slopes of half a minute."""
    day = np.floor(seconds / DAY_SECONDS).astype(np.int64)
    since = seconds - day * DAY_SECONDS - BATCH_HOUR_UTC * 3600.0 - 20.0 * noise.uniform("batch/late", day)
    length = 2100.0 + 600.0 * noise.uniform("batch/length", day)
    return np.clip(since / 30.0, 0.0, 1.0) - np.clip((since - length) / 30.0, 0.0, 1.0)


def normal_conditions(ticks: Ticks, noise: Noise) -> Conditions:
    """The estate in health."""
    seconds, ones = ticks.seconds, np.ones(len(ticks))
    wander = 1.0 + 0.03 * noise.smooth("traffic", seconds, 900.0)
    zeros = {host: np.zeros(len(ticks)) for host in HOSTS}
    return Conditions(
        ticks=ticks,
        traffic=60.0 * season(seconds) * np.clip(wander, 0.5, 1.5),
        error_ratio=np.clip(0.004 * (1.0 + 0.2 * noise.smooth("errors", seconds, 600.0)), 0.0, 1.0),
        slowdown=ones.copy(),
        database_slowdown=ones.copy(),
        batch=batch_activity(seconds, noise),
        since_archive=(seconds - ARCHIVE_HOUR_UTC * 3600.0) % DAY_SECONDS,
        consumers=ones.copy(),
        cpu_ratio={host: value.copy() for host, value in zeros.items()},
        memory_bytes={host: value.copy() for host, value in zeros.items()},
        disk_bytes={host: value.copy() for host, value in zeros.items()},
        loss_ratio={host: value.copy() for host, value in zeros.items()},
    )
