"""Series are found by metric and entity, also those that come later."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from stormpetrel.app.series_index import MOST_METRICS, SeriesIndex
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.resource import root_of

NAMES = st.sampled_from(["up", "latency", "errors"])
ENTITIES = st.sampled_from(["service:shop", "service:shop/pod:a", "host:web-1", "host:web-1/disk:sda"])


@given(st.lists(st.tuples(NAMES, ENTITIES, st.booleans()), max_size=40))
def test_it_finds_what_a_walk_over_all_finds(steps: list[tuple[str, str, bool]]) -> None:
    registry = SeriesRegistry(1000)
    index = SeriesIndex(registry)
    for place, (metric, entity, asks) in enumerate(steps):
        registry.intern(metric, {"n": str(place)}, "s", entity=entity)
        if asks:
            wanted = root_of(entity)
            infos = [registry.info(number) for number in range(len(registry))]
            walked = [
                one.series
                for one in infos
                if one.metric == metric and wanted in (one.entity, root_of(one.entity))
            ]
            assert list(index.of(metric, wanted)) == walked


def test_what_is_not_there_is_not_found_and_may_come() -> None:
    registry = SeriesRegistry(1000)
    index = SeriesIndex(registry)
    assert index.of("up", "service:shop") == ()
    series = registry.intern("up", {"service": "shop"}, "s")
    assert index.of("up", "service:shop") == (series,)
    assert index.of("up", "service:cart") == ()


def test_only_so_many_metrics_are_held_and_none_is_lost() -> None:
    registry = SeriesRegistry(10_000)
    index = SeriesIndex(registry)
    names = [f"m{number}" for number in range(MOST_METRICS + 10)]
    ids = [registry.intern(name, {"service": "shop"}, "s") for name in names]
    for _ in range(2):
        assert [index.of(name, "service:shop") for name in names] == [(one,) for one in ids]
