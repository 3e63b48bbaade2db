"""What fuzzing kept: every input gives signals or a DecodeError, again and again."""

from __future__ import annotations

import dataclasses
import importlib.metadata
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.ingest.decoders.test_contract import ENTRY_POINTS, requests_of

from stormpetrel.errors import DecodeError
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import PushRequest
from stormpetrel.testing.check_decoder import rows_of

KEPT = Path(__file__).parents[2] / "fuzz"


@pytest.mark.parametrize("name", ENTRY_POINTS)
def test_what_fuzzing_kept_is_survived(
    name: str, build: dict[str, Callable[[], Any]], push: Callable[..., PushRequest]
) -> None:
    (entry,) = importlib.metadata.entry_points(group="stormpetrel.decoders", name=name)
    decoder = entry.load()(SeriesRegistry(), 4 << 20)
    requests = requests_of(name, build, push)
    inputs = [path.read_bytes() for path in sorted((KEPT / name).glob("*"))]
    assert inputs, f"nothing kept for {name}: run scripts/fuzz.py {name}"
    for content in inputs:
        if content:
            request = dataclasses.replace(requests[content[0] % len(requests)], body=content[1:])
            with suppress(DecodeError):  # a refusal is an answer
                decoder.decode(request)
    # It still works afterwards: nothing of what it survived stays behind.
    assert rows_of(decoder.decode(requests[0])) > 0
