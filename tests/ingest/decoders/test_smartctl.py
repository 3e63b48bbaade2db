"""What smartctl says of ATA, NVMe and SCSI disks, as samples."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ingest.decoders.disks import ATA, CLOSED, NVME, SCSI

from stormpetrel.errors import DecodeError, TooLargeError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ingest.smartctl import MAX_DISKS, SmartctlDecoder, SmartctlParser, documents_of
from stormpetrel.ingest.smartctl_readings import readings_of
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.signal import MetricKind, SeriesInfo

SECOND = 1_000_000_000
RECEIVED = 1_700_000_100 * SECOND


def push(document: Any, query: str = "host=web-1") -> PushRequest:
    body = document if isinstance(document, bytes) else json.dumps(document, indent=2).encode()
    return PushRequest(
        body, "application/json", "", "/smart/smartctl", "disks/smartctl", RECEIVED, query=query
    )


VALID_REQUESTS = [push(ATA), push([NVME, SCSI], "")]


class Read:
    """What a decoder made of documents, by series text without the disk's own labels."""

    def __init__(self, *documents: Any, query: str = "host=web-1") -> None:
        self.registry = SeriesRegistry()
        body = list(documents) if len(documents) > 1 else documents[0]
        self.decoded: Decoded = SmartctlDecoder(self.registry, 1 << 20).decode(push(body, query))

    def series(self) -> list[SeriesInfo]:
        assert self.decoded.metrics is not None
        return [self.registry.info(series) for series in self.decoded.metrics.series.tolist()]

    def values(self) -> dict[str, float]:
        assert self.decoded.metrics is not None
        own = ("host", "device", "model", "serial")
        texts = []
        for info in self.series():
            rest = ",".join(f"{name}={value}" for name, value in info.labels if name not in own)
            texts.append(f"{info.metric}{{{rest}}}" if rest else info.metric)
        return dict(zip(texts, self.decoded.metrics.value.tolist(), strict=True))


def named(prefix: str, values: dict[str, float]) -> dict[str, float]:
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def test_an_ata_disk() -> None:
    read = Read(ATA)
    five, pending = (
        "attribute_id=5,name=Reallocated_Sector_Ct",
        "attribute_id=197,name=Current_Pending_Sector",
    )
    heat = "attribute_id=194,name=Temperature_Celsius"
    assert read.values() == {
        "smart_device_healthy": 0, "smart_temperature_celsius": 31, "smart_power_on_seconds_total": 360_000,
        "smart_power_cycles_total": 12, "smart_capacity_bytes": 4000787030016, "smart_self_test_passed": 1,
        "smart_self_test_errors_total": 1, "smart_errors_logged_total": 4,
        "smart_problem{problem=command_failed}": 0, "smart_problem{problem=disk_failing}": 0,
        "smart_problem{problem=prefail_below_threshold}": 1, "smart_problem{problem=was_below_threshold}": 0,
        "smart_problem{problem=errors_logged}": 1, "smart_problem{problem=self_tests_failed}": 1,
        f"smart_attribute_raw{{{five}}}": 8, f"smart_attribute_normalized{{{five}}}": 9,
        f"smart_attribute_worst{{{five}}}": 8, f"smart_attribute_threshold{{{five}}}": 10,
        f"smart_attribute_failing{{{five}}}": 1,
        f"smart_attribute_raw{{{heat}}}": 2**40 + 31, f"smart_attribute_normalized{{{heat}}}": 100,
        f"smart_attribute_worst{{{heat}}}": 99, f"smart_attribute_threshold{{{heat}}}": 10,
        f"smart_attribute_failing{{{heat}}}": 0,
        f"smart_attribute_raw{{{pending}}}": 2, f"smart_attribute_normalized{{{pending}}}": 100,
        f"smart_attribute_worst{{{pending}}}": 99, f"smart_attribute_threshold{{{pending}}}": 10,
        f"smart_attribute_failing{{{pending}}}": 0,
    }  # fmt: skip


def test_an_nvme_disk() -> None:
    values = Read(NVME).values()
    assert named("smart_nvme_", values) == {
        "critical_warning": 4, "available_spare_ratio": 0.95, "available_spare_threshold_ratio": 0.1,
        "media_errors_total": 9, "errors_logged_total": 12, "unsafe_shutdowns_total": 8,
        "read_bytes_total": 1_024_000, "written_bytes_total": 1_536_000, "host_reads_total": 10,
        "host_writes_total": 11, "controller_busy_seconds_total": 300, "warm_seconds_total": 60,
        "hot_seconds_total": 120, "sensor_celsius{sensor=1}": 41, "sensor_celsius{sensor=2}": 52,
    }  # fmt: skip
    assert values["smart_life_used_percent"] == 116
    assert (values["smart_self_test_passed"], values["smart_device_healthy"]) == (0, 1)


