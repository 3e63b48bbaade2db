"""What automation keeps, on SQLite and on PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from stormpetrel.adapters.store import open_control_store
from stormpetrel.testing.check_automation_runs import RUN_CHECKS
from stormpetrel.testing.check_automation_store import AUTOMATION_CHECKS, MakeAutomationStore

CHECKS = [*AUTOMATION_CHECKS, *RUN_CHECKS]


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.__name__))
def test_sqlite(check: Callable[[MakeAutomationStore], None], tmp_path: Path) -> None:
    check(lambda clock: open_control_store(f"sqlite:///{tmp_path / 'control.db'}", tmp_path, clock))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.__name__))
def test_postgresql(check: Callable[[MakeAutomationStore], None], postgres_url: str, tmp_path: Path) -> None:
    check(lambda clock: open_control_store(postgres_url, tmp_path, clock))
