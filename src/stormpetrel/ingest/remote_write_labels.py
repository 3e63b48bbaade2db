"""Label sets of remote write: which are accepted, and what metadata says of their metrics."""

from __future__ import annotations

from collections.abc import Iterable

from stormpetrel.ingest.families import SUFFIXES, FamilyType, families_of, read_as
from stormpetrel.ingest.remote_write_proto import Labels
from stormpetrel.ingest.series import MAX_SERIES, SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.signal import MetricKind

MAX_LABELS = 64
MAX_LABEL_BYTES = 16 << 10

# Families remembered over all sources: some 25 MB at most.
MAX_FAMILIES = 50_000
MAX_FAMILY_BYTES = 512

LabelPairs = list[tuple[str, str]]


def check_labels(labels: Labels) -> tuple[str, LabelPairs] | str:
    """Metric name and remaining labels, or the reason why the series is refused.

    Remote write asks for label names that are sorted, distinct and not empty, and for a `__name__`. In what
    order they come is not minded, as little as by Prometheus itself: vmagent does not sort them unless it is
    told to. A label with an empty value is the same as no label. Any UTF-8 is a name (Prometheus 3).
    """
    fault = _fault(labels)
    if fault:
        return fault
    try:
        pairs = [(name.decode(), value.decode()) for name, value in labels if value]
    except UnicodeDecodeError:
        return "not_utf8"
    metric = next((value for name, value in pairs if name == "__name__"), "")
    if not metric:
        return "no_metric_name"
    return metric, [pair for pair in pairs if pair[0] != "__name__"]


def _fault(labels: Labels) -> str:
    """What is wrong with the shape of a label set; empty when nothing is."""
    names = [name for name, _ in labels]
    if len(labels) > MAX_LABELS:
        return "too_many_labels"
    if sum(len(name) + len(value) for name, value in labels) > MAX_LABEL_BYTES:
        return "labels_too_long"
    if b"" in names:
        return "empty_label_name"
    return "duplicate_label" if len(set(names)) != len(names) else ""


def show(labels: Labels) -> str:
    """A short text of a label set, for the example beside a count of refusals."""
    text = ",".join(
        f"{name.decode(errors='replace')}={value.decode(errors='replace')}" for name, value in labels[:8]
    )
    return text[:200]


class MetricFamilies:
    """What senders' metadata says of metrics, and which known series that concerns.

    Metadata carries no labels, so it is kept by (source, family). It may come after the samples: then
    the registry is told. Not thread-safe: the decoder holds its lock.
    """

    def __init__(
        self, registry: SeriesRegistry, max_families: int = MAX_FAMILIES, max_series: int = MAX_SERIES
    ) -> None:
        self._registry = registry
        self._max_families = max_families
        self._families: dict[tuple[str, str], tuple[FamilyType, str]] = {}
        self._max_series = max_series
        self._held = 0
        self._series: dict[tuple[str, str], set[int]] = {}

    def kind_of(self, source: str, metric: str) -> tuple[MetricKind, str]:
        """Kind and unit of a metric as far as this source declared its family."""
        for family, suffix in families_of(metric):
            known = self._families.get((source, family))
            read = known and read_as(known[0], suffix, known[1])
            if read:
                return read
        return MetricKind.UNKNOWN, ""

    def remember(self, source: str, metric: str, series: int) -> None:
        """This series is one of the metric's; forgotten when there are too many (ever new sources)."""
        if self._held >= self._max_series:
            return
        known = self._series.setdefault((source, metric), set())
        self._held += series not in known
        known.add(series)

    def learn(self, source: str, entries: Iterable[tuple[str, int, str]], tally: RejectTally) -> None:
        """Take metadata: (family, type number, unit).

        A family with two different entries in one request says nothing: Prometheus sends both when two
        of its targets disagree.
        """
        said: dict[str, set[tuple[FamilyType, str]]] = {}
        for family, number, unit in entries:
            if not family or len(family) + len(unit) > MAX_FAMILY_BYTES:
                tally.add("bad_metadata", 1, family[:80])
                continue
            known = FamilyType(number) if 0 <= number < len(FamilyType) else FamilyType.UNKNOWN
            said.setdefault(family, set()).add((known, unit))
        for family, claims in said.items():
            if len(claims) > 1:
                tally.add("metadata_conflict", len(claims), family[:80])
                continue
            claim = claims.pop()
            if self._families.get((source, family)) == claim:
                continue
            if len(self._families) >= self._max_families and (source, family) not in self._families:
                tally.add("too_many_families", 1, family[:80])
                continue
            self._families[(source, family)] = claim
            self._tell(source, family)

    def _tell(self, source: str, family: str) -> None:
        for suffix in ("", *SUFFIXES):
            metric = family + suffix
            concerned = self._series.get((source, metric))
            if concerned:
                kind, unit = self.kind_of(source, metric)
                for series in sorted(concerned):
                    self._registry.declare(series, kind, unit)
