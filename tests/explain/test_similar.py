"""Incidents that are alike come first, the score is the sum of what is shown, nothing grows for ever."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.explain.fingerprint import (
    LONGEST_VALUE,
    MOST_FEATURES,
    fingerprint_of,
    told_features,
    with_told,
)
from stormpetrel.explain.similar import SimilarIndex
from stormpetrel.model.cause import Cause, CauseClass, Diagnosis, EvidenceItem
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.similar import TOLD_FAMILIES, Feature, FeatureFamily, Fingerprint

ENTITY, METRIC, PATTERN = FeatureFamily.ENTITY, FeatureFamily.METRIC, FeatureFamily.PATTERN
features = st.builds(Feature, st.sampled_from(FeatureFamily), st.sampled_from("abcdefgh"))
prints = st.builds(
    lambda number, start, found, diagnosed: Fingerprint(
        f"i{number}",
        start,
        tuple(sorted(one for one in found if diagnosed or one.family not in TOLD_FAMILIES)),
        diagnosed,
    ),
    st.integers(0, 12),
    st.integers(0, 100),
    st.sets(features, max_size=20),
    st.booleans(),
)


def made(name: str, start: int, *held: str) -> Fingerprint:
    return Fingerprint(name, start, tuple(sorted(Feature(ENTITY, one) for one in held)))


def finding(number: int, entity: str, query: str, signal: str = "metric", **more: str) -> Finding:
    evidence = Evidence(signal, query, 3 if signal == "metric" else -1, 0, 1, 5.0, 1.0, 0.0, 2.0, 1e-6)
    return Finding(
        f"f{number}", "mixture", 1, "jump", entity, "title", "why", Severity.WARNING, FindingState.OPEN,
        number * 10**10, number * 10**10 + 5, evidence, more or None,
    )  # fmt: skip


def incident(*findings: Finding) -> Incident:
    entities = tuple(dict.fromkeys(one.entity for one in findings))
    return Incident("i1", "s", IncidentState.OPEN, Severity.WARNING, entities, 7, 8, 0, findings, ())


@given(st.lists(prints, max_size=30), prints)
def test_a_search_gives_the_sums_that_a_comparison_shows(
    held: list[Fingerprint], sought: Fingerprint
) -> None:
    index = SimilarIndex(8)
    newest: dict[str, Fingerprint] = {}
    for one in held:
        index.put(one)
        newest[one.incident_id] = one
        assert len(index) <= 8
    found = index.search(sought, most=100, floor=0.0)
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    for name, score in found:
        other = newest[name]
        assert name != sought.incident_id
        assert other.start_unix_nano < sought.start_unix_nano
        similarity = index.compare(sought, other)
        assert score == pytest.approx(similarity.score)
        assert 0.0 < score <= 1.0 + 1e-9
        assert sum(part.weight for part in similarity.shared) == pytest.approx(score)
        assert {part.feature for part in similarity.shared} <= set(sought.features) & set(other.features)


@given(st.lists(prints, max_size=30))
def test_counts_follow_what_is_held(held: list[Fingerprint]) -> None:
    index, again = SimilarIndex(8), SimilarIndex(8)
    for one in held:
        index.put(one)
        index.put(replace(one, features=one.features[:2]))
        index.put(one)
        again.put(one)
    assert (index._count == again._count).all()
    assert int(index._count.sum()) == int((index._family > 0).sum())


def test_what_is_rare_counts_for_more() -> None:
    index = SimilarIndex()
    for number in range(50):
        index.put(made(f"common-{number}", number, "proxy", f"own-{number}"))
    index.put(made("rare", 60, "till", "own-rare"))
    found = index.search(made("now", 99, "proxy", "till"), floor=0.0)
    assert found[0][0] == "rare"
    assert found[0][1] > 1.5 * found[1][1]


def test_what_is_not_known_counts_for_neither() -> None:
    index = SimilarIndex()
    plain = made("before", 1, "a", "b")
    index.put(plain)
    cause = Feature(FeatureFamily.CAUSE, "a")
    sought = Fingerprint("now", 9, tuple(sorted((*made("now", 9, "a", "b").features, cause))), True)
    assert index.search(sought)[0][1] == pytest.approx(1.0), "the earlier one was never diagnosed"
    index.put(replace(plain, diagnosed=True))
    assert index.search(sought)[0][1] < 0.9, "it was, and its cause was another"


def test_a_full_index_lets_the_oldest_go() -> None:
    index = SimilarIndex(3)
    for number in (5, 3, 9, 7):
        index.put(made(f"i{number}", number, "a"))
    index.put(made("i1", 1, "a"))
    assert sorted(name for name, _ in index.search(made("now", 99, "a"))) == ["i5", "i7", "i9"]
    assert index.earlier(made("now", 8, "a")) == 2
    assert index.earlier(made("i9", 9, "a")) == 2


def test_a_pattern_under_another_name_is_the_same_pattern() -> None:
    index = SimilarIndex()
    old, new = Feature(PATTERN, "0" * 15 + "1"), Feature(PATTERN, "0" * 15 + "2")
    index.put(Fingerprint("i1", 1, (old,)))
    index.put(Fingerprint("i2", 2, (old, new)))
    now = Fingerprint("now", 9, (new,))
    assert [name for name, _ in index.search(now)] == ["i2"]
    index.rename(old, new)
    assert index.search(now) == [("i2", 1.0), ("i1", 1.0)]
    assert index.search(Fingerprint("now", 9, (old,))) == []
    assert int(index._count.sum()) == 2


def test_nothing_is_like_nothing() -> None:
    index = SimilarIndex()
    assert index.search(made("now", 9, "a")) == []
    index.put(made("empty", 1))
    assert index.search(made("now", 9, "a"), floor=0.0) == []
    assert index.search(made("now", 9), floor=0.0) == []


def test_ten_thousand_take_some_megabytes() -> None:
    index = SimilarIndex()
    every = [Feature(ENTITY, str(number)) for number in range(5_000)]
    chosen = np.random.default_rng(5).integers(0, len(every), (10_000, 25))
    for number, row in enumerate(chosen.tolist()):
        index.put(Fingerprint(f"i{number}", number, tuple(sorted({every[one] for one in row}))))
    arrays = (index._hash, index._bucket, index._family, index._start, index._diagnosed, index._count)
    assert sum(one.nbytes for one in arrays) < 20e6
    best = index.search(
        Fingerprint("now", 10**9, tuple(every[one] for one in sorted(set(chosen[4711].tolist()))))
    )
    assert best[0][0] == "i4711"


def test_what_an_incident_is_made_of() -> None:
    made_of = fingerprint_of(
        incident(
            finding(1, "host:web-1/filesystem:/var", 'disk_used_bytes{host="web-1"}'),
            finding(2, "service:shop", 'log_pattern_records{pattern="00000000000000ab"}', "metric"),
            finding(9, "service:shop", 'log_patterns{pattern="00000000000000ab"}', "log"),
            finding(9, "service:shop", "alert", "alert", alert_name="HighLatency"),
        ),
        {"service:shop": "entry"},
    )
    has = {(one.family.value, one.value) for one in made_of.features}
    assert has == {
        ("entity", "host:web-1"), ("entity", "service:shop"), ("kind", "host"), ("kind", "filesystem"),
        ("kind", "service"), ("role", "entry"), ("detector", "mixture"), ("metric", "disk_used_bytes up"),
        ("pattern", "00000000000000ab"), ("alert", "HighLatency"),
        ("first", "disk_used_bytes up on a host"), ("first", "log_pattern_records up on a service"),
    }  # fmt: skip
    assert not made_of.diagnosed


def test_a_diagnosis_takes_the_place_of_an_earlier_one() -> None:
    item = EvidenceItem("metric:cpu", "host:a", "cpu rose", 2.0, "metric", "cpu")
    line = EvidenceItem("log", "host:a", "new line", 1.0, "log", "out of memory: <*>")
    against = EvidenceItem("graph", "host:a", "others", -1.0)
    cause = Cause("host:a", "cpu", CauseClass.SATURATION, 2.0, (item, line, against))
    told = Diagnosis(1, (cause,), (), "d-1", 0.8, True, ())
    first = with_told(made("i1", 1, "a"), replace(told, found=False))
    assert Feature(FeatureFamily.CLASS, "no cause found") in first.features
    second = with_told(first, told)
    assert second.diagnosed
    assert [(one.family.value, one.value) for one in second.features if one.family in TOLD_FAMILIES] == [
        ("cause", "host:a"),
        ("class", "resource saturation"),
        ("line", "out of memory: <*>"),
        ("shown", "change"),
        ("shown", "log"),
        ("shown", "metric cpu"),
    ]


@given(st.lists(st.tuples(st.text(min_size=1, max_size=400), st.text(max_size=400)), max_size=80))
def test_a_fingerprint_is_bounded_whatever_an_incident_has(texts: list[tuple[str, str]]) -> None:
    whole = incident(
        *(finding(n, entity, query, alert_name=query, slo=entity) for n, (entity, query) in enumerate(texts))
    )
    line = [EvidenceItem("log", "e", "", 1.0, "log", query) for _, query in texts]
    told = Diagnosis(1, (Cause("e" * 999, "", CauseClass.CODE, 1.0, tuple(line)),), (), "", 0.5, True, ())
    made_of = with_told(fingerprint_of(whole, {}, told_features(told)), told)
    assert len(made_of.features) <= MOST_FEATURES
    assert len(set(made_of.features)) == len(made_of.features)
    assert list(made_of.features) == sorted(made_of.features)
    assert all(0 < len(one.value) <= LONGEST_VALUE for one in made_of.features)
    SimilarIndex().put(made_of)
