"""Real senders of syslog, each in a process of its own, and what Storm Petrel stored of theirs."""

from __future__ import annotations

import os
import platform
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.conftest import CONFIG, Petrel, wait_until
from tests.e2e.sent import exported

SECOND = 1_000_000_000
_SBIN = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin"))
_UNPACKED = "STORMPETREL_TEST_RSYSLOG"  # where the package rsyslog was unpacked, if it is not installed

SYSLOG_NG = """@version: 3.38
options {{ keep-hostname(yes); use-dns(no); stats-freq(0); ts-format(iso); frac-digits(6); time-reopen(1); }};
source incoming {{ syslog(ip("127.0.0.1") port({incoming}) transport("tcp") keep-timestamp(yes)); }};
destination petrel {{ {destination}; }};
log {{ source(incoming); destination(petrel); flags(flow-control); }};
"""

RSYSLOG = """
global(workDirectory="{folder}" net.enableDNS="off")
module(load="imptcp")
input(type="imptcp" address="127.0.0.1" port="{incoming}")
action(type="omfwd" target="127.0.0.1" {destination}
       queue.type="LinkedList" queue.size="200000" action.resumeRetryCount="-1" action.resumeInterval="1")
"""


@dataclass(frozen=True)
class Program:
    """A program, where it was found, and what it needs in its environment."""

    path: str
    modules: str = ""
    libraries: str = ""


def program(name: str) -> Program:
    """A program of PATH, or rsyslogd as it was unpacked; skips the test where there is none."""
    found = shutil.which(name, path=_SBIN)
    if found is not None:
        return Program(found)
    unpacked = Path(os.environ.get(_UNPACKED, "/nonexistent"))
    if name == "rsyslogd" and (unpacked / "usr/sbin/rsyslogd").exists():
        libraries = unpacked / f"usr/lib/{platform.machine()}-linux-gnu"
        return Program(str(unpacked / "usr/sbin/rsyslogd"), str(libraries / "rsyslog"), str(libraries))
    pytest.skip(f"{name} is not installed, and {_UNPACKED} names no unpacked package of it")


def listening(directory: Path, **ports: int | str) -> Petrel:
    """A Storm Petrel that listens for syslog; not started."""
    lines = [
        f'{name} = "{value}"' if isinstance(value, str) else f"{name} = {value}"
        for name, value in ports.items()
    ]
    return Petrel(directory, CONFIG + "[sources.syslog]\n" + "\n".join(lines) + "\n")


def log_rows(petrel: Petrel) -> int:
    rows = {name: rows for name, rows, _ in petrel.get("/api/v1/about").json()["tables"]}
    return int(rows.get("logs", 0))


def stored(petrel: Petrel, folder: Path) -> list[dict[str, Any]]:
    """All log records in order of arrival; stops Storm Petrel."""
    assert petrel.stop() == 0
    found = exported(petrel, "logs", folder / "logs.parquet")
    return sorted(found, key=lambda row: int(row["observed_unix_nano"]))


def logger(port: int, lines: Sequence[str], *options: str) -> None:
    """Each line by util-linux' logger."""
    path = shutil.which("logger")
    if path is None:
        pytest.skip("logger of util-linux is not installed")
    subprocess.run(
        [path, "-n", "127.0.0.1", "-P", str(port), *options, "-p", "local3.warning", "-t", "shop", "--id=77"],
        input="".join(f"{line}\n" for line in lines).encode(),
        env={"TZ": "UTC", "PATH": _SBIN},
        check=True,
        timeout=60,
    )


@contextmanager
def running(command: Sequence[str], output: Path, libraries: str = "") -> Iterator[subprocess.Popen[bytes]]:
    """A program until the end of the block, stopped by its own pid."""
    environment = {"PATH": _SBIN, "TZ": "UTC", **({"LD_LIBRARY_PATH": libraries} if libraries else {})}
    with output.open("ab") as log:
        started = subprocess.Popen(list(command), stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        yield started
    finally:
        started.terminate()
        try:
            started.wait(15)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait(15)


@contextmanager
def syslog_ng(folder: Path, incoming: int, destination: str) -> Iterator[None]:
    """syslog-ng, hearing RFC 5424 in octet counting on the port `incoming`."""
    found = program("syslog-ng")
    config = folder / "syslog-ng.conf"
    config.write_text(SYSLOG_NG.format(incoming=incoming, destination=destination))
    state = [f"--persist-file={folder}/persist", f"--pidfile={folder}/ng.pid", f"--control={folder}/ng.ctl"]
    with running([found.path, "-F", "--no-caps", "-f", str(config), *state], folder / "syslog-ng.log"):
        wait_for_port(incoming, folder / "syslog-ng.log")
        yield


@contextmanager
def rsyslog(folder: Path, incoming: int, destination: str) -> Iterator[None]:
    """rsyslog, hearing lines on the port `incoming`."""
    found = program("rsyslogd")
    config = folder / "rsyslog.conf"
    config.write_text(RSYSLOG.format(folder=folder, incoming=incoming, destination=destination))
    command = [found.path, "-n", "-i", str(folder / "rsyslogd.pid"), "-f", str(config)]
    command += ["-M", found.modules] if found.modules else []
    with running(command, folder / "rsyslogd.log", found.libraries):
        wait_for_port(incoming, folder / "rsyslogd.log")
        yield


def wait_for_port(port: int, output: Path) -> None:
    def open_now() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    wait_until(open_now, 20, lambda: output.read_text(errors="replace")[-2000:])


def messages(count: int) -> list[tuple[int, str, bytes]]:
    """(time, text, RFC 5424 message) a millisecond apart, up to now."""
    start = time.time_ns() // 1000 * 1000 - count * 1_000_000
    made = []
    for n in range(count):
        at = start + n * 1_000_000
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at // SECOND)) + f".{at % SECOND // 1000:06d}Z"
        text = f"order {n} took {n % 97} ms"
        made.append((at, text, f'<156>1 {stamp} web-1 shop 77 ID7 [order@1 n="{n}"] {text}'.encode()))
    return made
