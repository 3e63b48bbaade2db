"""Which of the sources of networks and disks run, by the configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from stormpetrel.adapters.sources.smart import SmartSource
from stormpetrel.adapters.store.open import open_control_store
from stormpetrel.app.config import Config, load_config
from stormpetrel.app.sources import build_sources
from stormpetrel.errors import ConfigError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.testing.clock import FakeClock


@pytest.fixture
def kinds(tmp_path: Path) -> Iterator[Callable[..., list[str]]]:
    """`kinds(**sources)`: the kinds of the sources that run besides those of host and logs."""
    quiet = {"host": {"enabled": False}, "logs": {"journald": False, "files": []}, "own_metrics": False}
    control = open_control_store(f"sqlite:///{tmp_path / 'control.sqlite'}")

    def build(**sources: Any) -> list[str]:
        config = Config.model_validate({"sources": {**quiet, **sources}})
        found = build_sources(config, "box", SeriesRegistry(), FakeClock(), control, bytes)
        return [kind for kind, _ in found]

    yield build
    control.close()


@pytest.mark.parametrize("installed", [False, True])
def test_disks_are_read_where_they_can_be(
    monkeypatch: pytest.MonkeyPatch, kinds: Callable[..., list[str]], installed: bool
) -> None:
    monkeypatch.setattr(SmartSource, "available", staticmethod(lambda program: installed))
    assert kinds() == (["smart"] if installed else [])
    assert kinds(smart={"enabled": False}) == []
    assert kinds(smart={"command": "/opt/smartctl"}) == ["smart"], "what was named and is missing is shown"


def test_flows_are_heard_where_a_port_is_named(kinds: Callable[..., list[str]]) -> None:
    assert kinds(smart={"enabled": False}, flows={"udp_port": 2055}) == ["netflow"]


def test_networks_that_are_none_stop_the_start(tmp_path: Path) -> None:
    file = tmp_path / "petrel.toml"
    file.write_text('[sources.flows]\nudp_port = 2055\nallow = ["10.0.0.0/40"]\n')
    with pytest.raises(ConfigError, match=r"sources\.flows\.allow.*10\.0\.0\.0/40"):
        load_config(file)
