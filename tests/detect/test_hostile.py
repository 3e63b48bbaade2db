"""Strangers of whom several attacks are told: one finding each, and none for forged or own addresses."""

from __future__ import annotations

from stormpetrel.detect.hostile import ADDRESS, HostileWatch
from stormpetrel.model.finding import FindingState, Severity
from stormpetrel.model.records import Alert, AlertState

SECOND = 1_000_000_000
T0 = 1_700_000_000 * SECOND
STRANGER = "203.0.114.7"


def alert(
    seconds: float, name: str = "scan", to: str = "10.0.0.1", source: str = STRANGER, **more: object
) -> Alert:
    time = T0 + int(seconds * SECOND)
    labels = {"src_ip": source, "dest_ip": to, "proto": str(more.pop("proto", "TCP"))}
    fields = {
        "time_unix_nano": time, "start_unix_nano": time, "end_unix_nano": 0, "entity": f"host:{to}",
        "source": "suricata", "fingerprint": f"{name}{to}", "name": name, "state": AlertState.FIRING,
        "severity_number": 13, "summary": name, "url": "", "labels": labels, "annotations": {}, **more,
    }  # fmt: skip
    return Alert(**fields)  # type: ignore[arg-type]  # by name


def test_three_signatures_within_ten_minutes() -> None:
    made = HostileWatch()
    assert made.update([alert(0, "a"), alert(1, "a"), alert(2, "b")]) == []
    (found,) = made.update([alert(300, "c", to="10.0.0.2")])
    assert (found.entity, found.severity, found.attributes) == (
        "host:10.0.0.1",
        Severity.ERROR,
        {ADDRESS: STRANGER},
    )
    assert found.title == f"is attacked from {STRANGER}"
    assert "4 alerts with 3 signatures at 2 addresses" in found.why
    assert made.update([alert(310, "d")]) == []
    assert made.advance(T0 + 900 * SECOND) == []
    (closed,) = made.advance(T0 + 911 * SECOND)
    assert (closed.state, closed.finding_id) == (FindingState.CLOSED, found.finding_id)


def test_one_signature_at_ten_destinations() -> None:
    made = HostileWatch()
    alerts = [alert(n, "scan", to=f"10.0.0.{n}") for n in range(10)]
    assert made.update(alerts[:9]) == []
    assert len(made.update(alerts[9:])) == 1


def test_what_is_spread_over_hours_is_not_together() -> None:
    assert HostileWatch().update([alert(n * 601, name) for n, name in enumerate("abcdef")]) == []


def test_forged_own_and_harmless_ones_do_not_count() -> None:
    made = HostileWatch()
    for more in (
        {"proto": "UDP"},
        {"source": "10.9.9.9"},
        {"source": "127.0.0.1"},
        {"source": "224.0.0.1"},
        {"source": "no address"},
        {"severity_number": 9},
        {"state": AlertState.RESOLVED},
    ):
        assert made.update([alert(n, name, **more) for n, name in enumerate("abcdef")]) == []


def test_only_so_many_are_remembered_and_those_that_stand_stay() -> None:
    made = HostileWatch(most=3)
    (found,) = made.update([alert(0, name) for name in "abc"])
    for n in range(1, 20):
        made.update([alert(n, "a", source=f"203.0.114.{100 + n}")])
    (closed,) = made.advance(T0 + 700 * SECOND)
    assert closed.finding_id == found.finding_id
