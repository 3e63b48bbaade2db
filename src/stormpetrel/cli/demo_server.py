"""A Storm Petrel of its own for the demonstration: a process with a directory of its own."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import httpx
import orjson

from stormpetrel.errors import ConfigError, StormPetrelError

START_SECONDS = 90.0
_STOP_SECONDS = 15.0

_CONFIG = """\
# Written by `petrel demo`: takes half a day of history at once and watches nothing but the simulation.
log_level = "info"

[intake]
late_seconds = 172800.0
batch_seconds = 0.02

[sources]
own_metrics = false

[sources.host]
enabled = false

[sources.logs]
journald = false
files = []

[sources.smart]
enabled = false
"""


@dataclass(frozen=True, slots=True)
class Address:
    """Where the demonstration can be seen, and with what it is fed."""

    url: str
    setup_url: str | None
    token: str
    read_token: str


class DemoServer:
    """Runs `petrel up` in a process of its own and stops it by its own process id.

    Args:
        directory: existing directory for configuration, data and log; the caller removes it.
        port: 0 picks a free one.
    """

    def __init__(self, directory: Path, port: int) -> None:
        self._directory = directory
        self._port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None
        self.log_file = directory / "server.log"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, stop: threading.Event) -> Address | None:
        """Start and wait until it answers; None when `stop` was set meanwhile.

        Raises:
            ConfigError: it refused its configuration or the port is taken.
            StormPetrelError: it ended or did not answer in time; the end of its log is in the message.
        """
        config = self._directory / "petrel.toml"
        config.write_text(_CONFIG, encoding="utf-8")
        self._log = self.log_file.open("ab")
        command = [
            sys.executable,
            "-m",
            "stormpetrel.cli.main",
            "up",
            "--supervised",
            "--config",
            str(config),
        ]
        command += ["--data-dir", str(self._directory / "data"), "--port", str(self._port)]
        # A session of its own: Ctrl-C reaches only us, and we stop it after the last push.
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._log, start_new_session=True
        )
        told = self._announcement(self._process, stop)
        if told is None:
            return None
        file = Path(told["ingest_token_file"])
        send, read = (
            path.read_text(encoding="ascii").strip() for path in (file, file.with_name("read.token"))
        )
        self._await_ready(told["url"], stop)
        return Address(told["url"], told["setup_url"], send, read)

    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process is not None and self._process.poll() is None

    def failure(self) -> StormPetrelError:
        """Why it ended, from the end of its log."""
        code = self._process.poll() if self._process else None
        lines = self.log_file.read_text(encoding="utf-8", errors="replace").splitlines()
        said = "\n".join(line.removeprefix("petrel: ") for line in lines[-3:]) or "its log is empty"
        return (ConfigError if code == 2 else StormPetrelError)(said)

    def stop(self) -> None:
        """Stop the process: it stores what it acknowledged, then ends."""
        if self._process is not None:
            if self._process.poll() is None:
                self._process.terminate()
            try:
                self._process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            if self._process.stdout is not None:
                self._process.stdout.close()
        if self._log is not None:
            self._log.close()

    def _announcement(self, process: subprocess.Popen[bytes], stop: threading.Event) -> dict[str, str] | None:
        """Its first line; read in a thread, because a pipe cannot be waited for with a time limit."""
        lines: list[bytes] = []
        assert process.stdout is not None  # noqa: S101 - opened as a pipe above
        reader = threading.Thread(target=lambda pipe: lines.append(pipe.readline()), args=(process.stdout,))
        reader.daemon = True
        reader.start()
        for _ in range(round(START_SECONDS / 0.1)):
            reader.join(0.1)
            if stop.is_set():
                return None
            if not reader.is_alive():
                break
        if not lines or not lines[0].strip():
            if process.poll() is None and not lines:
                raise StormPetrelError(
                    f"the server did not start within {START_SECONDS:.0f} s; see {self.log_file}"
                )
            process.wait(_STOP_SECONDS)
            raise self.failure()
        told: dict[str, str] = orjson.loads(lines[0])
        return told

    def _await_ready(self, url: str, stop: threading.Event) -> None:
        with httpx.Client(timeout=5.0, trust_env=False) as client:
            for _ in range(round(START_SECONDS / 0.2)):
                try:
                    if client.get(f"{url}/readyz").status_code == 200:
                        return
                except httpx.TransportError:
                    if not self.alive():
                        raise self.failure() from None
                if stop.wait(0.2):
                    return
        raise StormPetrelError(f"the server at {url} did not become ready; see {self.log_file}")
