"""A real Alertmanager on loopback whose webhook is a running Storm Petrel."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.e2e.conftest import Petrel, free_port, http_get, http_post, wait_until

PROGRAM = shutil.which("prometheus-alertmanager")

CONFIG = """
route:
  receiver: stormpetrel
  group_by: [alertname]
  group_wait: {wait}
  group_interval: {interval}
  repeat_interval: 1h
receivers:
  - name: stormpetrel
    webhook_configs:
      - url: {url}/hooks/alertmanager
        send_resolved: true
        http_config:
          authorization: {{credentials_file: {token_file}}}
"""


class Alertmanager:
    """Its API, as Prometheus uses it."""

    def __init__(self, port: int, log: Path) -> None:
        self._url = f"http://127.0.0.1:{port}"
        self._log = log

    @property
    def output(self) -> str:
        return self._log.read_text(errors="replace")[-3000:]

    def is_ready(self) -> bool:
        try:
            return http_get(f"{self._url}/-/ready").status_code == 200
        except httpx.TransportError:
            return False

    def post(self, alerts: Sequence[dict[str, Any]]) -> None:
        """Alerts as its clients post them."""
        http_post(f"{self._url}/api/v2/alerts", json=list(alerts), timeout=30).raise_for_status()


@contextmanager
def alertmanager(
    petrel: Petrel, directory: Path, wait: str = "1s", interval: str = "1s"
) -> Iterator[Alertmanager]:
    """One that tells a Storm Petrel of groups of alerts of one name: after `wait`, then every `interval`."""
    assert PROGRAM is not None
    port, log = free_port(), directory / "alertmanager.log"
    config = directory / "alertmanager.yml"
    token_file = petrel.directory / "data" / "ingest.token"
    config.write_text(CONFIG.format(url=petrel.url, token_file=token_file, wait=wait, interval=interval))
    with log.open("wb") as output:
        process = subprocess.Popen(
            [PROGRAM, f"--config.file={config}", f"--storage.path={directory / 'alertmanager'}",
             f"--web.listen-address=127.0.0.1:{port}", "--cluster.listen-address="],
            stdout=output, stderr=output,
        )  # fmt: skip
    running = Alertmanager(port, log)
    try:
        wait_until(running.is_ready, 20, lambda: running.output)
        yield running
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(20)
