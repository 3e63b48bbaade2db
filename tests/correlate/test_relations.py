"""Relations: learnt from spans and labels, and bounded."""

from __future__ import annotations

from stormpetrel.correlate.relations import Relations
from stormpetrel.model.columns import build_spans
from stormpetrel.model.signal import SeriesInfo, SpanBatch


def spans(*rows: tuple[str, str, str]) -> SpanBatch:
    """(span id, parent span id, entity) of one trace."""
    ones = [1] * len(rows)
    return build_spans(
        ones,
        ones,
        "call",
        ["t"] * len(rows),
        [row[0] for row in rows],
        parent_span_id=[row[1] for row in rows],
        entity=[row[2] for row in rows],
    )


def series(number: int, entity: str, **labels: str) -> SeriesInfo:
    return SeriesInfo(number, "m", tuple(sorted(labels.items())), entity, "test")


def test_parts_of_one_host_are_related_without_learning() -> None:
    assert Relations().related("host:a/disk:sda", "host:a/filesystem:/")
    assert not Relations().related("host:a", "host:b")


def test_a_call_relates_caller_and_callee_both_ways_and_nobody_else() -> None:
    relations = Relations()
    relations.learn_spans(
        spans(("1", "", "service:web"), ("2", "1", "service:db"), ("3", "", "service:mail"))
    )
    assert relations.related("service:web", "service:db")
    assert relations.related("service:db", "service:web")
    assert not relations.related("service:web", "service:mail")


def test_the_parent_may_come_in_an_earlier_batch_or_later_in_the_same() -> None:
    relations = Relations()
    relations.learn_spans(spans(("1", "", "service:a")))
    relations.learn_spans(spans(("3", "2", "service:c"), ("2", "1", "service:b")))
    assert relations.related("service:a", "service:b")
    assert relations.related("service:b", "service:c")
    assert not relations.related("service:a", "service:c")


def test_labels_that_name_a_service_and_a_host_relate_them() -> None:
    relations = Relations()
    relations.learn_series([series(1, "service:web", service="web", host="h1", job="shop")])
    assert relations.related("service:web", "host:h1/disk:sda")
    assert not relations.related("service:web", "job:shop")


def test_what_has_too_many_neighbours_relates_to_nothing() -> None:
    relations = Relations(max_neighbours=3)
    for n in range(3):
        relations.learn_series([series(n, f"service:s{n}", service=f"s{n}", host="shared")])
    assert relations.related("service:s0", "host:shared")
    relations.learn_series([series(3, "service:s3", service="s3", host="shared")])
    assert not relations.related("service:s0", "host:shared")


def test_memory_is_bounded() -> None:
    relations = Relations(max_entities=10, max_spans=10)
    for n in range(100):
        relations.learn_series([series(n, f"service:s{n}", service=f"s{n}", host=f"h{n}")])
        relations.learn_spans(spans((f"a{n}", "", f"service:x{n}"), (f"b{n}", f"a{n}", f"service:y{n}")))
    assert len(relations._neighbours) <= 10
    assert len(relations._span_entity) <= 10
    assert relations.related("service:x99", "service:y99")
