"""Many senders at once: one id a series, right rows, while the table grows under its readers."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from stormpetrel.ingest.remote_write import RemoteWriteDecoder
from stormpetrel.ingest.remote_write_proto import WriteRequest
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.push import PushRequest

SERIES, THREADS = 3000, 6


def body_of(numbers: range) -> bytes:
    message = WriteRequest()
    for number in numbers:
        entry = message.timeseries.add()
        entry.labels.add(name=b"__name__", value=b"m%d" % number)
        entry.samples.add(timestamp=number)
    return bytes(message.SerializeToString())


def test_senders_of_the_same_new_series_agree_on_their_ids() -> None:
    registry = SeriesRegistry(SERIES)
    decoder = RemoteWriteDecoder(registry, 1 << 24)
    bodies = [body_of(range(start, min(start + 500, SERIES))) for start in range(0, SERIES, 250)]

    def work(turn: int) -> None:
        for body in bodies[turn:] + bodies[:turn]:
            request = PushRequest(body, "", "", "/api/v1/write", "s", 0)
            batch = decoder.decode(request).metrics
            assert batch is not None
            for series, time in zip(batch.series.tolist(), batch.time_unix_nano.tolist(), strict=True):
                assert registry.info(series).metric == f"m{time // 10**6}"

    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(work, 2 * turn) for turn in range(THREADS)]:
            done.result()
    assert len(registry) == SERIES
    assert len(decoder._v1._table) == SERIES
