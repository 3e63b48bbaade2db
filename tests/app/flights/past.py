"""A stored past of one service: quiet weeks with a sample a minute, and troubles that are sampled closely."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from stormpetrel.errors import NotFoundError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.action import Action, EffectClass
from stormpetrel.model.facts import LiveTarget
from stormpetrel.model.record_columns import build_changes
from stormpetrel.model.run import ActResult
from stormpetrel.model.signal import MetricBatch, MetricKind
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.actuate import ActionSchema, Order, Reading
from stormpetrel.ports.store import TelemetryStore

SHOP = "service:shop"
MINUTE, HOUR, DAY = from_seconds(60.0), from_seconds(3600.0), from_seconds(86_400.0)
START = 1_767_225_600_000_000_000  # midnight, UTC
_CLOSE = from_seconds(5.0)


class RealShop:
    """What the installation really owns: it may be read, and an act on it fails the test."""

    name = "shop"

    def __init__(self) -> None:
        self.acts: list[Order] = []

    def actions(self) -> tuple[ActionSchema, ...]:
        return (ActionSchema("service.restart", EffectClass.DISRUPTIVE, "", (), "", fences=True),)

    def targets(self) -> tuple[str, ...]:
        return (SHOP,)

    def read(self, entity: str) -> Reading:
        if entity != SHOP:
            raise NotFoundError(entity)
        return Reading(LiveTarget(entity, True, "today", True, None), False, None, ())

    def inverse(self, action: Action) -> Action | None:
        return None

    def act(self, order: Order) -> ActResult:
        self.acts.append(order)
        raise AssertionError("a flight acts on nothing real")

    def resolve(self, order: Order) -> ActResult:
        raise AssertionError("a flight asks nothing of what is real")

    def close(self) -> None:
        pass


@dataclass(frozen=True, slots=True)
class Trouble:
    """The shop falls; a minute later its scrapes fail, too; after `lasts` both are well again."""

    begin: int
    lasts: int


def write_past(
    store: TelemetryStore,
    registry: SeriesRegistry,
    days: float,
    troubles: Sequence[Trouble] = (),
    gap: int = 0,
) -> None:
    """Store `days` from `START` on, the first `gap` nanoseconds of the second day left out."""
    own = registry.intern(
        "service_up", {"service": "shop", "actuator": "shop"}, "targets", MetricKind.GAUGE, ""
    )
    scraped = registry.intern("up", {"service": "shop", "instance": "a:80"}, "prom", MetricKind.GAUGE, "")
    load = registry.intern("shop_requests", {"service": "shop"}, "prom", MetricKind.GAUGE, "")
    times = np.arange(START, START + int(days * DAY), MINUTE)
    times = times[(times < START + DAY) | (times >= START + DAY + gap)]
    for one in troubles:
        close = np.arange(one.begin - 20 * MINUTE, one.begin + one.lasts + 20 * MINUTE, _CLOSE)
        times = np.union1d(times, close)
    serves, answers = np.ones(len(times)), np.ones(len(times))
    for one in troubles:
        end = one.begin + one.lasts
        serves[(times >= one.begin) & (times < end)] = 0.0
        answers[(times >= one.begin + MINUTE) & (times < end)] = 0.0
    requests = 50.0 + np.sin(times / HOUR) + np.random.default_rng(5).normal(0.0, 0.5, len(times))
    series = np.repeat(np.array([own, scraped, load], np.uint32), len(times))
    store.insert_series([registry.info(number) for number in range(len(registry))])
    batch = MetricBatch(series, np.tile(times, 3), np.concatenate([serves, answers, requests]))
    store.insert_samples(batch.take(np.argsort(batch.time_unix_nano, kind="stable")), "past")


def deploy(store: TelemetryStore, time_unix_nano: int) -> None:
    """Somebody told of a deployment of the shop."""
    told = build_changes(
        time_unix_nano, "rollout-7", "shop 2.1", source="ci", entity=SHOP, kind="deploy", state="succeeded"
    )
    store.insert_records(told, f"deploy-{time_unix_nano}")


def until(condition: Callable[[], bool]) -> None:
    """Wait for what another thread does."""
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
