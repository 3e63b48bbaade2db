"""The evidence of an incident: what a young model says counts little alone, and much where several agree."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stormpetrel.correlate.page_bar import PageBar
from stormpetrel.correlate.strength import combined, strength_of, surprise
from stormpetrel.model.finding import MODEL_SAMPLES, Evidence, Finding, FindingState, Severity
from stormpetrel.model.time import from_seconds

T0 = 1_700_000_000_000_000_000
MINUTE = from_seconds(60)
HOURS_8, DAY, WEEK = 480, 1440, 10_080  # samples, at one a minute


def finding(
    number: int, p_value: float, learnt: int | None, severity: Severity = Severity.WARNING
) -> Finding:
    query = f'metric_{number}{{host="a"}}'
    evidence = Evidence("metric", query, number, T0, T0, 9.0, 1.0, 0.0, 2.0, p_value)
    attributes = None if learnt is None else {MODEL_SAMPLES: str(learnt)}
    return Finding(
        f"f{number}", "robust", 1, "residual", "host:a", "high", "why", severity, FindingState.OPEN, T0, T0,
        evidence, attributes=attributes,
    )  # fmt: skip


def bar_of_nothing() -> float:
    """What is asked for before anything was seen, at the budget of forty pages a week."""
    return PageBar().bar(T0, 24, 24)


def test_a_lone_metric_that_flashes_in_the_first_hours_is_no_page() -> None:
    flash = strength_of([finding(0, 1e-9, HOURS_8)], T0 + 3 * MINUTE)
    assert flash.value < bar_of_nothing()
    known = strength_of([finding(0, 1e-9, 4 * WEEK)], T0 + 3 * MINUTE)
    assert known.value > bar_of_nothing()


def test_several_metrics_of_young_models_that_agree_are_a_page_at_once() -> None:
    few = [finding(number, 1e-9, HOURS_8) for number in range(3)]
    assert strength_of(few, T0).value > bar_of_nothing()


def named(metric: str, number: int) -> Finding:
    one = finding(number, 1e-9, HOURS_8)
    return replace(one, evidence=replace(one.evidence, query=f'{metric}{{host="a"}}'))


def test_one_quantity_in_two_units_is_one_signal() -> None:
    files = [named("host_open_file_descriptors", 0), named("host_open_file_descriptors_ratio", 1)]
    reads = [named("host_disk_read_bytes_total", 2), named("host_disk_reads_total", 3)]
    both = strength_of(files + reads, T0)
    assert (both.signals, both.entities) == (2, 1)
    assert both.value == strength_of([files[0], reads[1]], T0).value
    writes = named("host_disk_written_bytes_total", 4)
    assert strength_of([*reads, writes], T0).signals == 2


@pytest.mark.parametrize("learnt", [HOURS_8, DAY, WEEK])
def test_a_model_is_believed_as_far_as_its_tail_is(learnt: int) -> None:
    """Of n samples the tail is granted (2 / n)**2 to be another one: see `detect.metrics.tail`."""
    alone = strength_of([finding(0, 1e-300, learnt)], T0).value
    assert alone == pytest.approx(surprise((2.0 / learnt) ** 2))
    usual = strength_of([finding(0, 1e-3, learnt)], T0).value
    assert usual == pytest.approx(3.0)


def test_no_age_is_no_doubt_and_what_is_severe_says_so_at_any_age() -> None:
    assert strength_of([finding(0, 1e-30, None)], T0).value == 10.0
    assert strength_of([finding(0, 1e-30, 100, Severity.ERROR)], T0).value == 8.0
    assert combined([]) == 0.0
