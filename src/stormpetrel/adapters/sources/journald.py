"""The source of the systemd journal, read through `journalctl`."""

from __future__ import annotations

import json
import os
import selectors
import shutil
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import orjson
import xxhash

from stormpetrel.adapters.sources.file_lines import SYSLOG_SEVERITY
from stormpetrel.errors import OverloadedError
from stormpetrel.model.columns import build_logs
from stormpetrel.model.signal import LogBatch
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.intake import Intake
from stormpetrel.ports.source import Positions

POSITION_KEY = "journald"
MAX_RECORDS = 2000  # in one batch
MAX_RECORD_BYTES = 1 << 20
PENDING_SECONDS = 5.0  # how long the batch of a crashed run is waited for until it counts as gone
FIRST_WAIT_SECONDS, LONGEST_WAIT_SECONDS = 0.5, 30.0
_JOURNALS = (Path("/var/log/journal"), Path("/run/log/journal"))
_KEPT_FIELDS = {"SYSLOG_IDENTIFIER": "process", "_PID": "process.pid", "_SYSTEMD_UNIT": "systemd.unit"}
_READ_FIELDS = ("MESSAGE", "PRIORITY", *_KEPT_FIELDS)  # cursor and time come in any case


class JournalSettings(Protocol):
    """What the source wants to know; `app.config.LogSourceConfig` is one."""

    @property
    def max_line_bytes(self) -> int:
        """Longer messages are cut to this many characters."""
        ...


class _Position(NamedTuple):
    """`after`: cursor of the last acknowledged record; `until`, `token`: the batch handed over since."""

    after: str = ""
    until: str = ""
    token: int = 0


class _Refused(NamedTuple):
    """Why a batch was not kept."""

    reason: str
    text: str


