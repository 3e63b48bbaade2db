"""Faults of the estate through every stage as shipped: one incident each, and the right cause first."""

from __future__ import annotations

from tests.app.estate import START
from tests.app.estate_whole import Installation

from stormpetrel.simulate.faults import FAULTS


def test_each_fault_is_one_incident_with_the_right_cause_and_calm_is_none() -> None:
    installation = Installation(4, START)
    assert installation.live(2.5 * 3600.0).opened == {}
    for name in ("disk-filling", "cpu-hog"):
        fault = installation.strike(name, 60.0, 600.0)
        lived = installation.live(60.0 + 600.0 + 4500.0)  # the hour after it knows of it
        (incident_id,) = lived.opened
        assert lived.opened[incident_id] - fault.start_unix_nano < 60e9
        first = lived.diagnoses[incident_id].causes[0]
        assert (first.entity, first.cause_class) == (fault.entity, FAULTS[name].cause)
