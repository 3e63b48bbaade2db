"""StatsD as a shell sends it: what is stored of it."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

import pytest
from tests.e2e.conftest import CONFIG, Petrel, free_port, wait_until
from tests.e2e.sent import exported

pytestmark = pytest.mark.e2e


def test_a_shell_counts_over_udp_and_tcp(tmp_path: Path) -> None:
    udp, tcp = free_port(), free_port()
    section = f"[sources.statsd]\nudp_port = {udp}\ntcp_port = {tcp}\nflush_seconds = 1\n"
    petrel = Petrel(tmp_path, CONFIG + section).start()
    script = (
        f"for n in $(seq 200); do printf 'page.views:1|c|#env:prod' >/dev/udp/127.0.0.1/{udp}; done\n"
        f"for n in $(seq 20); do printf 'page.views:10|c|#env:prod\\nqueue:%d|g\\n' $n "
        f">/dev/tcp/127.0.0.1/{tcp}; done"
    )
    subprocess.run(["bash", "-c", script], check=True, timeout=60)

    def seen() -> bool:
        return len(petrel.get("/api/v1/series", text="queue").json()["series"]) == 1

    wait_until(seen, 20, lambda: petrel.output)
    time.sleep(1.2)
    assert petrel.stop() == 0
    rows = exported(petrel, "samples", tmp_path / "samples.parquet")
    views = [row for row in rows if row["metric"] == "page.views"]
    assert sum(row["value"] for row in views) == 200 + 20 * 10
    assert {row["labels"] for row in views} == {'{"env":"prod"}'}
    assert {row["time_unix_nano"] % 1_000_000_000 for row in views[:-1]} <= {0}
    assert [row["value"] for row in rows if row["metric"] == "queue"][-1] == 20.0
