"""The real store, in this process: one at a time."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.app.intake import FailingStore, Intake

from stormpetrel.adapters.store.open import open_store
from stormpetrel.app.config import Config


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
