"""Compiling ahead: every receiving path with kernels has an example, and a stop is heard."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from stormpetrel.app.ahead import EXAMPLES, CompileAhead, Example, MakeDecoder, decode_example
from stormpetrel.app.registry import DECODERS, load_all
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.ports.decode import Decoder

COMPILED = {"remote_write", "loki", "otlp_logs", "otlp_metrics", "otlp_traces", "influx"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda one: f"{one.protocol}-{one.content_type[12:30]}")
def test_each_example_is_taken_whole(example: Example) -> None:
    rows = decode_example(example, load_all(DECODERS)[example.protocol])
    assert rows == (3 if example.protocol == "influx" else 1)


def test_every_protocol_that_has_kernels_has_an_example() -> None:
    assert {example.protocol for example in EXAMPLES} == COMPILED
    assert set(load_all(DECODERS)) > COMPILED


def test_a_fault_in_one_stops_no_other_and_a_stop_ends_it() -> None:
    asked: list[str] = []

    def broken(protocol: str, then: Callable[[], None]) -> MakeDecoder:
        def make(_registry: SeriesRegistry, _limit: int) -> Decoder:
            asked.append(protocol)
            then()
            raise ValueError(protocol)

        return make

    def stop() -> None:  # from within: it has to end after this one
        ahead.ask_to_stop()

    makers = {
        "remote_write": broken("remote_write", lambda: None),
        "loki": broken("loki", stop),
        "influx": broken("influx", lambda: None),
    }
    ahead = CompileAhead(makers, delay_seconds=0)
    ahead.start()
    ahead.join()
    assert asked == ["remote_write", "loki"]
