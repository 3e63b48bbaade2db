"""Which finding names an incident."""

from __future__ import annotations

from dataclasses import replace

from stormpetrel.correlate.sentence import headline, sentence_of
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity

AT = 1_790_000_000 * 10**9


def finding(detector: str, title: str, severity: Severity, p_value: float) -> Finding:
    evidence = Evidence("metric", "load", 0, AT, AT, 1.0, 0.0, 0.0, 0.5, p_value)
    return Finding(
        title, detector, 1, "level", "host:a", title, "Why.", severity, FindingState.OPEN, AT, AT, evidence
    )


def test_a_job_that_misbehaves_names_the_incident_and_an_open_one_first() -> None:
    strange = finding("robust", "load far above", Severity.ERROR, 1e-30)
    missing = finding("jobs", "job missing: backup", Severity.WARNING, 1.0)
    overlong = replace(missing, finding_id="x", title="job overlong: backup", start_unix_nano=AT + 1)
    assert headline([strange, missing]) is missing
    gone = replace(missing, state=FindingState.CLOSED)
    assert headline([strange, gone, overlong]) is overlong
    assert sentence_of([strange, gone]).startswith("job missing: backup on host:a since")
    assert headline([strange]) is strange
