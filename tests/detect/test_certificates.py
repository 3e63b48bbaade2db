"""A certificate that ends soon is told in time, and again when it gets urgent."""

from __future__ import annotations

import pytest
from tests.detect.ruled import T0, Ruled, info

from stormpetrel.detect.certificates import METRICS, CertificateWatch, severity_of
from stormpetrel.model.finding import FindingState, Severity

DAY = 86_400.0
NOW = T0 / 1e9
PROBE = info(0, "probe_ssl_earliest_cert_expiry", instance="https://shop.example", job="blackbox")


def watch() -> Ruled:
    return Ruled([PROBE, info(1, "probe_success")], CertificateWatch)


def test_it_is_told_a_fortnight_before_and_gets_worse() -> None:
    made, end = watch(), NOW + 20 * DAY
    assert made.tell((0, 0, end), (0, 5 * DAY, end)) == []
    warned, error, critical = made.tell(
        (0, 7 * DAY, end), (0, 8 * DAY, end), (0, 18 * DAY, end), (0, 19.5 * DAY, end)
    )
    assert [one.severity for one in (warned, error, critical)] == [
        Severity.WARNING,
        Severity.ERROR,
        Severity.CRITICAL,
    ]
    assert len({one.finding_id for one in (warned, error, critical)}) == 1
    assert warned.title == "its certificate ends soon"
    assert "ends in 13.0 days, at 2023-12-" in warned.why
    low, high = warned.evidence.low, warned.evidence.high
    assert not low <= end <= high
    assert low <= end + 90 * DAY <= high, "a new one lies within the band"
    (over,) = made.tell((0, 19.6 * DAY, end + 90 * DAY))
    assert (over.state, over.finding_id) == (FindingState.CLOSED, warned.finding_id)
    assert "it ends in 90 days" in over.why


def test_one_that_has_ended_is_critical() -> None:
    (found,) = watch().tell((0, 0, NOW - 3600))
    assert (found.severity, found.title) == (Severity.CRITICAL, "its certificate has ended")
    assert "ended 1.0 hours ago" in found.why


def test_the_life_of_one_that_was_renewed_is_known() -> None:
    made = watch()
    (told,) = made.tell((0, 0, NOW + 5 * DAY))
    assert told.severity is Severity.WARNING, "nobody knows yet that this one lives for a week"
    (over,) = made.tell((0, DAY, NOW + 8 * DAY))
    assert over.state is FindingState.CLOSED
    assert made.tell((0, 2 * DAY, NOW + 8 * DAY), (0, 6 * DAY, NOW + 8 * DAY)) == []
    (again,) = made.tell((0, 6.5 * DAY, NOW + 8 * DAY))
    assert again.severity is Severity.WARNING
    assert again.finding_id != told.finding_id


def test_the_same_certificate_has_the_same_finding_after_a_restart() -> None:
    end = NOW + 10 * DAY
    (one,), (other,) = watch().tell((0, 0, end)), watch().tell((0, DAY, end))
    assert one.finding_id == other.finding_id


@pytest.mark.parametrize("value", [0.0, -1.0, 1e12, float("nan"), float("inf")])
def test_what_is_no_date_says_nothing(value: float) -> None:
    assert watch().tell((0, 0, value)) == []


def test_one_that_nobody_probes_any_more_is_unknown() -> None:
    made = watch()
    made.tell((0, 0, NOW + DAY))
    assert made.wait(2 * DAY) == []
    (closed,) = made.wait(2 * DAY + 1)
    assert closed.why.endswith("unknown.")


def test_every_metric_of_it_is_looked_at() -> None:
    infos = [info(number, metric) for number, metric in enumerate(sorted(METRICS))]
    made = Ruled(infos, CertificateWatch)
    assert len(made.at_once([(one.series, 0, NOW + DAY) for one in infos])) == len(METRICS)


def test_terms_of_short_lives_are_shorter() -> None:
    assert severity_of(2 * DAY, 7 * DAY) is None
    assert severity_of(1.5 * DAY, 7 * DAY) is Severity.WARNING
    assert severity_of(13 * DAY, 365 * DAY) is Severity.WARNING
    assert severity_of(0.0) is Severity.CRITICAL
