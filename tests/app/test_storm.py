"""Ten thousand alerts in a minute through the whole pipeline: few incidents, nothing dropped."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from stormpetrel.app.config import Config, load_config
from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.columns import build_spans
from stormpetrel.model.finding import Finding, FindingState
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.record_columns import build_alerts
from stormpetrel.model.records import AlertBatch
from stormpetrel.model.signal import SpanBatch
from stormpetrel.model.time import from_seconds

T0 = 1_700_000_000_000_000_000
SERVICES, ALERTS, REQUEST = 100, 100, 100
Row = tuple[int, int]  # service, alert


def at(seconds: float) -> int:
    return T0 + from_seconds(seconds)


def by_service() -> list[Row]:
    return [(service, alert) for service in range(SERVICES) for alert in range(ALERTS)]


def by_alert() -> list[Row]:
    return [(service, alert) for alert in range(ALERTS) for service in range(SERVICES)]


def request(rows: list[Row], start: float, end: float | None = None, common: bool = True) -> AlertBatch:
    """One notification; `common`: all services have alerts of the same names."""
    names = [f"Alert{alert}" if common else f"Alert{alert}Of{service}" for service, alert in rows]
    return build_alerts(
        [at(start if end is None else end)] * len(rows),
        [f"{service}/{alert}" for service, alert in rows],
        source="am",
        start_unix_nano=at(start),
        end_unix_nano=0 if end is None else at(end),
        state="firing" if end is None else "resolved",
        entity=[f"service:s{service}" for service, _ in rows],
        name=names,
        severity_number=[18 if alert % 10 == 0 else 13 for _, alert in rows],
        summary="it is slow",
        labels=[json.dumps({"alertname": name}) for name in names],
    )


def calls(pairs: list[Row]) -> SpanBatch:
    """Spans in which the one service calls the other."""
    ids = [(f"{caller:04d}", f"{caller:04d}{callee:04d}") for caller, callee in pairs]
    return build_spans(
        [T0] * (2 * len(pairs)),
        [T0 + 1] * (2 * len(pairs)),
        "call",
        "t",
        [one for pair in ids for one in pair],
        parent_span_id=[one for pair in ids for one in ("", pair[0])],
        entity=[f"service:s{one}" for pair in pairs for one in pair],
    )


class Storm:
    """A pipeline that is told alerts request by request, with ticks between them."""

    def __init__(self, config: Config | None = None) -> None:
        self.pipeline = Pipeline(config or Config(), SeriesRegistry())
        self.findings: dict[str, Finding] = {}
        self.incidents: dict[str, Incident] = {}

    def tell(self, rows: list[Row], start: float, end: float | None = None, common: bool = True) -> None:
        first = start if end is None else end
        requests = len(rows) // REQUEST
        for n in range(requests):
            now = first + 60.0 * n / requests
            if n % 8 == 0:  # every five seconds
                self.tick(now)
            some = rows[n * REQUEST : (n + 1) * REQUEST]
            batch = request(some, start if end is not None else now, None if end is None else now, common)
            self.take(self.pipeline.judge_records(batch))

    def tick(self, seconds: float) -> None:
        self.take(self.pipeline.advance(at(seconds)))

    def take(self, outcome: Outcome) -> None:
        self.findings.update((one.finding_id, one) for one in outcome.findings)
        self.incidents.update((one.incident_id, one) for one in outcome.incidents)

    def whole(self) -> int:
        """Findings kept whole and counted, in all incidents."""
        return sum(len(one.findings) + sum(count for _, count in one.more) for one in self.incidents.values())


@pytest.mark.parametrize("order", [by_service, by_alert])
def test_alerts_of_common_names_are_a_few_incidents_and_nothing_is_dropped(
    order: Callable[[], list[Row]],
) -> None:
    rows = order()
    storm = Storm()
    storm.tell(rows, 0.0)
    assert len(storm.findings) == SERVICES * ALERTS
    assert 1 <= len(storm.incidents) <= 20
    assert storm.whole() == SERVICES * ALERTS
    most = max(storm.incidents.values(), key=lambda one: len(one.entities))
    assert len(most.findings) == Config().incidents.max_findings
    assert {title for title, _ in most.more} <= {f"Alert{n}" for n in range(ALERTS)}
    assert len(most.timeline) <= 1000
    assert most.priority is not None
    assert most.priority.level == 1, most.priority.reason


def test_services_that_call_one_another_are_a_few_incidents_whatever_the_alerts_are_called() -> None:
    storm = Storm()
    # Ten entries, each with a chain of nine: neighbours that call one another.
    chains = [(10 * n + k, 10 * n + k + 1) for n in range(10) for k in range(9)]
    storm.take(storm.pipeline.judge_spans(calls(chains)))
    storm.tell(by_service(), 0.0, common=False)
    assert len(storm.incidents) == 10
    assert storm.whole() == SERVICES * ALERTS


def test_what_has_nothing_in_common_stays_apart() -> None:
    storm = Storm()
    storm.tell(by_service(), 0.0, common=False)
    assert len(storm.incidents) == SERVICES


def test_told_again_nothing_changes_and_resolved_everything_ends() -> None:
    storm = Storm()
    storm.tell(by_alert(), 0.0)
    before = dict(storm.findings)
    for n in range(0, SERVICES * ALERTS, 1000):
        outcome = storm.pipeline.judge_records(request(by_alert()[n : n + 1000], 0.0))
        assert (list(outcome.findings), list(outcome.incidents)) == ([], [])
    storm.tell(by_alert()[: 50 * REQUEST], 60.0, 120.0)
    storm.tick(1000.0)
    assert any(one.state is IncidentState.OPEN for one in storm.incidents.values()), "half of them fire"
    storm.tell(by_alert()[50 * REQUEST :], 60.0, 1000.0)
    storm.tick(1400.0)
    assert storm.findings.keys() == before.keys()
    assert {one.state for one in storm.findings.values()} == {FindingState.CLOSED}
    assert {one.state for one in storm.incidents.values()} == {IncidentState.RESOLVED}


def test_shared_entities_can_be_set() -> None:
    storm = Storm(load_config(None, {"incidents": {"shared_entities": 50}}))
    storm.tell(by_alert(), 0.0)
    assert len(storm.incidents) > 20


def test_a_sender_that_falls_silent_resolves_nothing_until_it_is_unknown() -> None:
    storm = Storm()
    storm.tick(0.0)
    storm.take(storm.pipeline.judge_records(request([(1, 1)], 0.0)))
    (opened,) = storm.incidents.values()
    for hour in range(1, 6):
        storm.tick(3600.0 * hour)
    assert storm.incidents[opened.incident_id].state is IncidentState.OPEN
    storm.tick(6 * 3600.0 + 60.0)
    (finding,) = storm.findings.values()
    assert "closed as unknown, not as resolved" in finding.why
    storm.tick(23 * 3600.0)
    waiting = storm.incidents[opened.incident_id]
    assert waiting.state is IncidentState.OPEN
    assert waiting.sentence.endswith("(state unknown)")
    storm.tick(24 * 3600.0 + 60.0)
    resolved = storm.incidents[opened.incident_id]
    assert resolved.state is IncidentState.RESOLVED
    assert resolved.timeline[-1].text == "resolved: not heard of for a day: state unknown"
