"""What all tests share: no test fails by the clock, and no time is spent looking for garbage in vain."""

from __future__ import annotations

import gc

import pytest
from hypothesis import settings

# How long an example takes is the machine's business, and whoever else works on it.
settings.register_profile("petrel", deadline=None)
settings.load_profile("petrel")

# Collecting tests imports thousands of modules and drops little.
gc.disable()


def pytest_collection_finish(session: pytest.Session) -> None:
    """What there is by now stays: it is looked at once, not again whenever a test leaves much behind."""
    gc.collect()
    gc.freeze()
    gc.enable()
