"""A storm of alerts as the outage of three things makes it: who needs them suffers, everything fires."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from random import Random
from typing import Any

from tests.e2e.conftest import CONFIG as PLAIN_CONFIG

# Three roots; twelve services need each of them, ten others each of those; one thing besides: 400 in all.
ROOTS, MIDDLES, LEAVES = 3, 12, 10
NAMES = tuple(
    f"{what}{how}"
    for what in ("Latency", "ErrorRatio", "Saturation", "QueueDepth", "Restarts")
    for how in ("High", "Critical", "Rising", "AboveObjective", "Burning")
)
ENTITIES = ROOTS * (1 + MIDDLES + MIDDLES * LEAVES) + 1
ALERTS = ENTITIES * len(NAMES)
SECONDS = 60.0

CONFIG = PLAIN_CONFIG + '[topology]\nfile = "topology.yaml"\n'


def edges() -> list[tuple[str, str]]:
    """Who needs whom: caller, callee."""
    found = []
    for root in range(ROOTS):
        for middle in range(MIDDLES):
            found.append((f"api-{root}-{middle}", f"store-{root}"))
            found += [(f"web-{root}-{middle}-{leaf}", f"api-{root}-{middle}") for leaf in range(LEAVES)]
    return found


def topology() -> str:
    """The same as the file that declares it."""
    lines = ["edges:"]
    for caller, callee in edges():
        lines += [f"  - caller: service:{caller}", f"    callee: service:{callee}"]
    return "\n".join(lines) + "\n"


def services() -> list[str]:
    """All that suffer, each after what it needs, and one that nobody knows anything of."""
    needed = [f"store-{root}" for root in range(ROOTS)]
    return [*needed, *sorted({caller for caller, _ in edges()}, key=lambda one: one.count("-")), "billing"]


def alerts(seed: int = 7) -> list[tuple[str, str]]:
    """Service and name of every alert, in the order in which they fire: roots sooner, else as it happens."""
    chance = Random(seed)
    due = [
        (min(one.count("-") - 1, 2) * 5.0 + chance.random() * 50.0, one, name)
        for one in services()
        for name in NAMES
    ]
    return [(one, name) for _, one, name in sorted(due)]


def blow(post: Callable[[Sequence[dict[str, Any]]], None], seconds: float = SECONDS) -> Iterator[int]:
    """Post all of them, a part a second; how many by then. It sleeps until each part is due."""
    every = alerts()
    parts = max(1, round(seconds))
    begin, sent = time.monotonic(), 0
    for part in range(1, parts + 1):
        upto = len(every) * part // parts
        post([_alert(*one) for one in every[sent:upto]])
        sent = upto
        yield sent
        time.sleep(max(0.0, begin + part * seconds / parts - time.monotonic()))


def _alert(service: str, name: str) -> dict[str, Any]:
    severity = "critical" if name.endswith("Critical") else "warning"
    return {
        "labels": {"alertname": name, "service": service, "severity": severity, "cluster": "eu-1"},
        "annotations": {"summary": f"{name} on {service}"},
        "startsAt": datetime.now(UTC).isoformat(),
        "generatorURL": f"http://prometheus.example/graph?service={service}",
    }


def told(incidents: Sequence[dict[str, Any]]) -> int:
    """The alerts that incidents hold, whole or counted; what was merged into another is there."""
    still = [one for one in incidents if one["state"] != "resolved"]
    return sum(len(one["findings"]) + sum(count for _, count in one["more"]) for one in still)
