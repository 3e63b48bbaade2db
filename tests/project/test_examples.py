"""The examples are what the programs they are for accept."""

import configparser
import importlib.util
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from stormpetrel.app.config import Config, load_config
from stormpetrel.app.topology_file import read_topology
from stormpetrel.model.topology import NodeRole
from stormpetrel.testing.check_detector import check_detector, sample_rows

FILES = {
    "deviation_bank.py", "docker-compose.yml", "otel-collector.yaml", "prometheus.yml", "stormpetrel.service",
    "stormpetrel.toml", "topology.yaml",
}  # fmt: skip


def read_yaml(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_every_example_is_tested_here(root: Path) -> None:
    assert {path.name for path in (root / "examples").iterdir() if path.is_file()} == FILES


def test_the_configuration_is_accepted(root: Path) -> None:
    config = load_config(root / "examples/stormpetrel.toml")
    assert [scrape.name for scrape in config.sources.scrape] == ["node", "checkout"]
    assert config.server.host == Config().server.host


def test_the_topology_is_accepted(root: Path) -> None:
    found = read_topology(root / "examples/topology.yaml")
    assert found.edges == (("service:shop", "service:legacy-stock"),)
    assert found.roles == (("service:shop", NodeRole.ENTRY),)


def test_the_configuration_of_the_pages_is_accepted(documents: dict[str, str], tmp_path: Path) -> None:
    blocks = [
        block.partition("```")[0]
        for text in documents.values()
        for block in text.split("```toml\n")[1:]
        if "entry-points" not in block.partition("```")[0]
    ]
    assert blocks
    for number, block in enumerate(blocks):
        path = tmp_path / f"{number}.toml"
        path.write_text(block, encoding="utf-8")
        assert tomllib.loads(block)
        load_config(path)


def test_prometheus_sends_to_the_path_we_receive(root: Path) -> None:
    config = read_yaml(root / "examples/prometheus.yml")
    (target,) = config["remote_write"]
    assert target["url"] == f"http://127.0.0.1:{Config().server.port}/api/v1/write"
    assert target["queue_config"]["retry_on_http_429"] is True


def test_the_detector_keeps_the_contract_and_sees_the_spike(root: Path) -> None:
    spec = importlib.util.spec_from_file_location("deviation_bank", root / "examples/deviation_bank.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Compiled functions are found again by the name of their module.
    sys.modules["deviation_bank"] = module
    spec.loader.exec_module(module)
    check_detector(module.DeviationBank)
    assert np.nanmin(module.DeviationBank().update(sample_rows()).p_value) < 1e-6


@pytest.mark.e2e
def test_prometheus_accepts_its_configuration(root: Path) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: apt-get install prometheus)")
    done = subprocess.run(
        [promtool, "check", "config", "--syntax-only", root / "examples/prometheus.yml"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_collector_exports_all_three_signals_to_us(root: Path) -> None:
    config = read_yaml(root / "examples/otel-collector.yaml")
    assert config["exporters"]["otlphttp"]["endpoint"] == f"http://127.0.0.1:{Config().server.port}"
    pipelines = config["service"]["pipelines"]
    assert set(pipelines) == {"metrics", "logs", "traces"}
    for pipeline in pipelines.values():
        for part in ("receivers", "processors", "exporters"):
            assert set(pipeline[part]) <= set(config[part])


def test_clickhouse_listens_on_loopback_and_has_no_default_password(root: Path) -> None:
    service = read_yaml(root / "examples/docker-compose.yml")["services"]["clickhouse"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert service["environment"]["CLICKHOUSE_PASSWORD"].startswith("${CLICKHOUSE_PASSWORD:?")
    assert ":latest" not in service["image"]


def test_the_unit_is_hardened_and_starts_petrel(root: Path) -> None:
    unit = configparser.RawConfigParser(strict=True)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # systemd's keys have capitals
    unit.read(root / "examples/stormpetrel.service", encoding="utf-8")
    service = unit["Service"]
    assert service["ExecStart"].split()[0].endswith("/bin/petrel")
    assert service["ProtectSystem"] == "strict"
    assert service["NoNewPrivileges"] == "yes"
    assert service["User"] not in ("", "root")
