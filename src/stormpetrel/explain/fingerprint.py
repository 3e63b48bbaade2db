"""What an incident is made of: entities, metrics, patterns, what began first, and its cause as told.

Bounded: so many features of each family, the most frequent first, each of at most 120 characters. Two
incidents of the same trouble on other machines still share kinds, metrics, patterns and the kind of cause.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from stormpetrel.model.cause import Diagnosis
from stormpetrel.model.finding import ALERT_NAME, Finding
from stormpetrel.model.incident import Incident
from stormpetrel.model.resource import root_of
from stormpetrel.model.similar import TOLD_FAMILIES, Feature, FeatureFamily, Fingerprint
from stormpetrel.model.time import from_seconds

MOST_FEATURES, LONGEST_VALUE = 60, 120
_MOST: Mapping[FeatureFamily, int] = {
    FeatureFamily.ENTITY: 10,
    FeatureFamily.KIND: 4,
    FeatureFamily.ROLE: 4,
    FeatureFamily.DETECTOR: 5,
    FeatureFamily.METRIC: 10,
    FeatureFamily.PATTERN: 6,
    FeatureFamily.ALERT: 5,
    FeatureFamily.FIRST: 3,
    FeatureFamily.CLASS: 1,
    FeatureFamily.CAUSE: 1,
    FeatureFamily.SHOWN: 4,
    FeatureFamily.LINE: 6,
}
_FIRST_NANOS = from_seconds(30)  # what begins so soon after the first began together with it
_PATTERN = re.compile(r'pattern="([0-9a-f]{16})"')
_KIND = re.compile(r"(?:^|/)([a-z_]+):")


def fingerprint_of(
    incident: Incident, roles: Mapping[str, str], told: Sequence[Feature] = (), diagnosed: bool = False
) -> Fingerprint:
    """What an incident is made of as far as is known; O(findings), some microseconds each.

    Args:
        incident: with its findings.
        roles: of root entities in the topology; unknown ones may be missing.
        told: features of its diagnosis, see `told_features`.
        diagnosed: whether there was one.
    """
    held: Counter[Feature] = Counter()
    for finding in incident.findings:
        held.update(set(_of_finding(finding)))
    roots = {root_of(one.entity) for one in incident.findings}
    roots |= {root_of(entity) for entity in incident.entities}
    for entity in roots:
        held[_feature(FeatureFamily.ENTITY, entity)] += 1
        if entity in roles:
            held[_feature(FeatureFamily.ROLE, roles[entity])] += 1
    held.update(dict.fromkeys(_first(incident.findings), 1))
    most_first = sorted(held, key=lambda one: (-held[one], one.value))
    return Fingerprint(
        incident.incident_id, incident.start_unix_nano, _bounded([*most_first, *told]), diagnosed
    )


def _of_finding(finding: Finding) -> Iterable[Feature]:
    attributes = finding.attributes or {}
    yield _feature(FeatureFamily.ENTITY, root_of(finding.entity))
    for kind in _KIND.findall(finding.entity):
        yield _feature(FeatureFamily.KIND, kind)
    yield _feature(FeatureFamily.DETECTOR, finding.detector)
    pattern = _PATTERN.search(finding.evidence.query)
    if pattern is not None:
        yield _feature(FeatureFamily.PATTERN, pattern[1])
    elif finding.evidence.signal == "metric" and finding.evidence.series >= 0:
        yield _feature(FeatureFamily.METRIC, _moved(finding))
    for name, word in ((ALERT_NAME, ""), ("slo", "objective ")):
        if attributes.get(name):
            yield _feature(FeatureFamily.ALERT, f"{word}{attributes[name]}")


def _moved(finding: Finding) -> str:
    """A metric and the way it went."""
    evidence = finding.evidence
    way = "down" if evidence.observed < evidence.expected else "up"
    return f"{evidence.query.partition('{')[0]} {way}"


def _first(findings: Sequence[Finding]) -> Iterable[Feature]:
    """What began first, and on what kind of entity: the shape of the trouble, whatever its name."""
    start = min((one.start_unix_nano for one in findings), default=0)
    for finding in findings:
        if finding.start_unix_nano - start <= _FIRST_NANOS:
            single = finding.evidence.signal == "metric" and finding.evidence.series >= 0
            what = _moved(finding) if single else finding.detector
            yield _feature(FeatureFamily.FIRST, f"{what} on a {root_of(finding.entity).partition(':')[0]}")


def told_features(diagnosis: Diagnosis) -> tuple[Feature, ...]:
    """What a diagnosis adds: class, entity and evidence of the first hypothesis, where it is told at all."""
    if not diagnosis.found or not diagnosis.causes:
        return (_feature(FeatureFamily.CLASS, "no cause found"),)
    first = diagnosis.causes[0]
    speaking = [item for item in first.evidence if item.weight > 0.0]
    found = [
        _feature(FeatureFamily.CLASS, first.cause_class.value),
        _feature(FeatureFamily.CAUSE, first.entity),
        *([_feature(FeatureFamily.SHOWN, "change")] if diagnosis.change_id else []),
        *(_feature(FeatureFamily.SHOWN, item.kind.replace(":", " ")) for item in speaking),
        *(_feature(FeatureFamily.LINE, item.name) for item in speaking if item.signal == "log"),
    ]
    return _bounded(found)


def with_told(one: Fingerprint, diagnosis: Diagnosis) -> Fingerprint:
    """A fingerprint with what a diagnosis adds, in the place of what an earlier one had added."""
    own = [feature for feature in one.features if feature.family not in TOLD_FAMILIES]
    features = _bounded([*own, *told_features(diagnosis)])
    return Fingerprint(one.incident_id, one.start_unix_nano, features, True)


def _feature(family: FeatureFamily, value: str) -> Feature:
    return Feature(family, value[:LONGEST_VALUE])


def _bounded(features: Iterable[Feature]) -> tuple[Feature, ...]:
    """Of each family the first ones, none twice, sorted."""
    left = Counter(_MOST)
    kept: dict[Feature, None] = {}
    for feature in features:
        if feature.value and feature not in kept and left[feature.family] > 0:
            left[feature.family] -= 1
            kept[feature] = None
    return tuple(sorted(kept)[:MOST_FEATURES])
