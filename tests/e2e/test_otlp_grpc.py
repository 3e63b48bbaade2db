"""OpenTelemetry's own SDK over gRPC: exact counts, and a receiver that goes away in mid-send."""

from __future__ import annotations

import pytest
from tests.e2e.conftest import CONFIG, Petrel, free_port
from tests.e2e.otel_sdk import Sender, check_interrupted, rows

pytestmark = pytest.mark.e2e


@pytest.fixture
def port(petrel: Petrel) -> int:
    found = free_port()
    petrel.config = CONFIG + f"[sources.otlp_grpc]\nport = {found}\n[intake]\nbatch_seconds = 0.02\n"
    return found


def test_the_sdk_exports_over_grpc(petrel: Petrel, port: int) -> None:
    petrel.start()
    rounds = 10
    done = Sender(petrel, "grpc", f"http://127.0.0.1:{port}", rounds, 0.0).acknowledged()
    assert {signal: len(numbers) for signal, numbers in done.items()} == dict.fromkeys(done, rounds)
    counts = rows(petrel)
    assert (counts["logs"], counts["samples"], counts["spans"]) == (20 * rounds, rounds, rounds)
    record = petrel.get("/api/v1/logs", text="order 199 is late").json()["records"][0]
    assert (record["entity"], record["severity_number"]) == ("service:checkout", 13)
    assert petrel.stop() == 0


@pytest.mark.slow
def test_a_restart_and_a_kill_in_mid_send_lose_and_double_nothing(petrel: Petrel, port: int) -> None:
    check_interrupted(petrel, "grpc", f"http://127.0.0.1:{port}")
