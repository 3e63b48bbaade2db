"""The processes of the host, added up by name, and the heaviest of them as series."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import psutil

from stormpetrel.adapters.sources.host_readings import GAUGE, Reading

MAX_NAMES = 500  # names ever given series of their own; later ones are told as OTHER
OTHER = "(other)"
# What a name must weigh to be given series: some seconds of a core a minute, or a two-hundredth of memory.
# On a host that does little, the heaviest ten are otherwise a shell and its `sleep`.
WEIGHS_CPU_RATIO = 0.05
WEIGHS_MEMORY_SHARE = 0.005
_NUMBERED = re.compile(r"^(kworker|ksoftirqd|migration|cpuhp|watchdog|irq)/.*")


@dataclass(slots=True)
class _Sum:
    cpu_ratio: float = 0.0
    resident_bytes: float = 0.0
    count: int = 0


class ProcessReader:
    """Adds processes up by name; the `top` by processor time and the `top` by memory get series.

    Of those, only what weighs something on this host (see the constants). A name that has series keeps
    them while it is among the first `2 * top`, so that neighbours in the
    ranking do not take turns. Cost: about 0.1 ms a process.
    """

    def __init__(self, top: int) -> None:
        self._top = top
        self._own = os.getpid()
        self._before: dict[tuple[int, float], float] = {}
        self._when = 0
        self._shown: set[str] = set()
        self._names: set[str] = set()

    def read(self, now_unix_nano: int) -> Iterator[Reading]:
        """Counts, and the heaviest names; processor shares from the second reading on."""
        sums, threads = self._add_up(now_unix_nano)
        yield Reading("host_processes", (), sum(s.count for s in sums.values()))
        yield Reading("host_threads", (), threads)
        chosen = self._choose(sums)
        self._shown = chosen
        for name in sorted(chosen):
            labels, part, found = (("process", name),), f"process:{name}", sums[name]
            yield Reading("host_process_cpu_ratio", labels, found.cpu_ratio, GAUGE, "1", part)
            yield Reading("host_process_resident_bytes", labels, found.resident_bytes, GAUGE, "By", part)
            yield Reading("host_process_count", labels, found.count, GAUGE, "", part)

    def _add_up(self, now_unix_nano: int) -> tuple[dict[str, _Sum], int]:
        seconds = (now_unix_nano - self._when) / 1e9 if self._when else 0.0
        spent_now: dict[tuple[int, float], float] = {}
        sums: dict[str, _Sum] = {}
        threads = 0
        attributes = ["pid", "name", "create_time", "cpu_times", "memory_info", "num_threads"]
        for process in psutil.process_iter(attributes):
            told = process.info
            times, memory = told["cpu_times"], told["memory_info"]
            if times is None or memory is None:  # gone meanwhile, or not ours to see
                continue
            key = (told["pid"], told["create_time"] or 0.0)
            spent_now[key] = times.user + times.system
            total = sums.setdefault(self._name(told["name"] or OTHER), _Sum())
            total.count += 1
            total.resident_bytes += memory.rss
            # Its own are what the process tells of itself: what it starts is no news about the host.
            threads += 0 if told["pid"] == self._own else told["num_threads"] or 0
            if seconds > 0:
                total.cpu_ratio += max(0.0, spent_now[key] - self._before.get(key, 0.0)) / seconds
        self._before, self._when = spent_now, now_unix_nano
        return sums, threads

    def _name(self, name: str) -> str:
        short = _NUMBERED.sub(r"\1", name)[:64]
        return short if short in self._names or len(self._names) < MAX_NAMES else OTHER

    def _weighs(self, one: _Sum) -> bool:
        return (
            one.cpu_ratio >= WEIGHS_CPU_RATIO
            or one.resident_bytes >= WEIGHS_MEMORY_SHARE * psutil.virtual_memory().total
        )

    def _choose(self, sums: dict[str, _Sum]) -> set[str]:
        by_cpu = sorted((n for n in sums if sums[n].cpu_ratio > 0), key=lambda n: (-sums[n].cpu_ratio, n))
        with_memory = (n for n in sums if sums[n].resident_bytes > 0)  # kernel threads have none
        by_memory = sorted(with_memory, key=lambda n: (-sums[n].resident_bytes, n))
        chosen: set[str] = set()
        for ranking in (by_cpu, by_memory):
            kept = [name for name in ranking[: 2 * self._top] if name in self._shown][: self._top]
            chosen.update(kept)
            heaviest = ranking[: max(0, self._top - len(kept))]
            chosen.update(name for name in heaviest if self._weighs(sums[name]))
        self._names |= chosen - {OTHER}
        return chosen
