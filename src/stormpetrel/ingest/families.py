"""Prometheus metric families: what a family's type says of each of its metrics.

Source: the OpenMetrics 1.0 specification and Prometheus' text format 0.0.4.
"""

from __future__ import annotations

from enum import IntEnum

from stormpetrel.model.signal import MetricKind


class FamilyType(IntEnum):
    """The types of a metric family; the numbers are those of remote write's MetricMetadata."""

    UNKNOWN = 0
    COUNTER = 1
    GAUGE = 2
    HISTOGRAM = 3
    GAUGEHISTOGRAM = 4
    SUMMARY = 5
    INFO = 6
    STATESET = 7


# A metric is its family's name with one of these, or without.
SUFFIXES = ("_bucket", "_count", "_sum", "_total", "_created", "_info", "_gcount", "_gsum")

_COUNTING = frozenset({"_bucket", "_count", "_sum"})


def type_named(name: str) -> FamilyType:
    """The type of a `# TYPE` line; `untyped` and what is not known are UNKNOWN.

    >>> type_named("gauge")
    <FamilyType.GAUGE: 2>
    """
    return FamilyType.__members__.get(name.upper(), FamilyType.UNKNOWN)


def families_of(metric: str) -> list[tuple[str, str]]:
    """The families a metric may belong to, as (family, suffix), the likelier first.

    >>> families_of("rpc_seconds_sum")
    [('rpc_seconds_sum', ''), ('rpc_seconds', '_sum')]
    """
    found = [(metric, "")]
    found.extend((metric[: -len(s)], s) for s in SUFFIXES if metric.endswith(s) and len(metric) > len(s))
    return found


def read_as(family_type: FamilyType, suffix: str, unit: str) -> tuple[MetricKind, str] | None:
    """Kind and unit of the metric `family + suffix`; None when such a family has no such metric.

    Counts have no unit whatever the family's is.

    >>> read_as(FamilyType.HISTOGRAM, "_sum", "seconds")
    (<MetricKind.COUNTER: 'counter'>, 'seconds')
    >>> read_as(FamilyType.HISTOGRAM, "_count", "seconds")
    (<MetricKind.COUNTER: 'counter'>, '')
    """
    if suffix in ("_bucket", "_count", "_gcount"):
        unit = ""
    if suffix == "_created" and family_type in _HAS_CREATED:
        return MetricKind.GAUGE, "seconds"
    suffixes, kind = _READ[family_type]
    return (kind, unit) if suffix in suffixes else _bare(family_type, suffix, unit)


def _bare(family_type: FamilyType, suffix: str, unit: str) -> tuple[MetricKind, str] | None:
    if suffix:
        return None
    # The quantiles of a summary carry its name; a native histogram's name alone says nothing of a float.
    kind = MetricKind.GAUGE if family_type is FamilyType.SUMMARY else MetricKind.UNKNOWN
    return kind, unit


_HAS_CREATED = frozenset({FamilyType.COUNTER, FamilyType.HISTOGRAM, FamilyType.SUMMARY})

_READ: dict[FamilyType, tuple[frozenset[str], MetricKind]] = {
    FamilyType.UNKNOWN: (frozenset({""}), MetricKind.UNKNOWN),
    FamilyType.COUNTER: (frozenset({"", "_total"}), MetricKind.COUNTER),
    FamilyType.GAUGE: (frozenset({""}), MetricKind.GAUGE),
    FamilyType.HISTOGRAM: (_COUNTING, MetricKind.COUNTER),
    FamilyType.GAUGEHISTOGRAM: (frozenset({"_bucket", "_gcount", "_gsum"}), MetricKind.GAUGE),
    FamilyType.SUMMARY: (frozenset({"_count", "_sum"}), MetricKind.COUNTER),
    FamilyType.INFO: (frozenset({"", "_info"}), MetricKind.GAUGE),
    FamilyType.STATESET: (frozenset({""}), MetricKind.GAUGE),
}
