"""Receivers go away in mid-send: real senders that send again lose nothing, and nothing is stored twice.

Others that send again: Alertmanager (`test_alertmanager`), the SDK over gRPC (`test_otlp_grpc`), what curl
plays (`test_pushed`), rsyslog (`test_syslog_restart`). `logger`, StatsD and NetFlow never do.
"""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from tests.e2e.conftest import Petrel, free_port, wait_until
from tests.e2e.otel_sdk import check_interrupted, rows
from tests.e2e.prometheus_sender import check_stored, prometheus
from tests.e2e.syslog_senders import listening, log_rows, messages, stored, syslog_ng
from tests.e2e.test_syslog_restart import send_slowly, settled

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(400)]

COUNT, PER_SECOND = 9000, 3000
TO_DISK = (
    'syslog("127.0.0.1" port({port}) transport("tcp") disk-buffer(reliable(yes) disk-buf-size(10485760)'
    ' mem-buf-size(1048576) dir("{folder}")))'
)


def test_prometheus_sends_again_what_a_stop_and_a_kill_did_not_take(petrel: Petrel, tmp_path: Path) -> None:
    petrel.start()
    with prometheus(petrel, tmp_path) as sender:
        wait_until(lambda: rows(petrel).get("samples", 0) > 1500, 60, lambda: petrel.output[-2000:])
        petrel.kill()
        petrel.start()
        wait_until(lambda: rows(petrel).get("samples", 0) > 4000, 60, lambda: petrel.output[-2000:])
        assert petrel.stop() == 0
        petrel.start()
        wait_until(lambda: rows(petrel).get("samples", 0) > 7000, 60, lambda: petrel.output[-2000:])
        sender.finish_scraping()
    check_stored(petrel, sender, tmp_path)


def test_the_sdk_over_http_sends_again_what_a_stop_and_a_kill_did_not_take(petrel: Petrel) -> None:
    check_interrupted(petrel, "http", petrel.url)


def test_syslog_ng_keeps_on_disk_what_a_stop_does_not_take(tmp_path: Path) -> None:
    """As rsyslog, it knows of the end only by the next write that fails: what it wrote just before may go."""
    port, incoming = free_port(), free_port()
    petrel = listening(tmp_path, tcp_port=port).start()
    sent = messages(COUNT)
    with syslog_ng(tmp_path, incoming, TO_DISK.format(port=port, folder=tmp_path)):
        counted = [(at, text, b"%d %s" % (len(message), message)) for at, text, message in sent]
        sending = threading.Thread(target=send_slowly, args=(incoming, counted, b""))
        sending.start()
        wait_until(lambda: log_rows(petrel) > COUNT // 4, 30)
        assert petrel.stop() == 0
        petrel.start()
        sending.join(60)
        wait_until(lambda: log_rows(petrel) > COUNT // 2, 60)
        settled(petrel)
    numbers = [int(row["body"].split()[1]) for row in stored(petrel, tmp_path)]
    assert len(set(numbers)) == len(numbers), "nothing is stored twice"
    assert numbers == sorted(numbers), "the order is that of the sender"
    print(f"lost {COUNT - len(numbers)} of {COUNT}")
    assert len(numbers) >= COUNT - PER_SECOND
