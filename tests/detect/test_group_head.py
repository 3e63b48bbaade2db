"""The group head: many metrics of an entity together, and which of them it names."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from stormpetrel.detect.metrics.group import GroupHead, GroupScores
from stormpetrel.detect.metrics.robust import RobustBank
from stormpetrel.testing.check_detector import admitted

MINUTE = 60_000_000_000
MEMBERS, TICKS = 12, 2000


def entity(seed: int) -> NDArray[np.float64]:
    """[ticks, members]: noise, and a fault in members 3, 4 and 5 for twenty minutes."""
    values = np.random.default_rng(seed).normal(50.0, 2.0, (TICKS, MEMBERS))
    values[1500:1520, 3:6] += 30.0
    return values


def judge(values: NDArray[np.float64], head: GroupHead, cut: int = TICKS) -> list[GroupScores]:
    bank = RobustBank()
    answers = []
    for first, last in ((0, cut), (cut, TICKS)):
        part = values[first:last]
        times = np.repeat(np.arange(first, last, dtype=np.int64) * MINUTE, MEMBERS)
        rows = admitted(np.tile(np.arange(MEMBERS), len(part)), times, part.ravel())
        scores = bank.update(rows)
        answers.append(head.update(np.full(len(rows.batch), 2, np.uint32), rows.batch, scores))
    return answers


def test_the_fault_is_told_with_its_members() -> None:
    whole, empty = judge(entity(1), GroupHead())
    assert len(empty.alarm) == 0
    assert np.nanmin(whole.alarm[1500:1520]) < 1e-6
    assert np.nanmin(whole.alarm[500:1500]) > 1e-4
    assert set(whole.members[1510][:3] % MEMBERS) == {3, 4, 5}
    assert np.nanargmax(whole.rank) in range(1500, 1525)
    assert set(whole.group) == {2}


def test_one_wild_metric_is_not_a_strange_entity() -> None:
    values = np.random.default_rng(2).normal(50.0, 2.0, (TICKS, MEMBERS))
    values[1500:1520, 7] += 30.0
    one = judge(values, GroupHead())[0]
    three = judge(entity(2), GroupHead())[0]
    assert np.nanmin(np.log(one.alarm[1500:1520])) > 0.7 * np.nanmin(np.log(three.alarm[1500:1520]))


def test_cuts_and_snapshots_do_not_change_answers() -> None:
    values = entity(3)
    (whole, _), (first, second) = judge(values, GroupHead()), judge(values, GroupHead(), cut=700)
    assert np.array_equal(whole.alarm, np.concatenate((first.alarm, second.alarm)), equal_nan=True)
    head = GroupHead()
    judge(values, head)
    other = GroupHead()
    other.restore(head.snapshot())
    assert np.array_equal(other.state, head.state)
    with pytest.raises(ValueError, match="version 7"):
        other.restore({**head.snapshot(), "version": np.array([7], np.int64)})
    with pytest.raises(ValueError, match="misshapen"):
        other.restore({**head.snapshot(), "state": np.zeros((3, 2))})
