"""What the estate in memory is made of: one bad night, with text that tries to break the page."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from stormpetrel.model.cause import Cause, CauseClass, ChangeSuspicion, Diagnosis, EvidenceItem
from stormpetrel.model.finding import Evidence, Finding, FindingState, Severity
from stormpetrel.model.incident import Incident, IncidentState, Priority, TimelineEntry
from stormpetrel.model.page import Page, PageAccount, PageDecision
from stormpetrel.model.quality import Quality, QualityCount
from stormpetrel.model.signal import LogRecord, MetricKind, SeriesInfo, SeriesPoints
from stormpetrel.model.time import NANOS_PER_SECOND, Window, from_iso
from stormpetrel.model.view import BandView, SourceView

NOW = from_iso("2026-03-14T03:12:41Z")
SECOND = NANOS_PER_SECOND
MINUTE = 60 * SECOND
HOSTILE = "<script>window.owned=1</script><img src=x onerror=window.owned=1>\u202egnp.exe\x1b[31m\x00"

SERIES = [
    SeriesInfo(
        0,
        "http_request_duration_seconds",
        (("job", "checkout"), ("quantile", "0.99")),
        "service:checkout",
        "prometheus-eu",
        MetricKind.GAUGE,
        "seconds",
    ),
    SeriesInfo(
        1,
        "node_memory_MemAvailable_bytes",
        (("instance", "db-1:9100"), ("job", "node")),
        "host:db-1",
        "prometheus-eu",
        MetricKind.GAUGE,
        "bytes",
    ),
    SeriesInfo(
        2,
        "http_requests_total",
        (("code", "500"), ("job", "checkout")),
        "service:checkout",
        "prometheus-eu",
        MetricKind.COUNTER,
        "",
    ),
    SeriesInfo(
        3,
        "system_filesystem_utilization_ratio",
        (("mountpoint", "/var"),),
        "host:db-1/filesystem:/var",
        "host",
        MetricKind.GAUGE,
        "ratio",
    ),
    SeriesInfo(4, "evil_metric", (("label", HOSTILE),), f"service:{HOSTILE}", "otel", MetricKind.UNKNOWN, ""),
    *(
        SeriesInfo(
            5 + i,
            "node_cpu_seconds_total",
            (("cpu", str(i)), ("instance", "web-1:9100"), ("mode", "user")),
            "host:web-1",
            "prometheus-eu",
            MetricKind.COUNTER,
            "seconds",
        )
        for i in range(40)
    ),
]

ANOMALY = (NOW - 21 * MINUTE, NOW - 4 * MINUTE)


def points(info: SeriesInfo, window: Window, max_points: int) -> SeriesPoints:
    """A daily wave with noise, a step during the anomaly, and half an hour of silence before it."""
    step = max((window.end_unix_nano - window.start_unix_nano) // max_points, 15 * SECOND)
    times = np.arange(window.start_unix_nano, window.end_unix_nano, step, dtype=np.int64)
    silent = (times > NOW - 75 * MINUTE) & (times < NOW - 60 * MINUTE)
    times = times[~silent]
    noise = np.random.default_rng(info.series).normal(0, 1, len(times))
    mean = _expected(times) + 0.006 * noise
    mean += 0.32 * ((times >= ANOMALY[0]) & (times <= ANOMALY[1])) * (info.series in (0, 3))
    scale = 2.0**33 if info.unit == "bytes" else 1.0
    spread = 0.012 * np.abs(noise) if step > 15 * SECOND else 0.0
    low, high = (mean - spread) * scale, (mean + spread) * scale
    return SeriesPoints(
        times, mean * scale, low, high, step / SECOND if step > 15 * SECOND else 0.0, len(times) * 4
    )


def _expected(times: NDArray[np.int64]) -> NDArray[np.float64]:
    wave: NDArray[np.float64] = (
        0.24 + 0.05 * np.sin(times / SECOND / 86400 * 2 * np.pi) + 0.02 * np.sin(times / SECOND / 600)
    )
    return wave


def band(info: SeriesInfo, window: Window) -> BandView:
    """The expected band, unknown for the first tenth of the window."""
    times = np.arange(window.start_unix_nano, window.end_unix_nano, 30 * SECOND, dtype=np.int64)[:4000]
    scale = 2.0**33 if info.unit == "bytes" else 1.0
    expected = _expected(times) * scale
    expected[: len(times) // 10] = np.nan
    return BandView(
        times, expected, expected - 0.035 * scale, expected + 0.035 * scale, np.full(len(times), 0.4)
    )


def _finding(
    number: int, info: SeriesInfo, severity: Severity, title: str, why: str, p_value: float
) -> Finding:
    evidence = Evidence(
        "metric", info.text(), info.series, *ANOMALY, 0.581, 0.247, 0.212, 0.282, p_value, info.unit
    )
    return Finding(
        f"f{number:04d}",
        "robust",
        1,
        "level",
        info.entity,
        title,
        why,
        severity,
        FindingState.OPEN,
        *ANOMALY,
        evidence,
    )


FINDINGS = (
    _finding(
        1,
        SERIES[0],
        Severity.CRITICAL,
        "p99 latency far above its band",
        "http_request_duration_seconds was 581 ms where 212 to 282 ms was expected, for 17 minutes.",
        3.1e-13,
    ),
    _finding(
        2,
        SERIES[3],
        Severity.WARNING,
        "file system /var fills faster than usual",
        "Utilisation was 58.1 % where 21.2 to 28.2 % was expected.",
        4.0e-8,
    ),
    Finding(
        "f0003",
        "error_surge",
        1,
        "count",
        "service:checkout",
        "error lines surge",
        "214 error records in 5 minutes where 0 to 6 were expected.",
        Severity.ERROR,
        FindingState.CLOSED,
        *ANOMALY,
        Evidence("log", 'entity="service:checkout" severity>=17', -1, *ANOMALY, 214.0, 2.0, 0.0, 6.0, 1e-9),
    ),
    _finding(4, SERIES[4], Severity.INFO, HOSTILE, HOSTILE, 1e-7),
)

_LINE = (
    TimelineEntry(ANOMALY[0] + 30 * SECOND, "opened", "p99 latency far above its band", finding_id="f0001"),
    TimelineEntry(
        ANOMALY[0] + 90 * SECOND, "finding", "error lines surge on service:checkout", finding_id="f0003"
    ),
    TimelineEntry(ANOMALY[0] + 95 * SECOND, "severity", "warning to critical"),
    TimelineEntry(ANOMALY[1] - 60 * SECOND, "note", HOSTILE, actor=HOSTILE),
)

INCIDENTS = [
    Incident(
        "20260314-0251-checkout",
        "p99 latency far above its band on service:checkout since 02:51 UTC, with 3 more findings",
        IncidentState.OPEN,
        Severity.CRITICAL,
        ("service:checkout", "host:db-1/filesystem:/var"),
        ANOMALY[0],
        ANOMALY[1],
        0,
        FINDINGS,
        _LINE,
        follows="20260301-1120-checkout",
        priority=Priority(
            1, 3, 3, "impact high: reaches the entry point service:shop; urgency high: critical"
        ),
        more=(("p99 latency far above its band", 38), ("HighLatency", 4)),
        page=Page(
            PageDecision.PAGED,
            PageAccount.BUDGET,
            NOW - 20 * MINUTE,
            "strength 14.2 (4 signals), ranked as critical: no bar is asked; number 1 of the last seven days",
            Severity.CRITICAL,
            14.2,
            0.0,
            1,
        ),
    ),
    Incident(
        "20260314-0140-web",
        "CPU far above its band on host:web-1 since 01:40 UTC",
        IncidentState.ACKNOWLEDGED,
        Severity.WARNING,
        ("host:web-1",),
        NOW - 92 * MINUTE,
        NOW - 40 * MINUTE,
        0,
        FINDINGS[1:2],
        _LINE[:1],
        priority=Priority(3, 1, 3, "impact low: 1 entity is hit; urgency high: warning"),
        page=Page(
            PageDecision.HELD,
            PageAccount.NONE,
            NOW - 91 * MINUTE,
            "strength 6.3 (1 signal) is below the bar of 7.2",
            Severity.WARNING,
            6.3,
            7.2,
            4,
        ),
    ),
    Incident(
        "20260313-hostile",
        f"{HOSTILE} on service:{HOSTILE}",
        IncidentState.RESOLVED,
        Severity.ERROR,
        (f"service:{HOSTILE}",),
        NOW - 900 * MINUTE,
        NOW - 840 * MINUTE,
        NOW - 840 * MINUTE,
        FINDINGS[3:],
        _LINE,
        priority=Priority(2, 2, 3, f"impact medium: objective: {HOSTILE}; urgency high: error"),
        more=((HOSTILE, 3),),
        page=Page(
            PageDecision.PAGED,
            PageAccount.BUDGET,
            NOW - 898 * MINUTE,
            f"strength 9.1 reaches the bar of 7.0 {HOSTILE[:8]}",
            Severity.ERROR,
            9.1,
            7.0,
            2,
        ),
    ),
]
INCIDENTS += [
    Incident(
        f"2026-old-{i:03d}",
        f"memory below its band on host:db-{i} since {i % 24:02d}:00 UTC (recovered)",
        IncidentState.RESOLVED,
        Severity.WARNING,
        (f"host:db-{i}",),
        NOW - (1000 + 60 * i) * MINUTE,
        NOW - (970 + 60 * i) * MINUTE,
        NOW - (970 + 60 * i) * MINUTE,
        FINDINGS[1:2],
        _LINE[:2],
    )
    for i in range(120)
]

SOURCES = [
    SourceView("prometheus-eu", "remote_write", "healthy", 918_221_004, 15_240.4, NOW - 2 * SECOND, 0.8, 0),
    SourceView("host", "host", "healthy", 1_442_010, 22.4, NOW - 3 * SECOND, 0.004, 0),
    SourceView("otel", "otlp", "quiet", 88_120, 0.0, NOW - 14 * MINUTE, 840.0, 12),
    SourceView(
        "/var/log/syslog",
        "file",
        "failing",
        41_993,
        0.0,
        NOW - 55 * MINUTE,
        0.0,
        3,
        "/var/log/syslog: permission denied; add the user petrel to the group adm",
    ),
    SourceView("staging", "scrape", "waiting", 0, 0.0, 0, 0.0, 0),
]

_BODIES = (
    (9, "service:checkout", "order 81723 accepted in 42 ms"),
    (17, "service:checkout", "payment gateway timed out after 5000 ms, order 81722 kept for retry"),
    (13, "host:db-1", "checkpoint is taking long: 31.2 s"),
    (9, "host:web-1", "GET /cart 200 12 ms"),
    (5, "host:web-1", "cache refreshed, 1,204 keys"),
    (17, f"service:{HOSTILE}", HOSTILE),
    (21, "host:db-1", "PANIC: could not write to file pg_wal/xlogtemp: No space left on device"),
    (0, "host:db-1", "x" * 50_000),
)


def logs() -> list[LogRecord]:
    """Four hundred records over the last hour, newest first, more errors during the anomaly."""
    records = []
    for i in range(400):
        time = NOW - i * 9 * SECOND - 137_000_000
        bad = ANOMALY[0] <= time <= ANOMALY[1] and i % 3
        number, entity, body = _BODIES[1] if bad else _BODIES[i % (len(_BODIES) if i % 11 == 0 else 5)]
        attributes = {"thread": "main", "http.route": "/orders", "note": HOSTILE} if i % 4 else {}
        trace = f"{i:032x}" if i % 5 == 0 else ""
        records.append(LogRecord(time, entity, "otel", number, body, attributes, trace, trace[:16]))
    return records


QUALITY = [
    QualityCount("prometheus-eu", Quality.GOOD, 918_220_100, NOW),
    QualityCount("prometheus-eu", Quality.DUPLICATE, 412, NOW - 9 * MINUTE),
    QualityCount("otel", Quality.FUTURE, 12, NOW - 14 * MINUTE, HOSTILE),
    QualityCount("host", Quality.KIND_CHANGED, 4, NOW - 40 * MINUTE, "node_x was gauge, is now counter"),
]


def diagnosis() -> Diagnosis:
    """What caused the night, with evidence that tries to break the page."""
    seen = EvidenceItem(
        "metric:latency", "service:checkout", f"p99 rose {HOSTILE}", 2.5, "metric", SERIES[0].text()
    )
    line = EvidenceItem(
        "log", "service:checkout", "logs what it never did", 1.25, "log", f"refused <*> {HOSTILE}"
    )
    against = EvidenceItem("graph", "host:db-1", "service:checkout, which it calls, shows it as well", -0.5)
    change = EvidenceItem("change", "service:checkout", "it came 2 min before", 1.0, "change", "deploy-4711")
    return Diagnosis(
        since_unix_nano=ANOMALY[0],
        causes=(
            Cause("service:checkout", seen.name, CauseClass.DEPLOY, 3.75, (seen, line), "deploy-4711"),
            Cause(
                f"service:{HOSTILE}", "", CauseClass.UNKNOWN, -0.5, (against,), "", f"3.8 to -0.5 {HOSTILE}"
            ),
        ),
        changes=(ChangeSuspicion("deploy-4711", 1.0, (change,)), ChangeSuspicion(HOSTILE, 0.0, ())),
        change_id="deploy-4711",
        certainty=0.79,
        found=True,
        checked=("calls: none is slower, missing or failing by itself",),
    )
