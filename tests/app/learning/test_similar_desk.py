"""Fingerprints are kept as incidents change, and earlier incidents that are like one are found."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from stormpetrel.adapters.store.control import SqlControlStore, open_control_store
from stormpetrel.app import similar as desks
from stormpetrel.app.config import Config
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.app.similar import SimilarDesk
from stormpetrel.explain.similar import FLOOR
from stormpetrel.ingest.series import SeriesRegistry
from stormpetrel.model.cause import Cause, CauseClass, Diagnosis
from stormpetrel.model.cause_verdict import HelpedNote
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState
from stormpetrel.model.pattern import Alias
from stormpetrel.model.similar import Feature, FeatureFamily, Fingerprint
from stormpetrel.model.time import from_seconds
from stormpetrel.testing.store_samples import NOW

TICK = from_seconds(5)
PATTERN, OTHER = 0x0123456789ABCDEF, 0x1122334455667788


@pytest.fixture
def pipeline() -> Pipeline:
    return Pipeline(Config(), SeriesRegistry())


@pytest.fixture
def desk(control: SqlControlStore, pipeline: Pipeline) -> SimilarDesk:
    return SimilarDesk(control, pipeline)


def finding(entity: str, query: str, signal: str = "metric", start: int = NOW) -> Finding:
    evidence = Evidence(
        signal, query, 3 if signal == "metric" else -1, start, start, 5.0, 1.0, 0.0, 2.0, 1e-6
    )
    return Finding(
        f"{entity}{query}", "mixture", 1, "jump", entity, "title", "why", Severity.WARNING, FindingState.OPEN,
        start, start, evidence,
    )  # fmt: skip


def incident(number: int, *findings: Finding) -> Incident:
    start = NOW + number * TICK
    entities = tuple(dict.fromkeys(one.entity for one in findings))
    return Incident(
        f"i{number}", f"trouble {number}", IncidentState.RESOLVED, Severity.ERROR, entities, start, start,
        start + TICK, findings, (),
    )  # fmt: skip


def checkout(number: int) -> Incident:
    return incident(
        number, finding("service:checkout", "latency_seconds{}"), finding("service:checkout", "errors{}")
    )


def disk(number: int) -> Incident:
    return incident(number, finding("host:db-1/filesystem:/var", "disk_used_bytes{}"))


def told(entity: str) -> Diagnosis:
    return Diagnosis(1, (Cause(entity, "", CauseClass.CODE, 3.0, ()),), (), "", 0.7, True, ())


def keep(desk: SimilarDesk, control: SqlControlStore, *incidents: Incident) -> None:
    control.save_incidents(incidents)
    desk.noticed(incidents)
    desk.tick(NOW)


def names(desk: SimilarDesk, one: Incident) -> list[str]:
    return [found.incident.incident_id for found in desk.of(one).incidents]


def test_the_earlier_incident_of_the_same_trouble_comes_first(
    desk: SimilarDesk, control: SqlControlStore
) -> None:
    keep(desk, control, checkout(1), disk(2), checkout(3), disk(4))
    control.save_helped(HelpedNote("i1", "rolled back", "jo", NOW))
    page = desk.of(checkout(5))
    assert [found.incident.incident_id for found in page.incidents] == ["i3", "i1"]
    assert (page.looked_at, page.floor) == (4, FLOOR)
    first = page.incidents[1]
    assert first.helped == HelpedNote("i1", "rolled back", "jo", NOW)
    assert first.incident.resolved_unix_nano - first.incident.start_unix_nano == TICK
    assert first.similarity.score == pytest.approx(1.0)
    assert "both hit service:checkout" in [part.words for part in first.similarity.shared]
    assert names(desk, checkout(2)) == ["i1"], "only those that began before"


def test_it_is_found_again_after_a_restart(
    desk: SimilarDesk, control: SqlControlStore, pipeline: Pipeline
) -> None:
    keep(desk, control, checkout(1), disk(2))
    again = SimilarDesk(control, pipeline)
    assert names(again, checkout(9)) == ["i1"]
    keep(again, control, checkout(3))
    assert names(again, checkout(9)) == ["i3", "i1"], "the index follows what changes"


def test_what_was_told_stays_when_the_incident_changes(desk: SimilarDesk, control: SqlControlStore) -> None:
    keep(desk, control, checkout(1))
    desk.tell(checkout(1), told("service:checkout"))
    desk.tell(disk(2), told("host:db-1"))
    grown = replace(checkout(1), findings=(*checkout(1).findings, finding("host:web-1", "cpu{}")))
    keep(desk, control, grown, disk(2))
    kept = control.fingerprints(["i1", "i2"])
    assert Feature(FeatureFamily.CAUSE, "service:checkout") in kept["i1"].features
    assert Feature(FeatureFamily.ENTITY, "host:web-1") in kept["i1"].features
    assert kept["i1"].diagnosed
    assert kept["i2"].diagnosed


def test_only_what_changed_is_written(
    desk: SimilarDesk, control: SqlControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(desk, control, checkout(1))
    written: list[Fingerprint] = []
    monkeypatch.setattr(control, "save_fingerprints", written.extend)
    keep(desk, control, replace(checkout(1), updated_unix_nano=NOW + 99))
    assert written == []
    keep(desk, control, disk(1))
    assert [one.incident_id for one in written] == ["i1"]


def test_a_storm_waits_bounded_and_is_worked_off(
    desk: SimilarDesk, control: SqlControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(desks, "MAX_WAITING", 120)
    desk.noticed([disk(number) for number in range(130)])
    assert desk.dropped_total == 10
    counts = []
    for _ in range(4):
        desk.tick(NOW)
        counts.append(len(control.list_fingerprints()))
    assert counts == [50, 100, 120, 120]


def test_what_waits_is_kept_at_the_end(desk: SimilarDesk, control: SqlControlStore) -> None:
    desk.noticed([disk(number) for number in range(130)])
    desk.close(NOW)
    assert len(control.list_fingerprints()) == 130
    desk.noticed([disk(200)])
    control.close()
    desk.close(NOW)


def test_a_store_that_refuses_is_asked_again(
    desk: SimilarDesk, control: SqlControlStore, pipeline: Pipeline, tmp_path: Path
) -> None:
    desk.noticed([checkout(1)])
    control.close()
    desk.tick(NOW)
    desk.tell(checkout(1), told("service:checkout"))
    desk._control = open_control_store(f"sqlite:///{tmp_path / 'control.sqlite'}")
    desk.tick(NOW)
    assert [one.incident_id for one in desk._control.list_fingerprints()] == ["i1"]


def test_a_pattern_that_was_renamed_is_followed(
    desk: SimilarDesk, control: SqlControlStore, pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def logs(number: int, pattern: int) -> Incident:
        return incident(
            number, finding(f"service:{number}", f'log_patterns{{pattern="{pattern:016x}"}}', "log")
        )

    aliases: list[Alias] = []
    monkeypatch.setattr(pipeline.patterns, "aliases", lambda since=0: aliases[since:])
    now = {PATTERN: PATTERN, OTHER: OTHER}
    monkeypatch.setattr(pipeline.patterns, "resolve", lambda ids: {one: now[one] for one in ids})
    keep(desk, control, logs(1, PATTERN))
    alike = Feature(FeatureFamily.PATTERN, f"{OTHER:016x}")

    def shared() -> bool:
        found = desk.of(logs(9, OTHER)).incidents
        return any(part.feature == alike for one in found for part in one.similarity.shared)

    assert not shared()
    now[PATTERN] = OTHER
    aliases.append(Alias(0, PATTERN, OTHER, "merged"))
    assert shared()
    now[PATTERN] = PATTERN
    aliases.append(Alias(1, PATTERN, PATTERN, "returned"))
    assert not shared(), "what came back under its own id is read anew"
    now[PATTERN] = OTHER
    assert SimilarDesk(control, pipeline).of(logs(9, OTHER)).incidents


def test_a_search_reads_no_more_than_it_shows(
    desk: SimilarDesk, control: SqlControlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(desk, control, *(checkout(number) for number in range(1, 12)))
    names(desk, checkout(20))
    asked: list[int] = []
    real = control.fingerprints

    def counted(ids: list[str]) -> dict[str, Fingerprint]:
        asked.append(len(ids))
        return real(ids)

    monkeypatch.setattr(control, "fingerprints", counted)
    monkeypatch.setattr(control, "list_fingerprints", None)
    monkeypatch.setattr(control, "incident", None)
    assert len(names(desk, checkout(21))) == 5
    assert asked == [1, 5]
