"""Troubles that the whole pipeline lived through: the earlier one of the same kind comes first.

`benchmarks/quality/similar.py` has all faults and more seeds.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.app.estate import START
from tests.app.troubles import CALM_SECONDS, live

from stormpetrel.explain.fingerprint import fingerprint_of
from stormpetrel.explain.similar import SimilarIndex
from stormpetrel.model.similar import Fingerprint
from stormpetrel.model.time import from_seconds
from stormpetrel.simulate.faults import FAULTS

KINDS = ("cpu-hog", "deploy-bug", "queue-stuck")


def lived(name: str, seed: int) -> Fingerprint:
    """What the incident of a fault is made of; each seed has another strength."""
    fault = FAULTS[name](START + from_seconds(CALM_SECONDS), 600.0, 0.8 + 0.4 * seed)
    seen = live(70 + seed, fault)
    assert seen.incident is not None, f"{name} was not noticed"
    named = replace(seen.incident, incident_id=f"{name}-{seed}", start_unix_nano=seed)
    return fingerprint_of(named, seen.roles)


@pytest.mark.long
def test_the_same_fault_with_another_seed_comes_first() -> None:
    index = SimilarIndex()
    for name in KINDS:
        index.put(lived(name, 0))
    for name in KINDS:
        found = index.search(lived(name, 1))
        assert found, f"nothing is like {name}"
        assert found[0][0] == f"{name}-0", found
