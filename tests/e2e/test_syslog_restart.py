"""A receiver that goes away in mid-send: what plain syslog over TCP loses then, and what it does not."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.conftest import Petrel, free_port, wait_until
from tests.e2e.syslog_senders import listening, log_rows, messages, rsyslog, stored

pytestmark = pytest.mark.e2e

COUNT = 12_000
PER_SECOND = 3000
TARGET = 'port="{port}" protocol="tcp" TCP_Framing="octet-counted" template="RSYSLOG_SyslogProtocol23Format"'


def send_slowly(port: int, sent: list[tuple[int, str, bytes]], behind: bytes = b"\n") -> None:
    with socket.create_connection(("127.0.0.1", port), timeout=60) as sender:
        for first in range(0, len(sent), 30):
            sender.sendall(b"".join(message + behind for _, _, message in sent[first : first + 30]))
            time.sleep(30 / PER_SECOND)


def settled(petrel: Petrel) -> int:
    """Rows stored, once no more come."""
    before = -1
    while (rows := log_rows(petrel)) != before:
        before = rows
        time.sleep(2.5)
    return rows


@pytest.mark.parametrize("end", [Petrel.stop, Petrel.kill], ids=["stopped", "killed"])
def test_rsyslog_keeps_what_a_restart_does_not_take(tmp_path: Path, end: Callable[[Petrel], object]) -> None:
    """rsyslog notices the end only by the next write that fails: what it wrote just before may be lost."""
    port, incoming = free_port(), free_port()
    petrel = listening(tmp_path, tcp_port=port).start()
    sent = messages(COUNT)
    with rsyslog(tmp_path, incoming, TARGET.format(port=port)):
        sending = threading.Thread(target=send_slowly, args=(incoming, sent))
        sending.start()
        wait_until(lambda: log_rows(petrel) > COUNT // 4, 30)
        end(petrel)
        time.sleep(0.5)
        petrel.start()
        sending.join(60)
        wait_until(lambda: log_rows(petrel) > COUNT // 2, 60)
        settled(petrel)
    bodies = [row["body"] for row in stored(petrel, tmp_path)]
    numbers = [int(body.split()[1]) for body in bodies]
    assert len(set(numbers)) == len(numbers), "nothing is stored twice"
    assert numbers == sorted(numbers), "the order is that of the sender"
    lost = sorted(set(range(COUNT)) - set(numbers))
    print(f"lost {len(lost)} of {COUNT}")
    # One gap, at the restart, of what was under way.
    gaps = [one for one, before in zip(lost, [-2, *lost], strict=False) if one != before + 1]
    assert len(gaps) <= 1, list(itertools.islice(gaps, 9))
    assert len(lost) <= PER_SECOND
