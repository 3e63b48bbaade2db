"""How long a search for similar incidents takes among 10,000, through the control store.

    python benchmarks/speed/similar.py [--incidents 10000]

Prints the first search, which reads the index from the store, and the median and worst of the later ones;
beside them a search that reads the fingerprints of all incidents each time, as it would be without an index.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time

import numpy as np

from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.app.config import Config
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.similar import SimilarDesk
from stormpetrel.explain.similar import SimilarIndex
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState

ENTITIES, METRICS = 2_000, 1_500


def incident(number: int, rng: np.random.Generator) -> Incident:
    """Eight findings on some of many entities and metrics; a fifth of all hit the same proxy."""
    findings = []
    for place in range(8):
        entity = "service:proxy" if rng.random() < 0.2 else f"service:s{rng.integers(ENTITIES)}"
        evidence = Evidence(
            "metric", f"metric_{rng.integers(METRICS)}{{}}", 1, 0, 1, 5.0, 1.0, 0.0, 2.0, 1e-6
        )
        findings.append(
            Finding(
                f"f{number}-{place}", "mixture", 1, "jump", entity, "title", "why", Severity.WARNING,
                FindingState.CLOSED, number * 10**9, number * 10**9 + 1, evidence,
            )
        )  # fmt: skip
    entities = tuple(dict.fromkeys(one.entity for one in findings))
    start = number * 10**9
    return Incident(
        f"i{number:06d}", "s", IncidentState.RESOLVED, Severity.ERROR, entities, start, start, start + 1,
        tuple(findings), (),
    )  # fmt: skip


def without_index(control: SqlControlStore, incidents: int) -> float:
    """Milliseconds of one search that reads everything."""
    begun = time.perf_counter()
    index = SimilarIndex(incidents)
    held = control.list_fingerprints(incidents)
    for one in held:
        index.put(one)
    index.search(held[0])
    return (time.perf_counter() - begun) * 1e3


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--incidents", type=int, default=10_000)
    given = parser.parse_args()
    rng = np.random.default_rng(3)
    with tempfile.TemporaryDirectory() as folder:
        control = open_control_store(f"sqlite:///{folder}/control.sqlite")
        desk = SimilarDesk(control, Pipeline(Config(), SeriesRegistry()))
        every = [incident(number, rng) for number in range(given.incidents)]
        for at in range(0, len(every), 500):
            control.save_incidents(every[at : at + 500])
            desk.noticed(every[at : at + 500])
            desk.close(0)
        took: list[float] = []
        for number in rng.choice(given.incidents, 101):
            one = incident(10 * given.incidents, rng) if not took else every[number]
            begun = time.perf_counter()
            desk.of(one)
            took.append((time.perf_counter() - begun) * 1e3)
        plain = without_index(control, given.incidents)
        control.close()
    later = np.array(took[1:])
    print(f"{given.incidents} incidents, first search {took[0]:.0f} ms (reads the index)")
    print(f"later searches: median {np.median(later):.1f} ms, worst {later.max():.1f} ms")
    print(f"reading all fingerprints each time: {plain:.0f} ms, {plain / np.median(later):.0f} times as long")
    return 0


if __name__ == "__main__":
    sys.exit(main())
