"""One real HAProxy on unix sockets; what is sent to it is counted on the way."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.actuate.acts import program, wait_for
from tests.actuate.tap import Tap

HAPROXY = program("haproxy", "haproxy")
DEFAULTS = """defaults
  mode http
  timeout connect 1s
  timeout client 5s
  timeout server 5s
"""


class HaproxyProcess:
    """Runs until it is closed. Its socket is `stats.sock`, the counted way to it `tap.sock`.

    Args:
        configuration: with `{0}` for the folder and `{1}` for what every one has.
        counted: beginnings of lines that are counted.
    """

    def __init__(self, folder: Path, configuration: str, *counted: bytes) -> None:
        self.folder = folder
        (folder / "haproxy.cfg").write_text(configuration.format(folder, DEFAULTS))
        self.process = subprocess.Popen(
            [HAPROXY, "-db", "-f", str(folder / "haproxy.cfg")], stderr=subprocess.DEVNULL
        )
        wait_for((folder / "stats.sock").exists, "HAProxy does not start")
        self.tap = Tap(folder / "stats.sock", folder / "tap.sock", *counted)

    def close(self) -> None:
        """By its own process id."""
        self.tap.close()
        self.process.kill()
        self.process.wait()
