"""How much evidence an incident is: one number to rank incidents by, about -log10 of a chance.

The p-values of an incident's findings are combined by Brown's method (Brown 1975; Kost and McDermott 2002):
Fisher's sum of logarithms, whose distribution is a scaled chi-squared with a variance that allows for
dependence. Series of one entity move together, so one correlation is assumed for all; ten findings
that repeat one another then count as little more than two or three.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from scipy.special import gammaincc

from stormpetrel.model.finding import MODEL_SAMPLES, Finding, FindingState, Severity
from stormpetrel.model.resource import root_of
from stormpetrel.model.time import to_seconds

# One finding alone never counts for more: so far out, an extrapolated tail is a guess.
MOST_ALONE = 10.0
CORRELATION = 0.4  # assumed between the test statistics of any two signals of an incident
# A detector that calls its finding this bad says at least so much, whatever its p-value.
_OF_SEVERITY = {Severity.WARNING: 4.0, Severity.ERROR: 8.0, Severity.CRITICAL: MOST_ALONE}
# A rule has no p-value: somebody, or every night so far, said what has to happen, and it did not.
_OF_RULE = {Severity.WARNING: 8.0, Severity.ERROR: 9.0, Severity.CRITICAL: MOST_ALONE}
# Times log10 of half the samples that a model learnt from: 4.5 at 360 of them, 5.7 at 1,440, 7.4 at 10,080.
# A probability of (2 / n)**2 that the tail is another one is what `detect.metrics.tail` grants n samples.
_OF_LEARNT = 2.0
_WHOLE = "group"  # the detector that judges entities as a whole
# Last words of a metric's name that say how it is counted (OpenMetrics' suffixes and units), not what.
_UNITS = frozenset({"total", "count", "sum", "ratio", "percent", "bytes", "seconds", "milliseconds", "rate"})
# What lasts is real more often than what flashes by.
_MOST_FOR_LASTING = 2.0


@dataclass(frozen=True, slots=True)
class Strength:
    """The evidence of an incident.

    Attributes:
        value: about -log10 of the chance that noise alone did this.
        signals: how many different signals (entity and what is measured, in whatever unit) speak.
        entities: how many root entities.
        lasting_seconds: how long its oldest open finding has lasted.
    """

    value: float
    signals: int
    entities: int
    lasting_seconds: float


def strength_of(findings: Iterable[Finding], now_unix_nano: int) -> Strength:
    """Combine the findings of an incident; findings below WARNING, and those of objectives, say nothing."""
    best: dict[tuple[str, str, str], float] = {}
    oldest = now_unix_nano
    for finding in findings:
        if finding.severity < Severity.WARNING or finding.detector == "slo":
            continue
        evidence = finding.evidence
        query = _WHOLE if finding.detector == _WHOLE else quantity_of(evidence.query.partition("{")[0])
        key = (root_of(finding.entity), evidence.signal, query)
        best[key] = max(best.get(key, 0.0), _said_by(finding))
        if finding.state is FindingState.OPEN:
            oldest = min(oldest, finding.start_unix_nano)
    # An entity judged as a whole is what its metrics say; it counts where they say nothing by themselves.
    spoken = {root for root, _, query in best if query != _WHOLE}
    best = {key: said for key, said in best.items() if key[2] != _WHOLE or key[0] not in spoken}
    lasting = to_seconds(now_unix_nano - oldest)
    bonus = min(_MOST_FOR_LASTING, 0.5 * math.log2(1.0 + lasting / 60.0)) if best else 0.0
    roots = len({root for root, _, _ in best})
    return Strength(combined(list(best.values())) + bonus, len(best), roots, lasting)


def quantity_of(metric: str) -> str:
    """What a metric measures, without its unit: a count of files and the share of the limit that it is, reads
    and bytes read, are one thing told twice.

    >>> quantity_of("host_open_file_descriptors"), quantity_of("host_open_file_descriptors_ratio")
    ('host_open_file_descriptor', 'host_open_file_descriptor')
    >>> quantity_of("host_disk_read_bytes_total"), quantity_of("host_disk_reads_total"), quantity_of("bytes")
    ('host_disk_read', 'host_disk_read', 'byte')
    """
    words = metric.split("_")
    while len(words) > 1 and words[-1] in _UNITS:
        words.pop()
    return "_".join(words).removesuffix("s")


def _said_by(finding: Finding) -> float:
    p_value = finding.evidence.p_value
    if not 0.0 < p_value < 1.0:
        return _OF_RULE[finding.severity]
    said = min(surprise(p_value), _credible(finding))
    return said if finding.severity is Severity.WARNING else max(said, _OF_SEVERITY[finding.severity])


def _credible(finding: Finding) -> float:
    """The most that a model as young as this one is believed: its tail is a guess beyond what it has seen."""
    learnt = float((finding.attributes or {}).get(MODEL_SAMPLES, "inf"))
    return _OF_LEARNT * math.log10(max(learnt / 2.0, 1.0)) if learnt < math.inf else MOST_ALONE


def surprise(p_value: float) -> float:
    """-log10 of a p-value, at most `MOST_ALONE`; 0 for what is not a p-value below 1.

    >>> surprise(1e-3), surprise(1e-300), surprise(float("nan"))
    (3.0, 10.0, 0.0)
    """
    return min(-math.log10(p_value), MOST_ALONE) if 0.0 < p_value < 1.0 else 0.0


def combined(surprises: list[float], correlation: float = CORRELATION) -> float:
    """-log10 of the combined p-value of `surprises` (each -log10 p); never below the greatest of them alone
    less the logarithm of their number.

    >>> round(combined([6.0]), 6), round(combined([6.0, 6.0, 6.0]), 1), combined([])
    (6.0, 9.4, 0.0)
    """
    count = len(surprises)
    if count == 0:
        return 0.0
    greatest = max(surprises) - math.log10(count)
    if count == 1:
        return max(surprises)
    statistic = 2.0 * math.log(10.0) * sum(surprises)
    covariance = 3.263 * correlation + 0.710 * correlation**2 + 0.027 * correlation**3
    mean = 2.0 * count
    variance = 4.0 * count + count * (count - 1) * covariance
    scale, freedom = variance / (2.0 * mean), 2.0 * mean * mean / variance
    return max(greatest, _upper_tail(freedom / 2.0, statistic / scale / 2.0))


def _upper_tail(shape: float, x: float) -> float:
    """-log10 of the regularised upper incomplete gamma function, also where it is no longer a float."""
    share = float(gammaincc(shape, x))
    if share > 1e-290:
        return max(0.0, -math.log10(share))
    log = (shape - 1.0) * math.log(x) - x - math.lgamma(shape) + math.log1p((shape - 1.0) / x)
    return -log / math.log(10.0)
