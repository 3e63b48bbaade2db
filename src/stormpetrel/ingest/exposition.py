"""The Prometheus text format: scraped text to metric batches.

Sources: Prometheus' text format 0.0.4 and, as far as metrics and types go, OpenMetrics 1.0. Text that ends
in `# EOF` is OpenMetrics, whose timestamps are seconds; otherwise they are milliseconds.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from stormpetrel.ingest.exposition_line import LINE, read_labels, read_time, read_value
from stormpetrel.ingest.families import FamilyType, families_of, read_as, type_named
from stormpetrel.ingest.remote_write_labels import check_labels
from stormpetrel.ingest.series import REFUSED_SERIES, SeriesRegistry
from stormpetrel.ingest.tally import RejectTally
from stormpetrel.model.push import Decoded
from stormpetrel.model.signal import MetricBatch, MetricKind

MAX_LINE_BYTES = 64 << 10

# Series and families remembered of one target; beyond it they are read anew, which is only slower.
MAX_KNOWN = 500_000

_COMMENT = re.compile(rb"#[ \t]*(TYPE|UNIT)[ \t]+(\S+)[ \t]+(\S+)[ \t]*$")

_Labels = tuple[tuple[str, str], ...]


@dataclass(slots=True)
class _Target:
    """What is known of one target: its families, and the ids of its series by their very text."""

    source: str
    extra: _Labels
    types: dict[str, FamilyType] = field(default_factory=dict)
    units: dict[str, str] = field(default_factory=dict)
    series: dict[bytes, int] = field(default_factory=dict)

    def declare(self, what: bytes, family: str, said: str) -> None:
        """A TYPE or UNIT line. When it says something new, all series are compared with it once more."""
        if what == b"TYPE":
            changed = self.types.get(family) is not type_named(said)
            self.types[family] = type_named(said)
        else:
            changed = self.units.get(family) != said
            self.units[family] = said
        if changed:
            self.series.clear()
        if len(self.types) > MAX_KNOWN or len(self.units) > MAX_KNOWN:
            self.types.clear()
            self.units.clear()

    def kind_of(self, metric: str) -> tuple[MetricKind, str]:
        """Kind and unit of a metric by the family it belongs to."""
        for family, suffix in families_of(metric):
            if family in self.types or family in self.units:
                known = self.types.get(family, FamilyType.UNKNOWN)
                read = read_as(known, suffix, self.units.get(family, ""))
                if read is not None:
                    return read
        return MetricKind.UNKNOWN, ""


class ExpositionParser:
    """Parses what a target exposes; remembers its series from one scrape to the next.

    A line that is wrong is refused with a reason, the others are kept; no text raises. A scraped label
    that the extra labels also have becomes `exported_<name>`, as Prometheus does it. Exemplars are
    skipped. Some 0.5 M lines a second and core once the series are known. Thread-safe.

    Args:
        registry: gives the series their ids.
    """

    def __init__(self, registry: SeriesRegistry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._targets: dict[tuple[str, _Labels], _Target] = {}

    def parse(
        self, text: bytes, received_unix_nano: int, source: str, extra_labels: Mapping[str, str]
    ) -> Decoded:
        """Samples of one scrape, O(bytes).

        Args:
            text: the body, at most as long as the caller allows.
            received_unix_nano: the time of samples that carry none.
            source: whom the series are counted for.
            extra_labels: added to every series, usually job and instance.
        """
        extra = tuple(sorted(extra_labels.items()))
        with self._lock:
            if len(self._targets) > 10_000:
                self._targets.clear()
            target = self._targets.setdefault((source, extra), _Target(source, extra))
            return self._parse(text, received_unix_nano, target)

    def _parse(self, text: bytes, received: int, target: _Target) -> Decoded:
        tally = RejectTally()
        series: list[int] = []
        times: list[int] = []
        values: list[float] = []
        open_metrics = text[-16:].rstrip().endswith(b"# EOF")
        for line in text.split(b"\n"):
            if not line or line.isspace():
                continue
            if line[0] == 35:  # '#'
                _comment(line, target)
                continue
            try:
                key, value, stamp = _split(line)
                number = read_value(value)
                time = read_time(stamp, open_metrics) if stamp else received
                known = target.series.get(key)
                series.append(self._intern(key, target) if known is None else known)
            except ValueError as error:
                tally.add(str(error), 1, line[:120].decode(errors="replace"))
                continue
            times.append(time)
            values.append(number)
        if not series:
            return Decoded(rejected=tally.rejected())
        batch = MetricBatch(
            np.array(series, np.uint32), np.array(times, np.int64), np.array(values, np.float64)
        )
        return Decoded(metrics=batch, rejected=tally.rejected())

    def _intern(self, key: bytes, target: _Target) -> int:
        """The id of a series text seen for the first time; ValueError with the reason of a refusal."""
        labels = dict(read_labels(key))
        for name, value in target.extra:
            encoded = name.encode()
            if encoded in labels:
                labels[b"exported_" + encoded] = labels.pop(encoded)
            labels[encoded] = value.encode()
        checked = check_labels(sorted(labels.items()))
        if isinstance(checked, str):
            raise ValueError(checked)
        metric, pairs = checked
        kind, unit = target.kind_of(metric)
        series = self._registry.intern(metric, pairs, target.source, kind, unit)
        if series != REFUSED_SERIES:
            if len(target.series) >= MAX_KNOWN:
                target.series.clear()
            target.series[key] = series
        return series


def _comment(line: bytes, target: _Target) -> None:
    found = _COMMENT.match(line[:MAX_LINE_BYTES].rstrip())
    if found:
        family = found[2].strip(b'"').decode(errors="replace")
        target.declare(found[1], family, found[3].decode(errors="replace"))


def _split(line: bytes) -> tuple[bytes, bytes, bytes]:
    if len(line) > MAX_LINE_BYTES:
        raise ValueError("line_too_long")
    found = LINE.match(line)
    if found is None:
        raise ValueError("bad_line")
    return found[1], found[2], found[3]
