"""The Prometheus text format: the specification's example, round trips, bad lines, kinds that change."""

from __future__ import annotations

import math

import numpy as np
import prometheus_client
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stormpetrel.ingest.exposition import ExpositionParser
from stormpetrel.ingest.series import REFUSED_SERIES, SeriesRegistry
from stormpetrel.model.push import Decoded
from stormpetrel.model.quality import Quality
from stormpetrel.model.signal import MetricKind

NOW = 1_700_000_000_000_000_000

EXAMPLE = rb"""
# HELP http_requests_total The total number of HTTP requests.
# TYPE http_requests_total counter
http_requests_total{method="post",code="200"} 1027 1395066363000
http_requests_total{method="post",code="400"}    3 1395066363000

# Escaping in label values:
msdos_file_access_time_seconds{path="C:\\DIR\\FILE.TXT",error="Cannot find file:\n\"FILE.TXT\""} 1.458255915e9

# Minimalistic line:
metric_without_timestamp_and_labels 12.47

# A weird metric from before the epoch:
something_weird{problem="division by zero"} +Inf -3982045

# TYPE http_request_duration_seconds histogram
http_request_duration_seconds_bucket{le="0.05"} 24054
http_request_duration_seconds_bucket{le="+Inf"} 144320
http_request_duration_seconds_sum 53423
http_request_duration_seconds_count 144320

# TYPE rpc_duration_seconds summary
rpc_duration_seconds{quantile="0.99"} 76656
rpc_duration_seconds_sum 1.7560473e+07
rpc_duration_seconds_count 2693
"""


class Scraper:
    """A parser, its registry, and a short way to both."""

    def __init__(self, max_series: int = 1000) -> None:
        self.registry = SeriesRegistry(max_series)
        self.parser = ExpositionParser(self.registry)

    def scrape(self, text: bytes, **extra: str) -> Decoded:
        return self.parser.parse(text, NOW, "s", extra)

    def rows(self, decoded: Decoded) -> list[tuple[str, int, float]]:
        if decoded.metrics is None:
            return []
        m = decoded.metrics
        columns = (m.series.tolist(), m.time_unix_nano.tolist(), m.value.tolist())
        return [(self.registry.info(s).text(), t, v) for s, t, v in zip(*columns, strict=True)]


def test_the_example_of_the_specification() -> None:
    scraper = Scraper()
    decoded = scraper.scrape(EXAMPLE)
    assert decoded.rejected == ()
    assert scraper.rows(decoded) == [
        ('http_requests_total{code="200",method="post"}', 1395066363000 * 10**6, 1027.0),
        ('http_requests_total{code="400",method="post"}', 1395066363000 * 10**6, 3.0),
        (
            'msdos_file_access_time_seconds{error="Cannot find file:\\n\\"FILE.TXT\\"",'
            'path="C:\\\\DIR\\\\FILE.TXT"}',
            NOW,
            1.458255915e9,
        ),
        ("metric_without_timestamp_and_labels", NOW, 12.47),
        ('something_weird{problem="division by zero"}', -3982045 * 10**6, math.inf),
        ('http_request_duration_seconds_bucket{le="0.05"}', NOW, 24054.0),
        ('http_request_duration_seconds_bucket{le="+Inf"}', NOW, 144320.0),
        ("http_request_duration_seconds_sum", NOW, 53423.0),
        ("http_request_duration_seconds_count", NOW, 144320.0),
        ('rpc_duration_seconds{quantile="0.99"}', NOW, 76656.0),
        ("rpc_duration_seconds_sum", NOW, 17560473.0),
        ("rpc_duration_seconds_count", NOW, 2693.0),
    ]
    kinds = {scraper.registry.info(i).metric: scraper.registry.info(i).kind for i in range(12)}
    assert kinds["http_requests_total"] is MetricKind.COUNTER
    assert kinds["something_weird"] is MetricKind.UNKNOWN
    assert kinds["http_request_duration_seconds_bucket"] is MetricKind.COUNTER
    assert kinds["rpc_duration_seconds"] is MetricKind.GAUGE


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"lonely", "bad_line"),
        (b"a{ 1", "bad_line"),
        (b'a{b="x} 1', "bad_line"),
        (b"a 1 2 3", "bad_line"),
        (b"1a 2", "bad_metric_name"),
        (b"a{b=c} 2", "bad_labels"),
        (b'a{b="1",b="2"} 2', "duplicate_label"),
        (b'{b="1"} 2', "no_metric_name"),
        (b'a{b="\xff"} 2', "not_utf8"),
        (b"a 1_0", "bad_value"),
        (b"a 0x10", "bad_value"),
        (b"a one", "bad_value"),
        (b"a 1 x", "bad_timestamp"),
        (b"a 1 1_0", "bad_timestamp"),
        (b"a 1 99999999999999", "bad_timestamp"),
        (b'a{b="' + b"x" * (64 << 10) + b'"} 1', "line_too_long"),
    ],
)
def test_a_bad_line_is_refused_alone(line: bytes, reason: str) -> None:
    scraper = Scraper()
    for _ in range(2):
        decoded = scraper.scrape(b"before 1\n" + line + b"\nafter 2\n")
        assert [(r.reason, r.rows) for r in decoded.rejected] == [(reason, 1)]
        assert scraper.rows(decoded) == [("before", NOW, 1.0), ("after", NOW, 2.0)]


