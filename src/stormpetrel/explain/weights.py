"""The one table of weights by which evidence is fused.

The mean of the best of many drawn at random on labelled troubles of several systems, scored on systems and on
cases that were left out (`benchmarks/quality/causes.py`). No weight hangs on a name of an entity.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stormpetrel.explain.kinds import MetricClass


def _of_kind() -> dict[MetricClass, float]:
    return {
        MetricClass.CPU: 1.0,
        MetricClass.MEMORY: 1.0,
        MetricClass.IO: 0.7,
        MetricClass.LATENCY: 0.8,
        MetricClass.ERROR: 1.0,
        MetricClass.LOAD: 0.35,
        MetricClass.OTHER: 0.7,
        MetricClass.HOST: 0.0,
    }


@dataclass(frozen=True, slots=True)
class Weights:
    """What each kind of evidence counts for.

    Attributes:
        of_kind: an effect on a metric of this kind.
        unlikely_direction: an effect in the direction that is no trouble: less latency, fewer errors.
        idle: less of a resource.
        load_of_entry: more traffic at an entity that nobody here calls: it comes from outside.
        load_of_symptom: an effect on the load where the trouble shows as latency or errors.
        other_symptom: a latency where the trouble is errors, or the other way.
        second_kind: each further kind of metric of an entity counts this times as much as the one before.
        explained, explained_calls: of a symptom that a callee shows as well, in metrics, and in logs and
            traces.
        explained_counts: of calls missing or made more often that a caller shows as well.
        unreachable: of an entity that the entry does not reach.
        passed_on: of an entity that only passes on what others do.
        minor: of an entity through which next to nothing of its callers' traffic goes.
        log, log_failing, log_fresh, log_next: a pattern that departs; more for one that tells of a
        failure, that was never seen; each further pattern of an entity.
        log_missing: a pattern that is written less, or not any more, this times as much.
        log_shared: the more entities share the evidence from logs, the less it counts: to this power.
        self_time, call_missing, call_extra: time spent in itself, and on the way to it; calls no
            longer made, and made more often.
        log_least, call_least: standard deviations from which on a departure counts.
        none, none_short: score of "no cause found"; by so many moments over those of the past it is more, as
            chance makes more of few.
    """

    of_kind: dict[MetricClass, float] = field(default_factory=_of_kind)
    unlikely_direction: float = 0.31
    idle: float = 0.4
    load_of_symptom: float = 0.5
    load_of_entry: float = 4.0
    other_symptom: float = 0.6
    second_kind: float = 0.4
    explained: float = 0.36
    explained_calls: float = 0.44
    explained_counts: float = 0.19
    unreachable: float = 0.62
    passed_on: float = 0.55
    minor: float = 1.0
    untraced: float = 0.6
    log: float = 0.9
    log_failing: float = 0.96
    log_fresh: float = 0.48
    log_next: float = 0.5
    log_missing: float = 1.76
    log_shared: float = 0.29
    self_time: float = 0.35
    between: float = 6.72
    call_missing: float = 0.58
    call_extra: float = 0.16
    log_least: float = 2.76
    call_least: float = 2.92
    none: float = 0.5
    none_short: float = 10.0


DEFAULT = Weights()
