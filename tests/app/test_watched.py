"""Watched variables: kept over a restart, bounded, and a broken entry is no reason not to start."""

from __future__ import annotations

from pathlib import Path

import pytest

from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.app.watched import MOST, WatchedVariables
from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.pattern import WatchedVariable


def test_kept_and_let_go(tmp_path: Path) -> None:
    control = open_control_store(f"sqlite:///{tmp_path / 'control.sqlite'}")
    watched = WatchedVariables(control)
    one, two = WatchedVariable(2**62, "took", "rob"), WatchedVariable(5, "v1", "ada")
    for each in (one, two, one):
        watched.add(each)
    assert list(WatchedVariables(control)()) == [one, two]
    watched.remove(one.pattern, "took")
    assert list(WatchedVariables(control)()) == [two]
    with pytest.raises(NotFoundError, match="not watched"):
        watched.remove(one.pattern, "took")
    for k in range(MOST - 1):
        watched.add(WatchedVariable(100 + k, "v", "rob"))
    with pytest.raises(StateError, match="stop watching one first"):
        watched.add(one)
    control.put("watched_variables", "[{]")
    assert list(WatchedVariables(control)()) == []
    control.close()
