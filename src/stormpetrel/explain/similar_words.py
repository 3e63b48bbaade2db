"""What two incidents have in common, in words."""

from __future__ import annotations

from collections.abc import Mapping

from stormpetrel.model.similar import Feature, FeatureFamily

_WORDS: Mapping[FeatureFamily, str] = {
    FeatureFamily.ENTITY: "both hit {}",
    FeatureFamily.KIND: "both hit a {}",
    FeatureFamily.ROLE: "both hit a {} of the topology",
    FeatureFamily.DETECTOR: "both were seen by {}",
    FeatureFamily.METRIC: "{}",
    FeatureFamily.PATTERN: "both have findings on log pattern {}",
    FeatureFamily.ALERT: "{} in both",
    FeatureFamily.FIRST: "both began with {}",
    FeatureFamily.CLASS: "kind of cause: {}",
    FeatureFamily.CAUSE: "most likely cause: {}",
    FeatureFamily.SHOWN: "the cause shows in: {}",
    FeatureFamily.LINE: "both log: {}",
}
_WAYS = {"up": "above", "down": "below"}


def words_of(feature: Feature) -> str:
    """One shared feature as a short phrase; its value may be hostile text.

    >>> words_of(Feature(FeatureFamily.METRIC, "http_request_seconds up"))
    'http_request_seconds above what was expected in both'
    >>> words_of(Feature(FeatureFamily.KIND, "host"))
    'both hit a host'
    """
    if feature.family is FeatureFamily.METRIC:
        metric, _, way = feature.value.rpartition(" ")
        return f"{metric} {_WAYS.get(way, way)} what was expected in both"
    return _WORDS[feature.family].replace("{}", feature.value)
