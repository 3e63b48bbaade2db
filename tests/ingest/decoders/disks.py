"""Documents as `smartctl --json -a` writes them, shortened, of invented disks."""

from __future__ import annotations

from typing import Any


def said(status: int = 0, *messages: str) -> dict[str, Any]:
    told: dict[str, Any] = {"version": [7, 3], "argv": ["smartctl", "--json", "-a"], "exit_status": status}
    if messages:
        told["messages"] = [{"string": text, "severity": "error"} for text in messages]
    return told


def attribute(number: int, name: str, raw: int, value: int = 100, failed: str = "") -> dict[str, Any]:
    return {
        "id": number, "name": name, "value": value, "worst": value - 1, "thresh": 10, "when_failed": failed,
        "flags": {"value": 51, "prefailure": True}, "raw": {"value": raw, "string": f"{raw} (Min/Max 1/2)"},
    }  # fmt: skip


ATA: dict[str, Any] = {
    "json_format_version": [1, 0],
    "smartctl": said(0b1101_0000),
    "local_time": {"time_t": 1_700_000_000, "asctime": "Tue Nov 14 22:13:20 2023 UTC"},
    "device": {"name": "/dev/sda", "info_name": "/dev/sda [SAT]", "type": "sat", "protocol": "ATA"},
    "model_name": "ACME HDD 4000", "serial_number": "AC-1234",
    "user_capacity": {"blocks": {"value": 7814037168}, "bytes": 4000787030016},
    "smart_status": {"passed": False},
    "ata_smart_data": {"self_test": {"status": {"value": 0, "string": "completed", "passed": True}}},
    "ata_smart_attributes": {
        "revision": 16,
        "table": [
            attribute(5, "Reallocated_Sector_Ct", 8, 9, "now"),
            attribute(194, "Temperature_Celsius", 2**40 + 31),
            attribute(197, "Current_Pending_Sector", 2, 100, "past"),
        ],
    },
    "power_on_time": {"hours": 100, "minutes": 30}, "power_cycle_count": 12, "temperature": {"current": 31},
    "ata_smart_error_log": {"summary": {"revision": 1, "count": 4}},
    "ata_smart_self_test_log": {"standard": {"count": 2, "error_count_total": 1, "error_count_outdated": 0}},
}  # fmt: skip

NVME: dict[str, Any] = {
    "json_format_version": [1, 0],
    "smartctl": said(),
    "local_time": {"time_t": 1_700_000_000},
    "device": {"name": "/dev/nvme0", "info_name": "/dev/nvme0", "type": "nvme", "protocol": "NVMe"},
    "model_name": "ACME NVMe 1TB", "serial_number": "NV-77", "user_capacity": {"bytes": 1024209543168},
    "smart_status": {"passed": True, "nvme": {"value": 0}},
    "nvme_smart_health_information_log": {
        "critical_warning": 4, "temperature": 41, "available_spare": 95, "available_spare_threshold": 10,
        "percentage_used": 116, "data_units_read": 2, "data_units_written": 3, "host_reads": 10,
        "host_writes": 11, "controller_busy_time": 5, "power_cycles": 6, "power_on_hours": 7,
        "unsafe_shutdowns": 8, "media_errors": 9, "num_err_log_entries": 12, "warning_temp_time": 1,
        "critical_comp_time": 2, "temperature_sensors": [41, 52],
    },
    "temperature": {"current": 41}, "power_cycle_count": 6, "power_on_time": {"hours": 7},
    "nvme_self_test_log": {"table": [{"self_test_result": {"value": 7, "string": "failed"}}]},
}  # fmt: skip

SCSI: dict[str, Any] = {
    "smartctl": said(),
    "local_time": {"time_t": 1_700_000_000},
    "device": {"name": "/dev/bus/0", "info_name": "/dev/bus/0 [megaraid_disk_01]", "type": "megaraid,1"},
    "model_name": "ACME SAS", "serial_number": "  SC-5 ", "smart_status": {"passed": True},
    "scsi_grown_defect_list": 3, "scsi_percentage_used_endurance_indicator": 2,
    "scsi_start_stop_cycle_counter": {
        "accumulated_start_stop_cycles": 21, "accumulated_load_unload_cycles": 22,
    },
    "scsi_error_counter_log": {
        "read": {
            "total_errors_corrected": 374, "total_uncorrected_errors": 1, "gigabytes_processed": "2657.347",
        },
        "verify": {
            "total_errors_corrected": 0, "total_uncorrected_errors": 0, "gigabytes_processed": "0.000",
        },
    },
    "scsi_self_test_0": {"result": {"value": 0, "string": "Completed"}},
}  # fmt: skip

CLOSED: dict[str, Any] = {
    "smartctl": said(2, "Smartctl open device: /dev/sdb failed: Permission denied"),
    "device": {"name": "/dev/sdb", "type": "sat"},
}
