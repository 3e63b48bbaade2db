"""Every installed miner keeps the contract; and the suite notices miners that do not."""

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any

import numpy as np
import pytest

from stormpetrel.model.pattern import LogLines, Mined
from stormpetrel.patterns.miner import TemplateMiner
from stormpetrel.testing import check_miner as suite

MINERS = sorted(entry_points(group="stormpetrel.miners"), key=lambda point: point.name)


def test_there_is_a_miner() -> None:
    assert "template" in [point.name for point in MINERS]


@pytest.mark.parametrize("check", suite.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("point", MINERS, ids=lambda point: point.name)
def test_contract(point: EntryPoint, check: Callable[[suite.MakeMiner], None]) -> None:
    make: suite.MakeMiner = point.load()
    check(make)


class Forgetful(TemplateMiner):
    """Restores nothing."""

    def restore(self, plain: Mapping[str, Any]) -> None:
        del plain


class BatchBound(TemplateMiner):
    """Lets the size of a batch into its ids."""

    def update(self, lines: LogLines) -> Mined:
        mined = super().update(lines)
        return Mined(mined.pattern + np.int64(len(lines) > 100), mined.new)


class NameBound(TemplateMiner):
    """Treats a source by its name."""

    def update(self, lines: LogLines) -> Mined:
        if "HDFS" in lines.sources:
            return Mined(np.zeros(len(lines), np.int64), ())
        return super().update(lines)


class Lost(TemplateMiner):
    """Forgets what became of ids."""

    def resolve(self, pattern: int) -> int:
        return pattern


@pytest.mark.parametrize("make", [Forgetful, BatchBound, NameBound, Lost])
def test_the_suite_notices(make: suite.MakeMiner) -> None:
    with pytest.raises(AssertionError):
        suite.check_miner(make)
