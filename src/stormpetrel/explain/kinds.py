"""What a metric measures, told from the words of its name: an error, a time, a resource, a load."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import lru_cache


class MetricClass(StrEnum):
    """What a metric says; its weight in a diagnosis hangs on it."""

    HOST = "host"
    ERROR = "error"
    LATENCY = "latency"
    CPU = "cpu"
    MEMORY = "memory"
    IO = "io"
    LOAD = "load"
    OTHER = "other"


# In this order: an error ratio of requests is about errors, the time of a query about time.
_WORDS: tuple[tuple[MetricClass, str], ...] = (
    (MetricClass.HOST, r"^node"),
    (
        MetricClass.ERROR,
        r"error|fault|5xx|availability|success|fail|exception|reject|refus|abort|(code|status)=\"5",
    ),
    (MetricClass.LATENCY, r"lat|duration|p9\d|p50|response|elapsed|delay|(?<!io)wait"),
    (MetricClass.CPU, r"cpu|thrott|processor"),
    (MetricClass.MEMORY, r"mem|heap|oom|rss|swap"),
    (
        MetricClass.IO,
        r"disk|io_|fs_|byte|network|syscall|conn|pool|queue|inode|filesystem|packet|fd_|descriptor",
    ),
    (MetricClass.LOAD, r"request|ops|qps|rps|workload|lod|count|throughput|rate"),
)
_COMPILED = tuple((kind, re.compile(words, re.IGNORECASE)) for kind, words in _WORDS)
_GOOD = re.compile(r"availability|success|healthy|\bup$", re.IGNORECASE)


@lru_cache(40_000)  # twice the series of a diagnosis, which asks for each several times
def kind_of(metric: str, of_host: bool = False) -> MetricClass:
    """What a metric measures, by its name; `of_host`: its entity is itself a host.

    A node's metric at a service says next to nothing of the service: many share the node.

    >>> kind_of("http_server_duration_p99"), kind_of("container_cpu_seconds_total"), kind_of("SuccessRate(%)")
    (<MetricClass.LATENCY: 'latency'>, <MetricClass.CPU: 'cpu'>, <MetricClass.ERROR: 'error'>)
    """
    for kind, words in _COMPILED:
        if words.search(metric) and not (of_host and kind is MetricClass.HOST):
            return kind
    return MetricClass.OTHER


def falls_when_bad(metric: str) -> bool:
    """Whether less of it is worse: a success ratio, an availability.

    >>> falls_when_bad("availability"), falls_when_bad("error_ratio")
    (True, False)
    """
    return _GOOD.search(metric) is not None
