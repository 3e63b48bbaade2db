"""Fields that vanish and labels that make ever new series."""

from __future__ import annotations

import json

from stormpetrel.ingest.drift import FieldDrift, LabelChurn, by_source
from stormpetrel.model.columns import build_logs
from stormpetrel.model.signal import LogBatch, SeriesInfo

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND


def batch(number: int, *fields: str, records: int = 32) -> LogBatch:
    times = [NOW + (number * records + k) * SECOND for k in range(records)]
    attributes = json.dumps(dict.fromkeys(fields, "x"))
    return build_logs(times, "line", source="s", attributes=attributes)


def test_a_field_that_was_always_there_and_went_is_told_with_its_time() -> None:
    drift = FieldDrift()
    for number in range(30):
        drift.update(batch(number, "user_id", "level"))
    assert drift.vanished() == []
    for number in range(30, 34):
        drift.update(batch(number, "level"))
    assert drift.vanished() == [("user_id", NOW + 30 * 32 * SECOND)]
    drift.update(batch(34, "user_id", "level"))
    assert drift.vanished() == []


def test_what_stays_away_is_the_new_normal() -> None:
    drift = FieldDrift()
    for number in range(30):
        drift.update(batch(number, "user_id"))
    for number in range(30, 50):
        drift.update(batch(number))
    assert drift.vanished() == []


def test_a_field_of_some_records_only_does_not_vanish() -> None:
    drift = FieldDrift()
    for number in range(60):
        drift.update(batch(number, *(["trace"] if number % 2 else []), "level"))
    for number in range(60, 66):
        drift.update(batch(number, "level"))
    assert drift.vanished() == []


def test_a_young_source_is_not_judged() -> None:
    drift = FieldDrift()
    drift.update(batch(0, "user_id"))
    drift.update(batch(1, records=200))
    assert drift.vanished() == []


def test_attributes_that_are_no_object_are_passed_over() -> None:
    drift = FieldDrift()
    drift.update(build_logs([NOW], "line", source="s", attributes="[1"))
    drift.update(build_logs([NOW], "line", source="s", attributes="[1]"))
    assert drift.vanished() == []


def test_the_number_of_fields_is_bounded() -> None:
    drift = FieldDrift()
    for number in range(40):
        drift.update(batch(number, *(f"f{number}_{k}" for k in range(50)), records=4))
    assert len(drift._fields) <= 200


def infos(start: int, count: int, **labels: str) -> list[SeriesInfo]:
    return [
        SeriesInfo(k, "m", (("request_id", str(k)), *labels.items()), "host:a", "s")
        for k in range(start, start + count)
    ]


def test_a_label_that_holds_ids_is_named() -> None:
    churn = LabelChurn()
    churn.update(infos(0, 500, zone="a"), NOW)
    assert churn.churning(NOW) is None
    later = NOW + 1200 * SECOND
    churn.update(infos(500, 900, zone="a"), later)
    assert churn.churning(later) == (900, "request_id", 900)


def test_what_a_source_brings_at_its_start_and_a_few_new_series_are_no_churn() -> None:
    churn = LabelChurn()
    churn.update(infos(0, 5000), NOW)
    later = NOW + 1200 * SECOND
    churn.update(infos(5000, 300), later)
    assert churn.churning(later) is None


def test_churn_fades() -> None:
    churn = LabelChurn()
    churn.update(infos(0, 100), NOW)
    later = NOW + 1200 * SECOND
    churn.update(infos(100, 900), later)
    assert churn.churning(later) is not None
    churn.update(infos(1000, 1), later + 4 * 3600 * SECOND)
    assert churn.churning(later + 4 * 3600 * SECOND) is None


def test_series_are_grouped_by_sender() -> None:
    mixed = [*infos(0, 2), SeriesInfo(9, "m", (), "host:a", "other")]
    assert [(name, len(group)) for name, group in by_source(mixed)] == [("s", 2), ("other", 1)]
