"""The contract of `ports.store.TelemetryStore` as a suite, for the built-in stores and for yours.

    import pytest
    from stormpetrel.testing.check_store import STORE_CHECKS

    @pytest.mark.parametrize("check", STORE_CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, tmp_path):
        check(lambda: MyStore(tmp_path))

Each check is given a function that opens *the same* store anew, empty at the first call; a check closes
what it opened before it opens it again. `check_survives_kill` needs a program besides.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np

from stormpetrel.errors import StoreError
from stormpetrel.model.quality import Quality, Quarantined
from stormpetrel.model.query import LogQuery
from stormpetrel.model.signal import MetricBatch
from stormpetrel.model.time import Window
from stormpetrel.ports.store import TelemetryStore
from stormpetrel.testing.check_store_logs import LOG_CHECKS
from stormpetrel.testing.check_store_metrics import EVER, METRIC_CHECKS, MakeStore
from stormpetrel.testing.check_store_records import RECORD_CHECKS
from stormpetrel.testing.check_store_situation import SITUATION_CHECKS
from stormpetrel.testing.require import equal, require
from stormpetrel.testing.store_records import alert_batch, change_batch, flow_batch
from stormpetrel.testing.store_samples import (
    NOW,
    SECOND,
    finding,
    log_batch,
    numbered_logs,
    numbered_samples,
    same_samples,
    series_info,
    span_batch,
)


def tokens_count_once(make_store: MakeStore) -> None:
    """The same token again leaves an insert once, also after a restart; another token is another insert."""
    store = make_store()
    samples, logs = numbered_samples(1), numbered_logs(1)
    spans = span_batch([{}, {}])
    quarantined = Quarantined(samples, np.full(len(samples), Quality.FUTURE, np.uint8))
    for _ in range(2):
        for _ in range(2):
            store.insert_samples(samples, "once")
            store.insert_logs(logs, "once")
            store.insert_spans(spans, "once")
            store.insert_quarantine(quarantined, "once")
        store.close()
        store = make_store()
    equal(_rows(store), {"samples": 500, "logs": 50, "spans": 2, "quarantine": 500})
    store.insert_samples(samples, "twice")
    store.insert_logs(logs, "twice")
    equal(_rows(store), {"samples": 1000, "logs": 100, "spans": 2, "quarantine": 500})
    store.close()


def threads_may_share(make_store: MakeStore) -> None:
    """Several threads write and read at once; every read sees what was inserted before it."""
    store = make_store()
    threads, batches = 6, 8

    def work(thread: int) -> None:
        for place in range(batches):
            number = thread * batches + place
            store.insert_samples(numbered_samples(number), f"s{number}")
            store.insert_logs(numbered_logs(number), f"l{number}")
            moment = NOW + number * SECOND
            window = Window(moment, moment + SECOND)
            require(
                same_samples(store.scan_series(range(500), window), numbered_samples(number)),
                "a thread reads its own samples back",
            )
            equal(len(store.read_logs(LogQuery(window, limit=1000))), 50)

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(work, thread) for thread in range(threads)]:
            done.result()
    rows = _rows(store)
    equal((rows["samples"], rows["logs"]), (threads * batches * 500, threads * batches * 50))
    store.close()


def everything_is_there_again(make_store: MakeStore) -> None:
    """A store that was closed and opened again answers as before."""

    def answers(store: TelemetryStore) -> list[object]:
        return [
            list(store.all_series()),
            [chunk.value.tolist() for chunk in store.scan_samples(EVER)],
            store.read_logs(LogQuery(EVER)),
            store.read_spans(EVER).records.to_pylist(),
            repr(store.read_findings(EVER)),
            store.read_quarantine(EVER).verdict.tolist(),
            store.read_alerts(EVER),
            store.read_changes(EVER),
            store.read_flows(EVER),
            store.recent_tokens(0).tolist(),
        ]

    store = make_store()
    samples = numbered_samples(1, rows=3)
    store.insert_series([series_info(number) for number in range(3)])
    store.insert_samples(samples, "a")
    store.insert_logs(log_batch([{"request_token": 9}]), "b")
    store.insert_spans(span_batch([{}]), "c")
    store.insert_findings([finding(1)])
    store.insert_records(flow_batch([{}]), "e")
    store.insert_records(alert_batch([{}]), "f")
    store.insert_records(change_batch([{}]), "g")
    store.insert_quarantine(Quarantined(samples, np.full(3, Quality.CONFLICT, np.uint8)), "d")
    before = answers(store)
    require(all(before), "every table answers")
    store.close()
    store = make_store()
    equal(answers(store), before)
    sizes = {size.table: size for size in store.table_sizes()}
    equal(sizes["samples"].rows, 3)
    require(sizes["samples"].bytes_on_disk > 0, "the size on disk is known")
    store.close()


def closed_is_closed(make_store: MakeStore) -> None:
    """After `close`, which may be called twice, every call raises StoreError."""
    store = make_store()
    store.close()
    store.close()
    calls: tuple[Callable[[], object], ...] = (
        lambda: store.insert_samples(numbered_samples(1), "t"),
        lambda: store.insert_series([series_info(1)]),
        lambda: list(store.all_series()),
        lambda: list(store.scan_samples(EVER)),
        lambda: store.read_logs(LogQuery(EVER)),
        lambda: store.insert_records(alert_batch([{}]), "t"),
        lambda: store.read_changes(EVER),
        lambda: store.drop_quarantine(EVER),
        store.table_sizes,
    )
    for call in calls:
        try:
            call()
        except StoreError:
            continue
        raise AssertionError("a closed store answered")


STORE_CHECKS: tuple[Callable[[MakeStore], None], ...] = (
    *METRIC_CHECKS,
    *LOG_CHECKS,
    *RECORD_CHECKS,
    *SITUATION_CHECKS,
    tokens_count_once,
    threads_may_share,
    everything_is_there_again,
    closed_is_closed,
)


def check_store(make_store: Callable[[str], TelemetryStore]) -> None:
    """Run every check; `make_store(name)` opens the store of that name, empty at first."""
    for check in STORE_CHECKS:
        check(partial(make_store, check.__name__))


def write_forever(store: TelemetryStore, first: int) -> None:
    """Insert numbered batches and print the number of each that is acknowledged: the program to kill."""
    number = first
    while True:
        store.insert_samples(numbered_samples(number), f"samples-{number}")
        store.insert_logs(numbered_logs(number), f"logs-{number}")
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1


def check_survives_kill(make_store: MakeStore, writer: Sequence[str], kills: int = 2) -> None:
    """`kill -9` in mid-insert: what was acknowledged is there once, what was not is whole or absent.

    Args:
        make_store: opens the store that the writer writes to; the writer is dead when it is called.
        writer: a command that calls `write_forever` with the number in its last argument, which is
            appended here.
        kills: how often it is killed; each time it goes on with the number after the last acknowledged.
    """
    acknowledged = -1
    for kill in range(kills):
        program = subprocess.Popen([*writer, str(acknowledged + 1)], stdout=subprocess.PIPE, text=True)
        with program:
            for line in program.stdout or ():
                acknowledged = int(line)
                if acknowledged >= 20 * (kill + 1):
                    program.send_signal(signal.SIGKILL)
        store = make_store()
        store.insert_samples(numbered_samples(acknowledged), f"samples-{acknowledged}")
        _check_batches(store, acknowledged)
        store.close()


def _check_batches(store: TelemetryStore, acknowledged: int) -> None:
    samples = MetricBatch.concat(list(store.scan_samples(EVER)))
    numbers = (samples.time_unix_nano - NOW) // SECOND
    found = dict(zip(*(part.tolist() for part in np.unique(numbers, return_counts=True)), strict=True))
    logs = [chunk.records["time_unix_nano"].to_numpy() for chunk in store.scan_logs(EVER)]
    counted = np.unique((np.concatenate(logs) - NOW) // SECOND, return_counts=True)
    records = dict(zip(*(part.tolist() for part in counted), strict=True))
    for number in range(acknowledged + 1):
        require(
            found.get(number) == 500, f"batch {number} was acknowledged; {found.get(number)} of 500 samples"
        )
        require(
            records.get(number) == 50, f"batch {number} was acknowledged; {records.get(number)} of 50 records"
        )
    equal(set(found.values()), {500})
    equal(set(records.values()), {50})
    require(max(found) <= acknowledged + 1, "nothing is stored that was not begun")


def _rows(store: TelemetryStore) -> dict[str, int]:
    return {
        "samples": sum(len(chunk) for chunk in store.scan_samples(EVER)),
        "logs": sum(len(chunk) for chunk in store.scan_logs(EVER)),
        "spans": len(store.read_spans(EVER)),
        "quarantine": len(store.read_quarantine(EVER, limit=10_000).batch),
    }
