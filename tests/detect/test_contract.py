"""Every installed detector bank keeps the contract; and the suite notices banks that do not."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

import numpy as np
import pytest

from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.model.finding import Scores
from stormpetrel.model.signal import AdmittedMetrics
from stormpetrel.ports.algorithms import DetectorBank, Snapshot
from stormpetrel.testing import check_detector as suite

BANKS = sorted(entry_points(group="stormpetrel.detectors"), key=lambda point: point.name)


def test_there_is_a_bank() -> None:
    assert "robust" in [point.name for point in BANKS]


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("point", BANKS, ids=lambda point: point.name)
def test_contract(point: EntryPoint, check: Callable[[suite.MakeBank], None]) -> None:
    make: suite.MakeBank = point.load()
    check(make)


class Forgetful(RobustBank):
    """Restores nothing."""

    def restore(self, snapshot: Snapshot) -> None:
        del snapshot


class BatchBound(RobustBank):
    """Lets the size of a batch into its scores."""

    def update(self, admitted: AdmittedMetrics) -> Scores:
        scores = super().update(admitted)
        scores.p_value[:] = np.minimum(scores.p_value, 1.0 / max(len(scores), 1))
        return scores


class ZeroSaying(RobustBank):
    """Says zero while it does not know."""

    def update(self, admitted: AdmittedMetrics) -> Scores:
        scores = super().update(admitted)
        scores.p_value[np.isnan(scores.p_value)] = 0.0
        return scores


class Greedy(RobustBank):
    """Declares less than it holds."""

    bytes_per_series = 100


@pytest.mark.parametrize(
    ("bank", "sentence"),
    [
        (Forgetful, "restore"),
        (BatchBound, "(cut into batches|other series)"),
        (ZeroSaying, "warming up"),
        (Greedy, "declared bytes"),
    ],
)
def test_suite_notices(bank: Callable[[], DetectorBank], sentence: str) -> None:
    with pytest.raises(AssertionError, match=sentence):
        suite.check_detector(bank)
