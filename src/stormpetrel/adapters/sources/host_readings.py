"""What a Linux host says of itself: processor, memory, pressure, disks, file systems, interfaces.

Each reader returns `Reading`s and raises `OSError`, `ValueError` or `psutil.Error` when the host does
not tell. Counts are bounded; pseudo and network file systems are left out (a dead file server would
block the reader for ever).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import psutil

from stormpetrel.model.signal import MetricKind

GAUGE, COUNTER = MetricKind.GAUGE, MetricKind.COUNTER
MAX_CPUS, MAX_DISKS, MAX_FILESYSTEMS, MAX_INTERFACES = 256, 64, 64, 64

_REAL_FILESYSTEMS = frozenset(
    {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "jfs", "bcachefs", "vfat", "exfat", "ntfs3"}
    | {"overlay", "tmpfs"}
)
_SYSTEM_MOUNTS = ("/dev", "/proc", "/run", "/sys", "/snap", "/var/lib/docker", "/var/lib/containers")


class Reading(NamedTuple):
    """One number. `part` names the part of the host it is about, as in `filesystem:/var`, or is empty."""

    metric: str
    labels: tuple[tuple[str, str], ...]
    value: float
    kind: MetricKind = GAUGE
    unit: str = ""
    part: str = ""


class CpuReader:
    """Shares of processor time since the reading before; nothing on the first reading."""

    def __init__(self) -> None:
        self._total: tuple[float, ...] = ()
        self._each: list[tuple[float, ...]] = []

    def read(self) -> Iterator[Reading]:
        """Share of time by mode, busy share of the whole and of each processor."""
        total = psutil.cpu_times()
        shares = _shares(self._total, _modes(total))
        self._total = _modes(total)
        for mode, share in zip(total._fields, shares, strict=False):
            yield Reading("host_cpu_mode_ratio", (("mode", mode),), share, GAUGE, "1")
        if shares:
            yield Reading("host_cpu_busy_ratio", (), _busy(total._fields, shares), GAUGE, "1")
        each = psutil.cpu_times(percpu=True)[:MAX_CPUS]
        before, self._each = self._each, [_modes(times) for times in each]
        if len(before) != len(each):
            return
        for number, times in enumerate(each):
            part = _shares(before[number], self._each[number])
            if part:
                busy = _busy(times._fields, part)
                yield Reading("host_cpu_core_busy_ratio", (("cpu", str(number)),), busy, GAUGE, "1")


def _modes(times: tuple[float, ...]) -> tuple[float, ...]:
    """Seconds by mode; guest time is part of user time already and is not counted twice."""
    return tuple(times)[:8]


def _shares(before: tuple[float, ...], now: tuple[float, ...]) -> list[float]:
    if len(before) != len(now):
        return []
    spent = [max(0.0, b - a) for a, b in zip(before, now, strict=True)]
    whole = sum(spent)
    return [part / whole for part in spent] if whole > 0 else []


def _busy(modes: tuple[str, ...], shares: list[float]) -> float:
    idle = sum(share for mode, share in zip(modes, shares, strict=False) if mode in ("idle", "iowait"))
    return min(1.0, max(0.0, 1.0 - idle))


def read_memory() -> Iterator[Reading]:
    """Memory and swap."""
    memory = psutil.virtual_memory()
    yield Reading("host_memory_used_ratio", (), 1 - memory.available / memory.total, GAUGE, "1")
    yield Reading("host_memory_available_bytes", (), memory.available, GAUGE, "By")
    yield Reading("host_memory_total_bytes", (), memory.total, GAUGE, "By")
    swap = psutil.swap_memory()
    if swap.total > 0:
        yield Reading("host_swap_used_ratio", (), swap.used / swap.total, GAUGE, "1")
        yield Reading("host_swap_in_bytes_total", (), swap.sin, COUNTER, "By")
        yield Reading("host_swap_out_bytes_total", (), swap.sout, COUNTER, "By")


def read_system() -> Iterator[Reading]:
    """Load, context switches, interrupts, start of the host, open file descriptors."""
    for name, load in zip(("1m", "5m", "15m"), os.getloadavg(), strict=True):
        yield Reading(f"host_load_{name}", (), load)
    stats = psutil.cpu_stats()
    yield Reading("host_context_switches_total", (), stats.ctx_switches, COUNTER)
    yield Reading("host_interrupts_total", (), stats.interrupts, COUNTER)
    yield Reading("host_boot_time_seconds", (), psutil.boot_time(), GAUGE, "s")
    allocated, _, most = Path("/proc/sys/fs/file-nr").read_text(encoding="ascii").split()
    # Those of this process come and go with its store: no news about the host.
    others = max(0, int(allocated) - sum(1 for _ in Path("/proc/self/fd").iterdir()))
    yield Reading("host_open_file_descriptors", (), float(others))
    yield Reading("host_open_file_descriptors_ratio", (), others / max(1.0, float(most)), GAUGE, "1")


def read_pressure(root: Path = Path("/proc/pressure")) -> Iterator[Reading]:
    """Seconds that some or all tasks waited for a resource (Linux pressure stall information).

    Nothing where the kernel does not keep it.
    """
    for resource in ("cpu", "io", "memory"):
        path = root / resource
        if not path.exists():
            continue
        for line in path.read_text(encoding="ascii").splitlines():
            extent, *fields = line.split()
            waited = dict(field.split("=", 1) for field in fields).get("total")
            if extent in ("some", "full") and waited is not None:
                seconds = int(waited) / 1e6
                metric = f"host_pressure_{extent}_seconds_total"
                yield Reading(metric, (("resource", resource),), seconds, COUNTER, "s")


def read_disks() -> Iterator[Reading]:
    """Bytes, operations and busy time of whole disks; partitions, loop and memory devices are left out."""
    found = psutil.disk_io_counters(perdisk=True) or {}
    whole = [
        d
        for d in sorted(found)
        if Path("/sys/block", d).exists() and not d.startswith(("loop", "ram", "zram"))
    ]
    for device in whole[:MAX_DISKS]:
        io = found[device]
        labels, part = (("device", device),), f"disk:{device}"
        yield Reading("host_disk_read_bytes_total", labels, io.read_bytes, COUNTER, "By", part)
        yield Reading("host_disk_written_bytes_total", labels, io.write_bytes, COUNTER, "By", part)
        yield Reading("host_disk_reads_total", labels, io.read_count, COUNTER, "", part)
        yield Reading("host_disk_writes_total", labels, io.write_count, COUNTER, "", part)
        yield Reading("host_disk_busy_seconds_total", labels, io.busy_time / 1e3, COUNTER, "s", part)


def read_filesystems() -> Iterator[Reading]:
    """How full each real file system is, in bytes and inodes; one mount point a device."""
    for mountpoint in _mountpoints():
        try:
            stat = os.statvfs(mountpoint)
        except OSError:  # unmounted since the list was read, or not ours to see
            continue
        usable = (stat.f_blocks - stat.f_bfree) + stat.f_bavail
        if usable <= 0:
            continue
        used = (stat.f_blocks - stat.f_bfree) * stat.f_frsize
        labels, part = (("mountpoint", mountpoint),), f"filesystem:{mountpoint}"
        yield Reading("host_filesystem_used_ratio", labels, used / (usable * stat.f_frsize), GAUGE, "1", part)
        yield Reading("host_filesystem_used_bytes", labels, used, GAUGE, "By", part)
        yield Reading("host_filesystem_size_bytes", labels, usable * stat.f_frsize, GAUGE, "By", part)
        if stat.f_files > 0:
            inodes = 1 - stat.f_ffree / stat.f_files
            yield Reading("host_filesystem_inodes_used_ratio", labels, inodes, GAUGE, "1", part)


def _mountpoints() -> list[str]:
    """Mount points worth watching: local and real, or a tmpfs that a user mounted."""
    chosen: dict[str, str] = {}
    for mount in psutil.disk_partitions(all=True):
        place = mount.mountpoint
        system = any(place == p or place.startswith(p + "/") for p in _SYSTEM_MOUNTS)
        if mount.fstype not in _REAL_FILESYSTEMS or system:
            continue
        key = mount.device if mount.device.startswith("/dev/") else place
        if key not in chosen or len(place) < len(chosen[key]):
            chosen[key] = place
    return sorted(chosen.values())[:MAX_FILESYSTEMS]


def read_interfaces() -> Iterator[Reading]:
    """Bytes, errors and drops of network interfaces; loopback and container ends are left out."""
    found = psutil.net_io_counters(pernic=True)
    names = [name for name in sorted(found) if name != "lo" and not name.startswith(("veth", "cali", "lxc"))]
    for name in names[:MAX_INTERFACES]:
        io = found[name]
        labels, part = (("interface", name),), f"interface:{name}"
        yield Reading("host_network_received_bytes_total", labels, io.bytes_recv, COUNTER, "By", part)
        yield Reading("host_network_sent_bytes_total", labels, io.bytes_sent, COUNTER, "By", part)
        yield Reading("host_network_receive_errors_total", labels, io.errin, COUNTER, "", part)
        yield Reading("host_network_send_errors_total", labels, io.errout, COUNTER, "", part)
        yield Reading("host_network_receive_drops_total", labels, io.dropin, COUNTER, "", part)
        yield Reading("host_network_send_drops_total", labels, io.dropout, COUNTER, "", part)
