"""What `smartctl --json` says of a disk, as numbers with names.

Source: smartmontools' JSON output (format version 1), smartctl(8) for the exit status, NVM Express 1.4 for
the health log, and SCSI's log pages.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from stormpetrel.ingest.webhook_values import dig, text_of
from stormpetrel.model.signal import MetricKind

GAUGE, COUNTER = MetricKind.GAUGE, MetricKind.COUNTER
MAX_ATTRIBUTES = 256  # ATA has room for 30
MAX_SENSORS = 16

# The bits of smartctl's exit status that are about the disk, smartctl(8).
PROBLEMS: dict[int, str] = {
    2: "command_failed",
    3: "disk_failing",
    4: "prefail_below_threshold",
    5: "was_below_threshold",
    6: "errors_logged",
    7: "self_tests_failed",
}
OPEN_FAILED = 0b11  # bits 0 and 1: nothing is known of the disk

_HOUR, _MINUTE = 3600.0, 60.0
_NVME_UNIT = 512_000.0  # bytes in a thousand blocks of 512


class SmartReading(NamedTuple):
    """One number of a disk."""

    metric: str
    value: float
    kind: MetricKind = GAUGE
    unit: str = ""
    labels: tuple[tuple[str, str], ...] = ()


class _Told(NamedTuple):
    """Where a number stands in the document, and what becomes of it."""

    metric: str
    path: tuple[str, ...]
    kind: MetricKind = GAUGE
    unit: str = ""
    scale: float = 1.0
    per: float = 1.0  # divides: a hundredth as a factor would not be exact


_HEALTH_LOG = "nvme_smart_health_information_log"
_TOLD = (
    _Told("smart_device_healthy", ("smart_status", "passed")),
    _Told("smart_temperature_celsius", ("temperature", "current"), GAUGE, "Cel"),
    _Told("smart_power_on_seconds_total", ("power_on_time", "hours"), COUNTER, "s", _HOUR),
    _Told("smart_power_cycles_total", ("power_cycle_count",), COUNTER),
    _Told("smart_capacity_bytes", ("user_capacity", "bytes"), GAUGE, "By"),
    _Told("smart_self_test_passed", ("ata_smart_data", "self_test", "status", "passed")),
    _Told(
        "smart_self_test_errors_total", ("ata_smart_self_test_log", "standard", "error_count_total"), COUNTER
    ),
    _Told(
        "smart_self_test_errors_total", ("ata_smart_self_test_log", "extended", "error_count_total"), COUNTER
    ),
    _Told("smart_errors_logged_total", ("ata_smart_error_log", "summary", "count"), COUNTER),
    _Told("smart_errors_logged_total", ("ata_smart_error_log", "extended", "count"), COUNTER),
    _Told("smart_life_used_percent", (_HEALTH_LOG, "percentage_used"), GAUGE, "%"),
    _Told("smart_life_used_percent", ("endurance_used", "current_percent"), GAUGE, "%"),
    _Told("smart_life_used_percent", ("scsi_percentage_used_endurance_indicator",), GAUGE, "%"),
    _Told("smart_scsi_grown_defects", ("scsi_grown_defect_list",)),
    _Told(
        "smart_scsi_start_stop_cycles_total",
        ("scsi_start_stop_cycle_counter", "accumulated_start_stop_cycles"),
        COUNTER,
    ),
    _Told(
        "smart_scsi_load_cycles_total",
        ("scsi_start_stop_cycle_counter", "accumulated_load_unload_cycles"),
        COUNTER,
    ),
    _Told("smart_nvme_available_spare_ratio", (_HEALTH_LOG, "available_spare"), GAUGE, "1", per=100.0),
    _Told(
        "smart_nvme_available_spare_threshold_ratio",
        (_HEALTH_LOG, "available_spare_threshold"),
        GAUGE,
        "1",
        per=100.0,
    ),
    *(
        _Told(f"smart_nvme_{metric}", (_HEALTH_LOG, name), kind, unit, scale)
        for metric, name, kind, unit, scale in (
            ("critical_warning", "critical_warning", GAUGE, "", 1.0),
            ("media_errors_total", "media_errors", COUNTER, "", 1.0),
            ("errors_logged_total", "num_err_log_entries", COUNTER, "", 1.0),
            ("unsafe_shutdowns_total", "unsafe_shutdowns", COUNTER, "", 1.0),
            ("read_bytes_total", "data_units_read", COUNTER, "By", _NVME_UNIT),
            ("written_bytes_total", "data_units_written", COUNTER, "By", _NVME_UNIT),
            ("host_reads_total", "host_reads", COUNTER, "", 1.0),
            ("host_writes_total", "host_writes", COUNTER, "", 1.0),
            ("controller_busy_seconds_total", "controller_busy_time", COUNTER, "s", _MINUTE),
            ("warm_seconds_total", "warning_temp_time", COUNTER, "s", _MINUTE),
            ("hot_seconds_total", "critical_comp_time", COUNTER, "s", _MINUTE),
        )
    ),
)
_ATTRIBUTE = (
    ("smart_attribute_raw", ("raw", "value")),
    ("smart_attribute_normalized", ("value",)),
    ("smart_attribute_worst", ("worst",)),
    ("smart_attribute_threshold", ("thresh",)),
)
_SCSI_ERRORS = (
    ("smart_scsi_errors_corrected_total", "total_errors_corrected", "", 1.0),
    ("smart_scsi_errors_uncorrected_total", "total_uncorrected_errors", "", 1.0),
    ("smart_scsi_processed_bytes_total", "gigabytes_processed", "By", 1e9),
)


def number_at(tree: Any, *path: str) -> float | None:
    """The number under these names; true is 1, decimal text is a number, anything else is None.

    >>> number_at({"a": {"b": "1.5"}}, "a", "b"), number_at({"a": True}, "a"), number_at({"a": []}, "a")
    (1.5, 1.0, None)
    """
    value = dig(tree, *path)
    if isinstance(value, str) and len(value) <= 40:
        try:
            value = float(value)
        except ValueError:
            return None
    if not isinstance(value, int | float):
        return None
    number = float(value)
    return number if abs(number) < float("inf") else None


def readings_of(document: Mapping[str, Any]) -> list[SmartReading]:
    """Every number that one document tells, each series once; O(document)."""
    found: dict[tuple[str, tuple[tuple[str, str], ...]], SmartReading] = {}
    for reading in _all(document):
        found.setdefault((reading.metric, reading.labels), reading)
    return list(found.values())


def _all(document: Mapping[str, Any]) -> Iterator[SmartReading]:
    for told in _TOLD:
        value = number_at(document, *told.path)
        if value is not None:
            yield SmartReading(told.metric, value * told.scale / told.per, told.kind, told.unit)
    yield from _problems(document)
    yield from _attributes(document)
    yield from _self_tests(document)
    yield from _scsi_errors(document)
    sensors = dig(document, _HEALTH_LOG, "temperature_sensors")
    for place, sensor in enumerate(sensors[:MAX_SENSORS] if isinstance(sensors, list) else [], 1):
        if isinstance(sensor, int | float):
            yield SmartReading(
                "smart_nvme_sensor_celsius", float(sensor), GAUGE, "Cel", (("sensor", str(place)),)
            )


def _problems(document: Mapping[str, Any]) -> Iterator[SmartReading]:
    status = dig(document, "smartctl", "exit_status")
    if isinstance(status, int):
        for bit, problem in PROBLEMS.items():
            yield SmartReading("smart_problem", float(status >> bit & 1), labels=(("problem", problem),))


def _attributes(document: Mapping[str, Any]) -> Iterator[SmartReading]:
    table = dig(document, "ata_smart_attributes", "table")
    for row in table[:MAX_ATTRIBUTES] if isinstance(table, list) else ():
        number = dig(row, "id")
        if not isinstance(number, int):
            continue
        labels = (
            ("attribute_id", str(number)),
            ("name", text_of(dig(row, "name"), 64) or f"attribute_{number}"),
        )
        for metric, path in _ATTRIBUTE:
            value = number_at(row, *path)
            if value is not None:
                yield SmartReading(metric, value, labels=labels)
        failed = dig(row, "when_failed")
        if isinstance(failed, str):
            yield SmartReading("smart_attribute_failing", float(failed.lower() == "now"), labels=labels)


def _self_tests(document: Mapping[str, Any]) -> Iterator[SmartReading]:
    """Whether the newest self-test that NVMe and SCSI disks list found nothing."""
    table = dig(document, "nvme_self_test_log", "table")
    newest = table[0] if isinstance(table, list) and table else None
    for result in (
        dig(newest, "self_test_result", "value"),
        dig(document, "scsi_self_test_0", "result", "value"),
    ):
        if isinstance(result, int):
            yield SmartReading("smart_self_test_passed", float(result == 0))


def _scsi_errors(document: Mapping[str, Any]) -> Iterator[SmartReading]:
    for operation in ("read", "write", "verify"):
        for metric, name, unit, scale in _SCSI_ERRORS:
            value = number_at(document, "scsi_error_counter_log", operation, name)
            if value is not None:
                yield SmartReading(metric, value * scale, COUNTER, unit, (("operation", operation),))
