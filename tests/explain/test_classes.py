"""What kind of cause evidence speaks for."""

from __future__ import annotations

from tests.explain.scenes import change

from stormpetrel.explain.classes import class_of
from stormpetrel.model.cause import CauseClass, EvidenceItem


def said(kind: str, name: str, weight: float) -> EvidenceItem:
    return EvidenceItem(kind, "service:a", "", weight, "log", name)


def test_a_line_that_says_what_it_is_decides_and_one_that_is_missing_does_not() -> None:
    busy = said("metric:cpu", "cpu_usage", 3.0)
    assert class_of([busy], None) is CauseClass.SATURATION
    assert class_of([busy, said("log", "CRON: (root) CMD (export)", 1.0)], None) is CauseClass.JOB
    assert (
        class_of([busy, said("missing log", "CRON: (root) CMD (export)", 2.0)], None) is CauseClass.SATURATION
    )


def test_latency_is_how_trouble_shows_and_not_what_it_is() -> None:
    slow = said("metric:latency", "latency_p95", 3.0)
    assert class_of([slow, said("metric:cpu", "cpu_usage", 1.0)], None) is CauseClass.SATURATION
    assert class_of([slow], None) is CauseClass.DEPENDENCY
    assert class_of([], None) is CauseClass.UNKNOWN
    assert class_of([said("graph", "", -1.0)], None) is CauseClass.UNKNOWN


def test_a_change_that_is_held_to_be_the_cause_says_its_kind() -> None:
    assert class_of([], change("c", 1, "x", kind="deploy")) is CauseClass.DEPLOY
    assert class_of([], change("c", 1, "x", kind="flag")) is CauseClass.CONFIGURATION


def test_a_line_of_waiting_shows_the_trouble_and_is_no_code() -> None:
    slow = said("log", "slow query: <*> ms", 6.0)
    assert class_of([slow], None) is CauseClass.DEPENDENCY
    assert class_of([slow, said("metric:memory", "rss_bytes", 3.0)], None) is CauseClass.SATURATION
    assert class_of([said("log", "TypeError in <*>", 6.0)], None) is CauseClass.CODE


def test_what_somebody_waits_for_who_calls_nobody_is_in_the_host() -> None:
    slow = [said("log", "slow query: <*> ms", 6.0), said("self time", "SELECT", 2.0)]
    busy_disk = said("metric:io", "system_disk_io_milliseconds_total", 1.5)
    assert class_of(slow, None, [busy_disk]) is CauseClass.HARDWARE
    assert class_of(slow, None, [busy_disk, said("metric:cpu", "cpu_usage", 1.5)]) is CauseClass.SATURATION
    assert class_of(slow, None, [said("metric:io", "filesystem_used_bytes", 1.5)]) is CauseClass.SATURATION
    assert class_of(slow, None, [said("metric:latency", "ping", 1.5)]) is CauseClass.DEPENDENCY
    assert class_of(slow, None, [said("metric:cpu", "cpu_usage", -1.5)]) is CauseClass.DEPENDENCY