class JournaldSource:
    """Follows the journal from the last acknowledged record on; from its present end when never read.

    The range of cursors of a batch is remembered before it is handed over and sent again first, with the
    same token, after a crash. `journalctl` is started again with back-off when it ends. Works where
    `available`; without the program `run` reports `absent` once and waits for the stop.

    Args:
        config: limits.
        positions: remembers the cursor under `journald`.
        clock: the time at which records are seen.
        entity_name: the host's name, as in `host:NAME`.
        program: `journalctl`, or what stands in for it.
    """

    name = "journald"

    def __init__(
        self,
        config: JournalSettings,
        positions: Positions,
        clock: Clock,
        entity_name: str,
        program: str = "journalctl",
    ) -> None:
        self._longest = config.max_line_bytes
        self._positions = positions
        self._clock = clock
        self._entity = f"host:{entity_name}"
        self._program = program
        self._position = _read_position(positions.get(POSITION_KEY))
        self._waiting: list[dict[str, Any]] = []
        self._began = 0.0

    @staticmethod
    def available(program: str = "journalctl") -> bool:
        """Whether this host has `journalctl` and a journal with anything in it."""
        return shutil.which(program) is not None and any(
            next(place.glob("*/*.journal"), None) is not None for place in _JOURNALS
        )

    def run(self, intake: Intake, stop: threading.Event) -> None:
        """Follow until `stop` is set."""
        if shutil.which(self._program) is None:
            intake.rejected(self.name, "absent", 0, f"{self._program}: no such program")
            stop.wait()
            return
        wait = FIRST_WAIT_SECONDS
        while not stop.is_set():
            began = time.monotonic()
            reason = self._follow(intake, stop)
            if stop.is_set():
                return
            intake.rejected(self.name, "journal_ended", 0, reason[:200])
            wait = (
                FIRST_WAIT_SECONDS if time.monotonic() - began > 60 else min(2 * wait, LONGEST_WAIT_SECONDS)
            )
            stop.wait(wait)

    def _command(self) -> list[str]:
        # Without --all a field of more than 4096 bytes comes as null: the message would be lost. What is not
        # read is not asked for, lest a field of its own make a record too large.
        command = [self._program, "--output=json", "--all", f"--output-fields={','.join(_READ_FIELDS)}"]
        command += ["--follow", "--no-pager", "--quiet"]
        if self._position.after:
            return [*command, "--lines=all", f"--after-cursor={self._position.after}"]
        return [*command, "--lines=0"]

    def _follow(self, intake: Intake, stop: threading.Event) -> str:
        """Read one run of the program to its end or the stop; why it ended."""
        with subprocess.Popen(
            self._command(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL
        ) as process:
            try:
                return self._read(process, intake, stop)
            finally:
                process.terminate()
                try:
                    process.wait(1)
                except subprocess.TimeoutExpired:
                    process.kill()

    def _read(self, process: subprocess.Popen[bytes], intake: Intake, stop: threading.Event) -> str:
        if process.stdout is None or process.stderr is None:  # both are pipes: never
            return "no pipe"
        output, errors = process.stdout.fileno(), process.stderr.fileno()
        os.set_blocking(errors, False)
        held = b""
        self._waiting = []
        self._began = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while not stop.is_set():
                if selector.select(0.2):
                    part = os.read(output, 1 << 20)
                    if not part:
                        break
                    *lines, held = (held + part).split(b"\n")
                    if len(held) > MAX_RECORD_BYTES:  # its rest will not parse and is refused too
                        intake.rejected(self.name, "too_large", 1)
                        held = b""
                    self._waiting += [r for r in (self._record(line, intake) for line in lines) if r]
                self._drain(intake, stop)
        said = process.stderr.read() or b""
        return said.decode("utf-8", "replace").strip() or "journalctl ended"

    def _drain(self, intake: Intake, stop: threading.Event) -> None:
        """Hand over what waits, batch by batch, each acknowledged before the next."""
        while self._waiting and not stop.is_set():
            size = self._batch_size()
            if size == 0 or not self._store(self._waiting[:size], intake, stop):
                return
            del self._waiting[:size]

    def _record(self, line: bytes, intake: Intake) -> dict[str, Any] | None:
        if not line.strip():
            return None
        try:
            record = orjson.loads(line)
            if isinstance(record, dict) and isinstance(record.get("__CURSOR"), str):
                return record
        except orjson.JSONDecodeError:
            pass
        intake.rejected(self.name, "malformed", 1, line[:200].decode("utf-8", "replace"))
        return None

    def _batch_size(self) -> int:
        """How many records go next; the batch of a crashed run is first made up exactly as it was."""
        limit = min(len(self._waiting), MAX_RECORDS)
        if not self._position.until:
            return limit
        for number, record in enumerate(self._waiting[:MAX_RECORDS], 1):
            if record["__CURSOR"] == self._position.until:
                return number
        # Not there yet, or no longer in the journal.
        overdue = time.monotonic() > self._began + PENDING_SECONDS or limit == MAX_RECORDS
        return limit if overdue else 0

    def _store(self, records: list[dict[str, Any]], intake: Intake, stop: threading.Event) -> bool:
        until = str(records[-1]["__CURSOR"])
        token = self._position.token
        if until != self._position.until or not token:
            cursors = "\n".join(str(record["__CURSOR"]) for record in records)
            token = xxhash.xxh64_intdigest(cursors.encode()) or 1
        self._save(_Position(self._position.after, until, token))
        batch = self._batch(records, token)
        wait = FIRST_WAIT_SECONDS
        while not stop.is_set():
            refused = self._try(batch, intake, stop)
            if refused is None and not stop.is_set():
                self._save(_Position(until))
                return True
            if refused is not None:
                intake.rejected(self.name, refused.reason, 0, refused.text)
                stop.wait(wait)
                wait = min(2 * wait, LONGEST_WAIT_SECONDS)
        return False

    def _try(self, batch: LogBatch, intake: Intake, stop: threading.Event) -> _Refused | None:
        try:
            future = intake.logs(batch, self.name)
        except OverloadedError as error:
            return _Refused(error.reason, str(error)[:200])
        while not future.done() and not stop.is_set():
            time.sleep(0.005)
        failure = future.exception() if future.done() else None
        return None if failure is None else _Refused(getattr(failure, "reason", "error"), str(failure)[:200])

    def _save(self, position: _Position) -> None:
        self._position = position
        self._positions.put(POSITION_KEY, json.dumps(position._asdict()))

    def _batch(self, records: list[dict[str, Any]], token: int) -> LogBatch:
        now = self._clock.now_unix_nano()
        return build_logs(
            [_time(record, now) for record in records],
            [_text(record.get("MESSAGE"))[: self._longest] for record in records],
            source=self.name,
            observed_unix_nano=now,
            entity=self._entity,
            severity_number=[_severity(record) for record in records],
            attributes=[_attributes(record) for record in records],
            request_token=token,
        )


def _read_position(text: str | None) -> _Position:
    try:
        told = json.loads(text or "{}")
        return _Position(str(told.get("after", "")), str(told.get("until", "")), int(told.get("token", 0)))
    except (ValueError, TypeError, AttributeError):
        return _Position()


def _time(record: Mapping[str, Any], now: int) -> int:
    try:
        return min(int(record["__REALTIME_TIMESTAMP"]) * 1000, now)
    except (KeyError, ValueError, TypeError):
        return now


def _text(value: Any) -> str:
    """A field: text, or a list of byte values where it is not UTF-8."""
    if isinstance(value, list):
        try:
            return bytes(value).decode("utf-8", "replace")
        except (ValueError, TypeError):
            return str(value)
    return "" if value is None else str(value)


def _severity(record: Mapping[str, Any]) -> int:
    priority = str(record.get("PRIORITY", ""))
    return SYSLOG_SEVERITY[int(priority)] if priority in set("01234567") else 0


def _attributes(record: Mapping[str, Any]) -> str:
    return json.dumps({to: _text(record[of])[:256] for of, to in _KEPT_FIELDS.items() if record.get(of)})
