"""A real Storm Petrel in a process of its own, and free ports."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ClassVar

import httpx
import pytest

CONFIG = """
data_dir = "{data}"
log_level = "info"
[server]
port = {port}
[sources.host]
enabled = false
[sources.logs]
journald = false
files = []
[sources.smart]
enabled = false
[sources]
own_metrics = false
"""


# Requests without the certificates of the world, which none of them needs: loading those takes longer than
# all that a request does, ten times a second where something is waited for.
http_get = partial(httpx.get, verify=False)
http_post = partial(httpx.post, verify=False)


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


@dataclass
class Petrel:
    """One `petrel up`; it may be killed and started again on the same data directory."""

    directory: Path
    config: str = CONFIG
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None
    begun: ClassVar[list[Petrel]] = []  # in the test under way: none outlives it, also where it is skipped

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def output(self) -> str:
        return (self.directory / "output.log").read_text(errors="replace")

    def start(self, ready: bool = True) -> Petrel:
        path = self.directory / "stormpetrel.toml"
        path.write_text(self.config.format(data=self.directory / "data", port=self.port))
        with (self.directory / "output.log").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "stormpetrel.cli.main", "up", "--config", str(path)],
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=self.directory,
            )
        Petrel.begun.append(self)
        if ready:
            wait_until(self.is_ready, 120, lambda: self.output[-3000:])
        return self

    def is_ready(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output[-3000:]
        try:
            return http_get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def kill(self) -> None:
        """kill -9, by its own pid."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    @property
    def token(self) -> str:
        return (self.directory / "data" / "ingest.token").read_text().strip()

    @property
    def read_token(self) -> str:
        return (self.directory / "data" / "read.token").read_text().strip()

    @property
    def auth(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    @property
    def setup_url(self) -> str:
        links = re.findall(r"http://\S+/set-up\?secret=\S+", self.output)
        assert links, self.output[-3000:]
        return str(links[-1])

    def get(self, path: str, **query: object) -> httpx.Response:
        return http_get(
            f"{self.url}{path}",
            params={k: str(v) for k, v in query.items()},
            headers={"Authorization": f"Bearer {self.read_token}"},
            timeout=30,
        )


def wait_until(
    condition: Callable[[], bool], seconds: float, explain: Callable[[], str] = lambda: ""
) -> None:
    """Poll until the condition holds; fail with the explanation when it does not in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            pytest.fail(f"not within {seconds} s\n{explain()}")
        time.sleep(0.1)


@pytest.fixture(autouse=True)
def none_is_left() -> Iterator[None]:
    """Ends what a test started and did not end itself; what a whole module shares began before it."""
    Petrel.begun.clear()
    yield
    while Petrel.begun:
        one = Petrel.begun.pop()
        if one.process is not None and one.process.poll() is None:
            one.kill()


@pytest.fixture
def petrel(tmp_path: Path) -> Petrel:
    """A Storm Petrel that watches nothing by itself; not started."""
    return Petrel(tmp_path)
