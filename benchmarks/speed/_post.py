"""Prepared requests to a real server, each again until it is acknowledged; and rates in pairs."""

from __future__ import annotations

import http.client
import queue
import statistics
import threading
import time
from collections.abc import Callable, Mapping

from benchmarks.speed._load import Server


def post_all(
    to: Server, path: str, headers: Mapping[str, str], bodies: list[bytes], connections: int
) -> None:
    """Send the bodies over kept-open connections."""
    todo: queue.Queue[bytes] = queue.Queue()
    for body in bodies:
        todo.put(body)
    failures: list[str] = []
    asked = {**headers, "Authorization": f"Bearer {to.token}"}
    threads = [
        threading.Thread(target=_sender, args=(to.port, path, asked, todo, failures))
        for _ in range(connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures, failures[:3]


def _sender(
    port: int, path: str, headers: Mapping[str, str], todo: queue.Queue[bytes], failures: list[str]
) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while True:
        try:
            body = todo.get_nowait()
        except queue.Empty:
            return
        while True:
            connection.request("POST", path, body, dict(headers))
            answer = connection.getresponse()
            text = answer.read()
            if answer.status < 300:
                break
            if answer.status not in (429, 503):
                failures.append(f"{answer.status} {text[:200]!r}")
                return
            time.sleep(0.1)


def report(to: Server, counter: str, name: str, unit: str, send: Callable[[], None]) -> None:
    """Send, and print the rate up to the acknowledgement and up to the end of judging.

    The CPU time up to the acknowledgement is that of all threads but the two that judge what is stored.
    """
    rows, cpu, judging = -to.value(counter), -to.cpu_seconds(), -to.judging_seconds()
    wall = -time.perf_counter()
    send()
    wall += time.perf_counter()
    acknowledged = cpu + to.cpu_seconds() - (judging + to.judging_seconds())
    rows += to.value(counter)
    print(
        f"{name}: {rows:,.0f} {unit} acknowledged in {wall:.2f} s, {acknowledged:.2f} s CPU: "
        f"{rows / wall:,.0f}/s, {rows / acknowledged:,.0f}/s a core"
    )
    to.wait_judged()
    cpu += to.cpu_seconds()
    print(f"    ... and judged by every detector: {cpu:.2f} s CPU, {rows / cpu:,.0f}/s a core")


def compare(
    name: str, rows: int, rounds: int, ours: Callable[[], object], theirs: Callable[[], object]
) -> None:
    """Print both rates and the median of the paired ratios."""
    rates: list[tuple[float, float]] = []
    for _ in range(rounds):
        pair = []
        for work in (ours, theirs):
            start = time.perf_counter()
            work()
            pair.append(rows / (time.perf_counter() - start))
        rates.append((pair[0], pair[1]))
    print(
        f"{name}: storm petrel {statistics.median(a for a, _ in rates):12,.0f}/s, "
        f"baseline {statistics.median(b for _, b in rates):10,.0f}/s, "
        f"paired ratio {statistics.median(a / b for a, b in rates):.1f}"
    )
