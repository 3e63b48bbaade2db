"""Every installed log detector keeps the contract; and the suite notices those that do not."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import pytest

from stormpetrel.detect.logs.rare_value import RareValue
from stormpetrel.model.finding import Finding
from stormpetrel.model.signal import LogBatch
from stormpetrel.ports.algorithms import LogDetector, Snapshot
from stormpetrel.testing import check_log_detector as suite

DETECTORS = sorted(entry_points(group="stormpetrel.log_detectors"), key=lambda point: point.name)


def test_the_built_in_ones_are_installed() -> None:
    names = [point.name for point in DETECTORS]
    assert {"error_surge", "new_pattern", "rare_value", "strange_sessions"} <= set(names)


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("point", DETECTORS, ids=lambda point: point.name)
def test_contract(point: EntryPoint, check: Callable[[suite.MakeDetector], None]) -> None:
    make: suite.MakeDetector = point.load()
    check(make)


class Unforgiving(RareValue):
    """Closes nothing."""

    def advance(self, now_unix_nano: int) -> list[Finding]:
        del now_unix_nano
        return []


class Sure(RareValue):
    """Says zero."""

    def update(self, batch: LogBatch) -> list[Finding]:
        found = super().update(batch)
        return [replace(one, evidence=replace(one.evidence, p_value=0.0)) for one in found]


class Credulous(RareValue):
    """Takes any state, and keeps none."""

    def restore(self, snapshot: Snapshot, notes: Mapping[str, Any], open_findings: Sequence[Finding]) -> None:
        del snapshot, notes, open_findings


class Deaf(RareValue):
    """Hears nothing."""

    def update(self, batch: LogBatch) -> list[Finding]:
        del batch
        return []


@pytest.mark.parametrize(
    ("detector", "sentence"),
    [
        (Unforgiving, "close every finding"),
        (Sure, "p-value lies"),
        (Credulous, "same snapshot"),
        (Deaf, "prove nothing"),
    ],
)
def test_suite_notices(detector: Callable[[], LogDetector], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        suite.check_log_detector(detector)
