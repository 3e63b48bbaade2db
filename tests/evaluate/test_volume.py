"""VUS-PR and the score of labelled windows, against what can be worked out by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from stormpetrel.evaluate import windows
from stormpetrel.evaluate.volume import dominant_period, volume_under_surface

N = 600


def label(*runs: tuple[int, int]) -> np.ndarray:
    marks = np.zeros(N, bool)
    for first, last in runs:
        marks[first : last + 1] = True
    return marks


def test_a_perfect_ranking_without_flanks_is_one() -> None:
    marks = label((100, 139))
    assert volume_under_surface(marks, marks.astype(float), 0) == pytest.approx(1.0)
    assert np.isnan(volume_under_surface(label(), np.zeros(N), 10))


def test_being_a_little_late_costs_little_with_flanks_and_all_without() -> None:
    marks = label((100, 119))
    late = np.roll(marks, 15).astype(float)
    assert volume_under_surface(marks, late, 60) > 1.5 * volume_under_surface(marks, late, 0)


def test_runs_that_meet_by_their_flanks_are_one() -> None:
    near, far = label((100, 109), (114, 123)), label((100, 109), (400, 409))
    for marks in (near, far):
        half_found = marks.astype(float)
        half_found[112:] = 0.0
        figure = volume_under_surface(marks, half_found, 20)
        assert 0.0 < figure < 1.0
    first_only = label((100, 109)).astype(float)
    assert volume_under_surface(near, first_only, 20) > volume_under_surface(far, first_only, 20)


def test_the_period_is_found() -> None:
    time = np.arange(4000)
    assert dominant_period(np.sin(2 * np.pi * time / 48)) == 48
    assert dominant_period(np.ones(100)) == 125
    assert dominant_period(np.ones(3)) == 125


def test_windows_are_worth_more_the_earlier(tmp_path: Path) -> None:
    found = [(300, 399)]
    early, late = (windows.gained(np.array([row]), N, found) for row in (300, 395))
    assert 1.9 < early <= 2.0
    assert 1.0 < late < 1.3
    assert windows.gained(np.array([200]), N, found) == pytest.approx(-0.11)
    assert -0.11 < windows.gained(np.array([410]), N, found) < 0.0
    assert windows.gained(np.array([5]), N, found) == 0.0, "probation"
    assert windows.standard_score([early], 1) == pytest.approx(50 * early)
    assert windows.standard_score([-3.0], 1) == 0.0
    assert np.isnan(windows.standard_score([], 0))
    (tmp_path / windows.FILE).write_text(json.dumps({"a": {"windows_idx": [[300, 399]]}}))
    assert windows.read_windows(tmp_path) == {"a": found}
    assert windows.read_windows(tmp_path / "none") == {}
