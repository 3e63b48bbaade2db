"""The source of this host's disk health, read through `smartctl`."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import orjson

from stormpetrel.errors import DecodeError, OverloadedError, StoreError
from stormpetrel.model.push import Decoded
from stormpetrel.model.signal import STALE_MARKER_BITS, MetricBatch
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake

COMMAND_SECONDS = 60.0  # a sleeping or dying disk answers late
MAX_OUTPUT_BYTES = 4 << 20
MAX_DEVICES = 256
TRIES = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds between tries to hand a reading over
STORED_SECONDS = 60.0
STALE = np.array([STALE_MARKER_BITS], np.int64).view(np.float64)[0]

_DEVICES, _DEVICE_PATTERNS = Path("/dev"), ("sd[a-z]*", "nvme[0-9]*", "hd[a-z]*", "sg[0-9]*", "bus/[0-9]*")
_OPEN_FAILED = 0b11  # bits of the exit status: nothing could be read, smartctl(8)
_LOOK_SECONDS = 0.05


class Parse(Protocol):
    """Turns one document into samples; `SmartctlParser.parse` is one."""

    def __call__(self, text: bytes, time_unix_nano: int, source: str, host: str, /) -> Decoded:
        """The samples; DecodeError when the text is no document of smartctl."""
        ...


class SmartSettings(Protocol):
    """What the source wants to know; `app.config_sources.SmartConfig` is one."""

    @property
    def interval_seconds(self) -> float:
        """Time between readings."""
        ...

    @property
    def command(self) -> str:
        """Name or path of smartctl."""
        ...


class _Device(NamedTuple):
    """What `smartctl --scan-open` found."""

    name: str
    kind: str


class _CommandError(Exception):
    """A run of smartctl that brought nothing; the text says why."""


class SmartSource:
    """Reads every disk that `smartctl --scan-open` finds, at once and then at each interval.

    A disk that sleeps is left asleep, and tells nothing then. A disk that is gone ends its series by
    staleness markers. What keeps it from reading (no such program, no disk, no permission) is reported
    once, until it changes: reading disks takes root or CAP_SYS_RAWIO (CAP_SYS_ADMIN for NVMe). A reading
    that cannot be stored is tried again for about a minute.

    Args:
        config: interval and program.
        parse: see `Parse`.
        clock: dates the readings, all of one round alike.
        host: the host's name, as in `host:NAME`.
    """

    name = "smart"

    def __init__(self, config: SmartSettings, parse: Parse, clock: Clock, host: str) -> None:
        self._config = config
        self._parse = parse
        self._clock = clock
        self._host = host
        self._told: dict[str, str] = {}
        self._alive: dict[_Device, set[int]] = {}

    @staticmethod
    def available(program: str) -> bool:
        """Whether this host has such a program, and a device that it might read; few virtual ones do."""
        return shutil.which(program) is not None and any(
            next(_DEVICES.glob(pattern), None) is not None for pattern in _DEVICE_PATTERNS
        )

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Read until `stop` is set; a run of smartctl under way is then ended."""
        while not stop.is_set():
            began = time.monotonic()
            batch = self._round(intake, stop)
            if len(batch):
                self._hand_over(batch, intake, stop)
            stop.wait(max(0.0, self._config.interval_seconds - (time.monotonic() - began)))

    def _round(self, intake: Intake, stop: threading.Event) -> MetricBatch:
        """The samples of all disks, as far as they could be read before the stop."""
        if shutil.which(self._config.command) is None:
            self._tell(
                intake, "absent", "", f"{self._config.command}: no such program; install smartmontools"
            )
            return MetricBatch.empty()
        try:
            devices = self._devices(intake, stop)
        except _CommandError as error:
            if not stop.is_set():
                self._tell(intake, "unreadable", "", str(error))
            return MetricBatch.empty()
        now = self._clock.now_unix_nano()
        batches = [self._read(device, now, intake, stop) for device in devices]
        gone = [series for device in set(self._alive) - set(devices) for series in self._alive.pop(device)]
        ended = np.array(sorted(gone), np.uint32)
        batches.append(MetricBatch(ended, np.full(len(ended), now, np.int64), np.full(len(ended), STALE)))
        return MetricBatch.concat(batches)

    def _devices(self, intake: Intake, stop: threading.Event) -> list[_Device]:
        listed = _json(self._run(["--scan-open", "--json"], stop)).get("devices")
        devices, closed = [], 0
        for one in listed[:MAX_DEVICES] if isinstance(listed, list) else ():
            device = _device(one)
            if device is not None and one.get("open_error"):
                closed += 1
                message = f"{device.name}: {one['open_error']}; run as root"
                self._tell(intake, "not_opened", device.name, message)
            elif device is not None:
                devices.append(device)
        if devices:
            self._told.pop("", None)
        elif not closed:
            self._tell(intake, "no_disks", "", f"{self._config.command} --scan-open finds no disk here")
        return devices

    def _read(self, device: _Device, now: int, intake: Intake, stop: threading.Event) -> MetricBatch:
        kind = ["-d", device.kind] if device.kind else []
        try:
            text = self._run(["--json", "-a", "-n", "standby", *kind, device.name], stop)
            if _asleep(_json(text)):
                return MetricBatch.empty()
            decoded = self._parse(text, now, self.name, self._host)
        except (_CommandError, DecodeError) as error:
            if not stop.is_set():
                self._tell(intake, "unreadable", device.name, f"{device.name}: {error}")
            return MetricBatch.empty()
        for refused in decoded.rejected:
            self._tell(intake, refused.reason, device.name, refused.example)
        if decoded.metrics is None:
            return MetricBatch.empty()
        self._told.pop(device.name, None)
        self._alive[device] = {int(series) for series in np.unique(decoded.metrics.series)}
        return decoded.metrics

    def _tell(self, intake: Intake, reason: str, about: str, text: str) -> None:
        """Report a trouble once, until it is another one."""
        if self._told.get(about) != text:
            self._told[about] = text
            intake.rejected(self.name, reason, 0, text[:200])

    def _run(self, arguments: list[str], stop: threading.Event) -> bytes:
        """The output of one run, whatever its exit status: its bits say of the disk, not of the run."""
        deadline = time.monotonic() + COMMAND_SECONDS
        with tempfile.TemporaryFile() as output:
            try:
                process = subprocess.Popen(
                    [self._config.command, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.DEVNULL,
                )
            except OSError as error:
                raise _CommandError(f"{self._config.command}: {error.strerror}") from None
            with process:
                while process.poll() is None:
                    too_much = os.fstat(output.fileno()).st_size > MAX_OUTPUT_BYTES
                    if stop.wait(_LOOK_SECONDS) or too_much or time.monotonic() > deadline:
                        process.kill()
                        raise _CommandError(
                            f"{' '.join(arguments)} was stopped: too slow, or too much output"
                        )
            output.seek(0)
            return output.read(MAX_OUTPUT_BYTES)

    def _hand_over(self, batch: MetricBatch, intake: Intake, stop: threading.Event) -> None:
        for wait in (*TRIES, 0.0):
            try:
                if self._stored(intake.metrics(batch, self.name), stop):
                    return
                reason, text = "timeout", f"not stored within {STORED_SECONDS:g} s"
            except (OverloadedError, StoreError) as error:
                reason, text = error.reason, str(error)[:200]
            if stop.is_set():
                return
            intake.rejected(self.name, reason, 0 if wait else len(batch), text)
            stop.wait(wait)

    @staticmethod
    def _stored(future: Future[None], stop: threading.Event) -> bool:
        """Whether it was stored; false when nobody answers in time, or the source is stopped."""
        deadline = time.monotonic() + STORED_SECONDS
        while time.monotonic() < deadline and not stop.is_set():
            try:
                future.result(_LOOK_SECONDS)
            except TimeoutError:
                continue
            return True
        return False


def _device(listed: Any) -> _Device | None:
    """A device of the list; what does not look like one could be taken for an option, and is none."""
    if not isinstance(listed, dict):
        return None
    name, kind = str(listed.get("name", "")), str(listed.get("type", ""))
    return _Device(name, kind) if name.startswith("/") and not kind.startswith("-") else None


def _json(text: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise _CommandError("its output is not JSON; smartctl 7.0 or newer is needed") from None
    if not isinstance(document, dict):
        raise _CommandError("its output is no JSON object; smartctl 7.0 or newer is needed")
    return document


def _asleep(document: dict[str, Any]) -> bool:
    """A disk in standby was not opened, and smartctl has nothing to complain of."""
    told = document.get("smartctl")
    if not isinstance(told, dict) or not isinstance(told.get("exit_status"), int):
        return False
    return told["exit_status"] & _OPEN_FAILED == 0b10 and not told.get("messages")
