"""Rules are part of the pipeline: what they find becomes incidents, and the calendar is heard."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson

from stormpetrel.app.config import Config
from stormpetrel.app.pipeline import Outcome, Pipeline
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.incident import IncidentState
from stormpetrel.model.record_columns import build_alerts
from stormpetrel.model.signal import MetricBatch
from stormpetrel.model.time import from_seconds

SECOND = 1_000_000_000
NOW = 1_700_000_000 * SECOND
DAY = 86_400.0


class Rig:
    """A pipeline without anything else in it."""

    def __init__(self, tmp_path: Path) -> None:
        self.registry = SeriesRegistry(1000)
        self.pipeline = Pipeline(Config(data_dir=tmp_path), self.registry)

    def tell(self, seconds: float, metric: str, value: float) -> Outcome:
        series = self.registry.intern(metric, {"service": "shop"}, "scrape:probe")
        now = NOW + from_seconds(seconds)
        batch = MetricBatch(
            np.array([series], np.uint32), np.array([now], np.int64), np.array([value], np.float64)
        )
        return self.pipeline.judge_metrics(self.pipeline.admit(batch, now).admitted)


def test_a_certificate_that_ends_soon_is_an_incident_until_it_is_renewed(tmp_path: Path) -> None:
    rig, end = Rig(tmp_path), NOW / 1e9 + 10 * DAY
    opened = rig.tell(0, "probe_ssl_earliest_cert_expiry", end)
    (incident,) = opened.incidents
    assert [one.detector for one in incident.findings] == ["certificate_expiry"]
    assert incident.entities == ("service:shop",)
    rig.tell(60, "probe_ssl_earliest_cert_expiry", end + 90 * DAY)
    over = [rig.pipeline.advance(NOW + from_seconds(seconds)) for seconds in (61, 200, 400, 800)]
    resolved = [one for outcome in over for one in outcome.incidents if one.state is IncidentState.RESOLVED]
    assert [one.incident_id for one in resolved] == [incident.incident_id]


def test_alerts_of_one_stranger_are_two_kinds_of_findings(tmp_path: Path) -> None:
    rig = Rig(tmp_path)
    labels = orjson.dumps({"src_ip": "203.0.114.7", "dest_ip": "10.0.0.5", "proto": "TCP"}).decode()
    names = ["scan", "exploit", "brute force"]
    alerts = build_alerts(
        [NOW + n * SECOND for n in range(3)], names, source="suricata", name=names, labels=labels,
        severity_number=17, entity="host:10.0.0.5",
    )  # fmt: skip
    outcome = rig.pipeline.judge_records(alerts)
    assert sorted(one.detector for one in outcome.findings) == ["alert"] * 3 + ["hostile_address"]
    (found,) = [one for one in outcome.findings if one.detector == "hostile_address"]
    assert found.attributes == {"address": "203.0.114.7"}
