"""What the telemetry store needs to be told; `app.config.StoreConfig` is one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class StoreOptions(Protocol):
    """Where telemetry is kept and for how long; the meaning of each is in `app.config.StoreConfig`."""

    @property
    def url(self) -> str:
        """ClickHouse URL; empty: the engine inside this process."""
        ...

    @property
    def memory_bytes(self) -> int:
        """Memory cap of the engine in this process."""
        ...

    @property
    def samples_days(self) -> int:
        """Days to keep metric samples."""
        ...

    @property
    def logs_days(self) -> int:
        """Days to keep log records."""
        ...

    @property
    def spans_days(self) -> int:
        """Days to keep spans."""
        ...

    @property
    def flows_days(self) -> int:
        """Days to keep network flows."""
        ...

    @property
    def alerts_days(self) -> int:
        """Days to keep alerts of other systems, and changes."""
        ...

    @property
    def findings_days(self) -> int:
        """Days to keep findings."""
        ...

    @property
    def quarantine_days(self) -> int:
        """Days to keep quarantined samples."""
        ...

    @property
    def fsync(self) -> bool:
        """Flush every insert to the device."""
        ...


@dataclass(frozen=True, slots=True)
class TableOptions:
    """The part of the options that is kept in the tables: days by table, and whether inserts are flushed."""

    days: dict[str, int]
    fsync: bool

    @staticmethod
    def of(options: StoreOptions) -> TableOptions:
        """Pick them out."""
        days = {
            "samples": options.samples_days,
            "logs": options.logs_days,
            "spans": options.spans_days,
            "flows": options.flows_days,
            "alerts": options.alerts_days,
            "changes": options.alerts_days,
            "findings": options.findings_days,
            "quarantine": options.quarantine_days,
        }
        return TableOptions(days, options.fsync)
