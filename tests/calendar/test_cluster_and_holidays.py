"""CronJobs from manifests and the API's answer, and public holidays."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.context.times import BERLIN, at, series, shown

from stormpetrel.adapters.calendar.ical import CalendarSourceError
from stormpetrel.adapters.calendar.kubernetes import read_cronjobs
from stormpetrel.adapters.calendar.national import read_holidays
from stormpetrel.context.scope import read_scope
from stormpetrel.model.calendar import Cron, Listed
from stormpetrel.model.time import Window

MANIFEST = b"""
apiVersion: v1
kind: ConfigMap
metadata: {name: other}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: report, namespace: shop}
spec:
  schedule: "0 2 * * *"
  timeZone: Europe/Berlin
  jobTemplate:
    spec: {activeDeadlineSeconds: 900}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: paused}
spec: {schedule: "*/5 * * * *", suspend: true}
"""


def test_manifests_in_yaml() -> None:
    (entry,) = read_cronjobs(MANIFEST, "jobs.yaml", "UTC", 1800.0)
    assert entry.recurrence == Cron("0 2 * * *", "Europe/Berlin", 900.0)
    assert entry.title == "CronJob shop/report"
    inside = series(1, namespace="shop", pod="report-2918-x7k")
    assert any(read_scope(text).has_series(inside) for text in entry.scopes)
    assert not any(
        read_scope(text).has_series(series(1, namespace="other", pod="report-1")) for text in entry.scopes
    )
    assert any(read_scope(text).has_entity("pod:report-2918-x7k") for text in entry.scopes)


def test_the_answer_of_the_api_leaves_the_kind_of_its_members_out() -> None:
    job = {"metadata": {"name": "a", "namespace": "b"}, "spec": {"schedule": "@hourly"}}
    body = orjson.dumps({"kind": "CronJobList", "apiVersion": "batch/v1", "items": [job, job, 7]})
    entries = read_cronjobs(body, "api", "Asia/Kolkata", 60.0)
    assert [entry.recurrence for entry in entries] == [Cron("@hourly", "Asia/Kolkata", 60.0)] * 2


keys = st.sampled_from(["kind", "metadata", "spec", "name", "schedule", "items", "jobTemplate"])
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner),
    max_leaves=12,
)


@given(values)
def test_any_object_is_passed_over_or_read(value: object) -> None:
    for body in (orjson.dumps(value), orjson.dumps({"kind": "CronJob", "metadata": value, "spec": value})):
        assert isinstance(read_cronjobs(body, "x", "UTC", 60.0), list)


@pytest.mark.parametrize("body", [b"{", b"a: b: c", b"\xff\xfe\x00", b"!!python/object/apply:os.system [ls]"])
def test_what_is_no_manifest_is_refused_with_a_reason(body: bytes) -> None:
    with pytest.raises(CalendarSourceError, match="YAML or JSON"):
        read_cronjobs(body, "x.yaml", "UTC", 60.0)


def test_holidays_last_from_midnight_to_midnight_of_the_zone() -> None:
    entries = read_holidays("DE", "BE", BERLIN, Window(at("2026-12-24"), at("2027-01-02")))
    said = {e.title: e.recurrence for e in entries}
    rule = said["Erster Weihnachtstag"] if "Erster Weihnachtstag" in said else next(iter(said.values()))
    assert isinstance(rule, Listed)
    assert shown(rule.spans[0][0])[6:] == "00:00 +0100"
    assert len(entries) == 3


@pytest.mark.parametrize(("country", "part"), [("XX", ""), ("DE", "ZZ")])
def test_an_unknown_country_is_refused(country: str, part: str) -> None:
    with pytest.raises(CalendarSourceError, match="holidays of"):
        read_holidays(country, part, ZoneInfo("UTC"), Window(at("2026-12-24"), at("2026-12-26")))
