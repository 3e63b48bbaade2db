"""Reading disks through a program that speaks as smartctl does."""

from __future__ import annotations

import json
import shutil
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.ingest.decoders.disks import ATA, CLOSED, NVME, said

from stormpetrel.adapters.sources import smart
from stormpetrel.adapters.sources.smart import STALE, SmartSource
from stormpetrel.app.config_sources import SmartConfig
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.smartctl import SmartctlParser
from stormpetrel.testing.check_source import check_source
from stormpetrel.testing.clock import FakeClock
from stormpetrel.testing.memory import MemoryIntake

# Prints scan.json, or the file named after the device; notes how it was called.
PROGRAM = """#!{python}
import pathlib, sys
folder = pathlib.Path({folder!r})
with (folder / "calls").open("a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
name = "scan" if "--scan-open" in sys.argv else sys.argv[-1].rpartition("/")[2]
told = folder / (name + ".json")
if not told.exists():
    import time
    time.sleep(60)
sys.stdout.write(told.read_text())
sys.exit(4)
"""


class Host:
    """A host with disks, as its smartctl tells."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.program = folder / "smartctl"
        self.program.write_text(PROGRAM.format(python=sys.executable, folder=str(folder)))
        self.program.chmod(0o755)
        self.registry = SeriesRegistry()
        self.intake = MemoryIntake()
        self.clock = FakeClock()
        self.tell("sda", ATA)
        self.tell("nvme0", NVME)
        self.scan()

    def scan(self, *devices: Any) -> None:
        listed = devices or (ATA["device"], NVME["device"])
        self.tell("scan", {"smartctl": said(), "devices": list(listed)})

    def tell(self, name: str, document: Any) -> None:
        text = document if isinstance(document, str) else json.dumps(document)
        (self.folder / f"{name}.json").write_text(text)

    def source(self) -> SmartSource:
        config = SmartConfig(interval_seconds=60, command=str(self.program))
        return SmartSource(config, SmartctlParser(self.registry).parse, self.clock, "box")

    def read(self, source: SmartSource, until: Any, rounds: int = 1) -> None:
        """Let a source read some rounds."""
        for _ in range(rounds):
            batch = source._round(self.intake, threading.Event())
            if len(batch):
                source._hand_over(batch, self.intake, threading.Event())

    def refusals(self) -> list[tuple[str, int, str]]:
        return [(one.reason, one.rows, one.example) for one in self.intake.refusals()]

    def calls(self) -> list[str]:
        return (self.folder / "calls").read_text().splitlines()


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_every_disk_is_read(host: Host, running: Any, until: Any) -> None:
    with running(host.source(), host.intake):
        until(host.intake.kept)
    infos = [host.registry.info(series) for series in host.intake.samples().series.tolist()]
    assert {info.entity for info in infos} == {"host:box/disk:AC-1234", "host:box/disk:NV-77"}
    assert set(host.intake.samples().time_unix_nano.tolist()) == {host.clock.now_unix_nano()}
    assert host.calls() == [
        "--scan-open --json",
        "--json -a -n standby -d sat /dev/sda",
        "--json -a -n standby -d nvme /dev/nvme0",
    ]
    assert host.intake.refusals() == []


def test_a_disk_that_is_gone_ends_its_series(host: Host, until: Any) -> None:
    source = host.source()
    host.read(source, until)
    host.scan(ATA["device"])
    host.clock.advance(60)
    host.read(source, until)
    second = host.intake.metric_batches()[1]
    ended = second.series[second.value.view(np.int64) == STALE.view(np.int64)]
    assert {host.registry.info(series).entity for series in ended.tolist()} == {"host:box/disk:NV-77"}
    assert len(second) == len(host.intake.metric_batches()[0])
    host.read(source, until)
    assert len(host.intake.metric_batches()[2]) == len(second) - len(ended), "ended once"


def test_troubles_are_told_once_until_they_are_others(host: Host, until: Any) -> None:
    source = host.source()
    host.tell("sda", {**CLOSED, "device": ATA["device"]})
    host.read(source, until, rounds=2)
    text = "/dev/sda: Smartctl open device: /dev/sdb failed: Permission denied"
    assert host.refusals() == [("not_opened", 0, text)]
    host.tell("sda", "garbage")
    host.read(source, until, rounds=2)
    assert [reason for reason, _, _ in host.refusals()] == ["not_opened", "unreadable"]
    host.tell("sda", ATA)
    host.read(source, until)
    host.tell("sda", "garbage")
    host.read(source, until)
    assert [reason for reason, _, _ in host.refusals()] == ["not_opened", "unreadable", "unreadable"]
    assert all(len(batch) for batch in host.intake.metric_batches()), "the other disk is read throughout"


def test_a_sleeping_disk_is_left_alone(host: Host, until: Any) -> None:
    host.tell("sda", {"smartctl": said(2), "device": ATA["device"]})
    host.read(host.source(), until)
    assert host.refusals() == []
    assert len(host.intake.metric_batches()) == 1


def test_disks_that_cannot_be_opened_and_names_that_are_none(host: Host, until: Any) -> None:
    closed = {"name": "/dev/sdb", "type": "sat", "open_error": "Permission denied"}
    host.scan(closed, {"name": "--help", "type": ""}, {"name": "/dev/sdc", "type": "-x"}, "odd", {"name": 5})
    host.read(host.source(), until, rounds=2)
    assert host.refusals() == [("not_opened", 0, "/dev/sdb: Permission denied; run as root")]
    assert host.calls() == ["--scan-open --json"] * 2


@pytest.mark.parametrize("told", ["", "garbage", "[]", '{"devices": 5}'])
def test_a_list_that_is_none(host: Host, until: Any, told: str) -> None:
    host.tell("scan", told)
    host.read(host.source(), until)
    assert [reason for reason, _, _ in host.refusals()] == ["no_disks" if "devices" in told else "unreadable"]


def test_a_program_that_hangs_is_ended(host: Host, until: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smart, "COMMAND_SECONDS", 4.0)
    (host.folder / "sda.json").unlink()
    host.read(host.source(), until)
    assert [reason for reason, _, _ in host.refusals()] == ["unreadable"]
    assert "was stopped" in host.refusals()[0][2]
    assert len(host.intake.metric_batches()) == 1, "the other disk is read"


def test_the_stop_does_not_wait_for_the_program(host: Host, running: Any, until: Any) -> None:
    (host.folder / "scan.json").unlink()
    with running(host.source(), host.intake):
        until((host.folder / "calls").exists)
    assert host.intake.refusals() == []


def test_much_output_is_not_read(host: Host, until: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smart, "MAX_OUTPUT_BYTES", 1000)
    host.tell("scan", json.dumps({"devices": [ATA["device"]] * 100}))
    host.read(host.source(), until)
    assert [reason for reason, _, _ in host.refusals()] == ["unreadable"]


def test_without_the_program_it_says_so(host: Host, running: Any, until: Any) -> None:
    config = SmartConfig(command="no-such-smartctl")
    source = SmartSource(config, SmartctlParser(host.registry).parse, host.clock, "box")
    with running(source, host.intake):
        until(host.intake.refusals)
    assert host.refusals() == [("absent", 0, "no-such-smartctl: no such program; install smartmontools")]


def test_it_is_run_where_there_are_program_and_disk(host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = host.folder / "dev"
    devices.mkdir()
    monkeypatch.setattr(smart, "_DEVICES", devices)
    (devices / "vda").touch()
    assert not SmartSource.available(str(host.program))
    (devices / "nvme0").touch()
    assert SmartSource.available(str(host.program))
    assert not SmartSource.available("no-such-smartctl")


def test_contract(host: Host) -> None:
    check_source(host.source)


@pytest.mark.skipif(shutil.which("smartctl") is None, reason="smartctl is not installed")
def test_the_real_program_is_understood(host: Host, running: Any, until: Any) -> None:
    source = SmartSource(SmartConfig(), SmartctlParser(host.registry).parse, host.clock, "box")
    with running(source, host.intake):
        until(lambda: host.intake.refusals() or host.intake.kept())
    assert {reason for reason, _, _ in host.refusals()} <= {"no_disks", "not_opened"}
