"""The real stores, in this process: one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.intake import FailingStore, Intake

from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.config import Config


@pytest.fixture
def control(tmp_path: Path) -> Iterator[SqlControlStore]:
    """A control store of its own."""
    store = open_control_store(f"sqlite:///{tmp_path / 'control.sqlite'}")
    yield store
    store.close()


@pytest.fixture
def failing(tmp_path: Path) -> Iterator[FailingStore]:
    """A store that fails when told to."""
    store = FailingStore.over(open_store(Config().store, tmp_path))
    yield store
    store.close()


@pytest.fixture
def intake(failing: FailingStore) -> Iterator[Intake]:
    """A started writer over it."""
    one = Intake(failing)
    yield one
    one.stop()
