"""Storm Petrel with a naive remote-write decoder: the baseline of `ingest_http.py`, run as a program.

Everything is as it is in `petrel up`, but a request is read as a straightforward receiver would: the protobuf
library, one look-up by labels for each series, one Python tuple for each sample.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from benchmarks.speed._threads import name_threads

from stormpetrel.app import runtime
from stormpetrel.app.registry import DECODERS, load_all
from stormpetrel.cli.main import main
from stormpetrel.ingest.body import unpack
from stormpetrel.ingest.remote_write_proto import WriteRequest, parse
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import Decoded, PushRequest
from stormpetrel.model.signal import MetricBatch


class NaiveRemoteWrite:
    """Remote write 1.0, the short way."""

    name = "remote_write"
    paths = ("/api/v1/write",)

    def __init__(self, registry: SeriesRegistry, max_unpacked_bytes: int) -> None:
        self._registry = registry
        self._limit = max_unpacked_bytes
        self._ids: dict[tuple[tuple[bytes, bytes], ...], int] = {}

    def decode(self, request: PushRequest) -> Decoded:
        message = parse(WriteRequest, unpack(request.body, request.content_encoding, self._limit))
        rows: list[tuple[int, int, int]] = []
        for entry in message.timeseries:
            key = tuple((label.name, label.value) for label in entry.labels)
            series = self._ids.get(key)
            if series is None:
                labels = {name.decode(): value.decode() for name, value in key}
                series = self._registry.intern(labels.pop("__name__"), labels, request.source)
                self._ids[key] = series
            rows.extend((series, sample.timestamp * 1_000_000, sample.value) for sample in entry.samples)
        if not rows:
            return Decoded(status=204)
        ids, times, bits = zip(*rows, strict=True)
        values = np.array(bits, np.uint64).view(np.float64)
        return Decoded(
            metrics=MetricBatch(np.array(ids, np.uint32), np.array(times, np.int64), values), status=204
        )


def naive(group: str) -> dict[str, Any]:
    found = load_all(group)
    return {**found, "remote_write": NaiveRemoteWrite} if group == DECODERS else found


if __name__ == "__main__":
    name_threads()
    setattr(runtime, "load_all", naive)  # noqa: B010 - mypy knows the name as a function of another module
    main()