def test_open_metrics_seconds_exemplars_units_and_quoted_names() -> None:
    scraper = Scraper()
    text = (
        b"# TYPE lat_seconds histogram\n# UNIT lat_seconds seconds\n"
        b'lat_seconds_bucket{le="1"} 2 1520879607.789 # {trace_id="a} # b"} 0.67 1520879607.7\n'
        b'lat_seconds_sum 2.5\n{"my.metric", "a b"="c"} 1\n# EOF\n'
    )
    decoded = scraper.scrape(text)
    assert decoded.rejected == ()
    assert scraper.rows(decoded) == [
        ('lat_seconds_bucket{le="1"}', 1520879607789000000, 2.0),
        ("lat_seconds_sum", NOW, 2.5),
        ('my.metric{a b="c"}', NOW, 1.0),
    ]
    assert [scraper.registry.info(i).unit for i in range(2)] == ["", "seconds"]


def test_extra_labels_rename_what_they_meet() -> None:
    scraper = Scraper()
    decoded = scraper.scrape(b'a{job="own",x="1"} 1\n', job="node", instance="i:1")
    assert scraper.rows(decoded)[0][0] == 'a{exported_job="own",instance="i:1",job="node",x="1"}'


def test_a_type_that_comes_late_is_learnt_and_one_that_changes_blocks() -> None:
    scraper = Scraper()
    scraper.scrape(b"a 1\n")
    scraper.scrape(b"# TYPE a gauge\na 1\n")
    assert scraper.registry.info(0).kind is MetricKind.GAUGE
    assert scraper.registry.blocked()[0] == 0
    scraper.scrape(b"# TYPE a counter\na 1\n")
    assert scraper.registry.blocked()[0] == Quality.KIND_CHANGED


def test_a_refused_series_comes_in_once_there_is_room() -> None:
    scraper = Scraper(max_series=1)
    for ids, room in (([0, REFUSED_SERIES], 2), ([0, 1], 2)):
        decoded = scraper.scrape(b"a 1\nb 1\n")
        assert decoded.metrics is not None
        assert decoded.metrics.series.tolist() == ids
        scraper.registry._max_per_source = room


NAME = st.from_regex(r"[a-zA-Z_:][a-zA-Z0-9_:]{0,8}", fullmatch=True)
LABELS = st.dictionaries(
    st.from_regex(r"[a-z][a-zA-Z0-9_]{0,8}", fullmatch=True),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    max_size=4,
)


def escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def written(labels: dict[str, str]) -> str:
    inner = ",".join(f'{name}="{escape(value)}"' for name, value in labels.items())
    return f"{{{inner}}}" if inner else ""


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(NAME, LABELS, st.floats(), st.integers(-(10**12), 10**12)), max_size=5))
def test_round_trip_is_exact(samples: list[tuple[str, dict[str, str], float, int]]) -> None:
    lines = [f"{n}{written(labels)} {value!r} {millis}" for n, labels, value, millis in samples]
    scraper = Scraper()
    for _ in range(2):
        decoded = scraper.scrape("\n".join(lines).encode())
        assert decoded.rejected == ()
        if not samples:
            assert decoded.metrics is None
            continue
        assert decoded.metrics is not None
        infos = [scraper.registry.info(int(s)) for s in decoded.metrics.series]
        assert [(i.metric, dict(i.labels)) for i in infos] == [(n, labels) for n, labels, _, _ in samples]
        assert np.array_equal(decoded.metrics.value, [v for _, _, v, _ in samples], equal_nan=True)
        assert decoded.metrics.time_unix_nano.tolist() == [t * 10**6 for *_, t in samples]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(list(b'a{}="\\,# \t\r\n1.eE+-\xff\x00TYPE')), max_size=60))
def test_no_text_raises(characters: list[int]) -> None:
    text = bytes(characters)
    decoded = Scraper().scrape(text)
    lines = [line for line in text.split(b"\n") if line.strip() and not line.startswith(b"#")]
    kept = 0 if decoded.metrics is None else len(decoded.metrics)
    assert kept + sum(r.rows for r in decoded.rejected) == len(lines)


def test_what_the_client_library_exposes_is_read_whole() -> None:
    registry = prometheus_client.CollectorRegistry()
    prometheus_client.Counter("jobs", "Jobs.", ["queue"], registry=registry).labels('a"b\\').inc(3)
    prometheus_client.Histogram("lat_seconds", "Time.", registry=registry).observe(0.3)
    prometheus_client.Gauge("temp", "With\nnewline.", registry=registry).set(-1.5)
    scraper = Scraper()
    decoded = scraper.scrape(prometheus_client.generate_latest(registry))
    assert decoded.rejected == ()
    values = {text: value for text, _, value in scraper.rows(decoded)}
    assert values['jobs_total{queue="a\\"b\\\\"}'] == 3.0
    assert values['lat_seconds_bucket{le="+Inf"}'] == 1.0
    assert values["temp"] == -1.5