def test_logs_that_are_told_twice_make_one_series() -> None:
    """-x tells the short logs and the extended ones."""
    log = {**ATA["ata_smart_error_log"], "extended": {"revision": 1, "count": 40}}
    tests = {**ATA["ata_smart_self_test_log"], "extended": {"count": 2, "error_count_total": 10}}
    read = Read({**ATA, "ata_smart_error_log": log, "ata_smart_self_test_log": tests})
    assert len(read.series()) == len(set(read.series())) == len(Read(ATA).series())
    assert (read.values()["smart_errors_logged_total"], read.values()["smart_self_test_errors_total"]) == (
        4,
        1,
    )


def test_a_scsi_disk_behind_a_controller() -> None:
    read = Read(SCSI)
    values = read.values()
    assert named("smart_scsi_", values) == {
        "grown_defects": 3, "start_stop_cycles_total": 21, "load_cycles_total": 22,
        "errors_corrected_total{operation=read}": 374, "errors_uncorrected_total{operation=read}": 1,
        "processed_bytes_total{operation=read}": 2657.347e9, "errors_corrected_total{operation=verify}": 0,
        "errors_uncorrected_total{operation=verify}": 0, "processed_bytes_total{operation=verify}": 0,
    }  # fmt: skip
    assert (values["smart_life_used_percent"], values["smart_self_test_passed"]) == (2, 1)
    assert read.series()[0].label_map() == {
        "host": "web-1", "device": "/dev/bus/0 [megaraid,1]", "model": "ACME SAS", "serial": "SC-5",
    }  # fmt: skip


def test_what_the_series_are_about() -> None:
    read = Read(ATA)
    assert {info.entity for info in read.series()} == {"host:web-1/disk:AC-1234"}
    assert {info.label_map()["device"] for info in read.series()} == {"/dev/sda"}
    kinds = {info.metric: (info.kind, info.unit) for info in read.series()}
    assert kinds["smart_power_on_seconds_total"] == (MetricKind.COUNTER, "s")
    assert kinds["smart_attribute_raw"] == (MetricKind.GAUGE, "")
    assert {info.entity for info in Read(ATA, query="").series()} == {"host:disks/disk:AC-1234"}
    nameless = {name: value for name, value in ATA.items() if name != "serial_number"}
    assert {info.entity for info in Read(nameless).series()} == {"host:web-1/disk:sda"}


def test_the_time_is_the_document_s() -> None:
    for told, expected in (
        (ATA["local_time"], 1_700_000_000 * SECOND),
        ({"time_t": -1}, RECEIVED),
        ({}, RECEIVED),
    ):
        metrics = Read({**ATA, "local_time": told}).decoded.metrics
        assert metrics is not None
        assert set(metrics.time_unix_nano.tolist()) == {expected}
    parsed = SmartctlParser(SeriesRegistry()).parse(json.dumps(ATA).encode(), 5, "smart", "web-1").metrics
    assert parsed is not None
    assert set(parsed.time_unix_nano.tolist()) == {5}, "a round has one time"


def test_several_disks_as_an_array_or_as_lines() -> None:
    array = Read(ATA, NVME)
    lines = Read(json.dumps(ATA).encode() + b"\n" + json.dumps(NVME).encode() + b"\n")
    assert array.values() == lines.values()
    assert {info.entity for info in lines.series()} == {"host:web-1/disk:AC-1234", "host:web-1/disk:NV-77"}


def test_a_disk_that_could_not_be_opened_is_refused_alone() -> None:
    read = Read(CLOSED, ATA)
    (refused,) = read.decoded.rejected
    assert (refused.reason, refused.rows) == ("not_opened", 1)
    assert refused.example == "/dev/sdb: Smartctl open device: /dev/sdb failed: Permission denied"
    with pytest.raises(DecodeError, match="Permission denied"):
        Read(CLOSED)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"5",
        b"{}",
        b'{"smartctl": 5}',
        b"{}\n{}",
        b"{\n}\n[",
        b'{"smartctl": {"exit_status": 0}}',
    ],
)
def test_what_tells_of_no_disk_is_refused(body: bytes) -> None:
    with pytest.raises(DecodeError):
        Read(body)


def test_few_disks_in_one_request() -> None:
    with pytest.raises(TooLargeError):
        documents_of(json.dumps([{}] * (MAX_DISKS + 1)).encode())
    with pytest.raises(DecodeError):
        documents_of(b"{}\n" * (MAX_DISKS + 1))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([ATA, NVME, SCSI]), st.lists(st.integers(0, 30), min_size=1, max_size=6), JSON)
def test_any_value_in_any_place_is_read_or_passed_over(document: Any, path: list[int], odd: Any) -> None:
    tree = json.loads(json.dumps(document))
    node = tree
    for step in path:
        keys = (
            list(node) if isinstance(node, dict) else list(range(len(node))) if isinstance(node, list) else []
        )
        if not keys:
            break
        key = keys[step % len(keys)]
        parent, node = node, node[key]
    parent[key] = odd
    readings = readings_of(tree)
    assert len({(one.metric, one.labels) for one in readings}) == len(readings)
    assert all(abs(one.value) < float("inf") for one in readings)
