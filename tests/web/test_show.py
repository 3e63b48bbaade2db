"""Numbers, times and texts as people read them; windows in addresses; the vendored files."""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import stormpetrel.web
from stormpetrel.model.query import LogCounts
from stormpetrel.model.signal import MetricKind, SeriesInfo
from stormpetrel.model.time import NANOS_PER_SECOND, Window, from_iso
from stormpetrel.web import show
from stormpetrel.web.errors import BadRequestError
from stormpetrel.web.pages.logs import histogram
from stormpetrel.web.windows import around, moment, span

WEB = Path(stormpetrel.web.__file__).parent
NOW = from_iso("2026-03-14T03:12:41Z")


@given(st.text())
def test_visible_text_has_no_unseen_characters_and_keeps_the_rest(text: str) -> None:
    shown = str(show.visible(text))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u200b-\u200f\ufeff]", shown)
    shown.encode("utf-8")
    if text.isalnum():
        assert shown == text


@given(st.floats(), st.sampled_from(["", "1", "bytes", "By/s", "ratio", "seconds", "requests", "ms", "By"]))
def test_any_number_with_any_unit_can_be_written(value: float, unit: str) -> None:
    text = show.quantity(value, unit)
    assert text
    assert ("unknown" in text) is math.isnan(value)
    assert len(text) < 60


@given(st.floats(1e-300, 1.0))
def test_odds_are_never_flattered(p_value: float) -> None:
    assert show.p_text(p_value).startswith(("about 1 in", "below 1 in"))


@pytest.mark.parametrize(
    ("p_value", "text"),
    [
        (1e-6, "about 1 in 1 million"),
        (3.1e-13, "about 1 in 3.2 trillion"),
        (1e-40, "below 1 in 1,000 trillion"),
        (0.0, "not judged"),
        (math.nan, "not judged"),
        (1.0, "about 1 in 1"),
    ],
)
def test_odds(p_value: float, text: str) -> None:
    assert show.p_text(p_value) == text


def test_units_of_series() -> None:
    def unit(metric: str, kind: MetricKind, declared: str = "") -> str:
        return show.unit_of(SeriesInfo(0, metric, (), "a:b", "s", kind, declared))

    assert unit("node_network_receive_bytes_total", MetricKind.COUNTER) == "bytes/s"
    assert unit("request_duration_seconds", MetricKind.GAUGE) == "seconds"
    assert unit("x", MetricKind.GAUGE, "By") == "By"
    assert unit("host_cpu_busy_ratio", MetricKind.GAUGE, "1") == "ratio"
    assert unit("host_load", MetricKind.GAUGE, "1") == "1"
    assert unit("requests_total", MetricKind.COUNTER) == "/s"
    assert show.quantity(3.0, "/s") == "3 /s"
    assert show.quantity(185.8, "milliseconds/s") == "185.8 ms/s"
    assert show.quantity(0.95, "seconds/s") == "0.95 s/s"
    assert show.quantity(120.0, "milliseconds") == "120 ms"


def test_windows_in_addresses() -> None:
    assert span("", "", NOW).window == Window(NOW - 3600 * NANOS_PER_SECOND, NOW)
    assert span("-7d", "-1d", NOW).window.seconds == 6 * 86400
    assert not span("2026-03-14T00:00:00Z", "2026-03-14T01:00:00Z", NOW).relative
    assert moment("2026-03-14T03:12:41+00:00".replace("+", " "), NOW) == NOW  # a plus that became a space
    assert moment(str(NOW), NOW) == NOW
    start, end = around(NOW, 60)
    assert from_iso(end) - from_iso(start) == 120 * NANOS_PER_SECOND


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_is_a_window_or_a_bad_request(start: str, end: str) -> None:
    try:
        window = span(start, end, NOW).window
    except BadRequestError:
        return
    assert 0 <= window.start_unix_nano < window.end_unix_nano < 1 << 63


@given(st.lists(st.lists(st.integers(0, 10**9), min_size=25, max_size=25), min_size=1, max_size=30))
def test_the_histogram_counts_every_record_and_stays_in_its_frame(rows: list[list[int]]) -> None:
    count = np.array(rows, np.int64)
    starts = np.arange(len(rows), dtype=np.int64) * NANOS_PER_SECOND
    drawn = histogram(LogCounts(starts, count), Window(0, len(rows) * NANOS_PER_SECOND))
    assert drawn["total"] == count.sum()
    assert sum(total for _, total in drawn["totals"]) == count.sum()
    assert all(0 <= bar.y <= 100 and bar.height >= 2 for bar in drawn["bars"])
    assert len(drawn["bars"]) == sum(
        bool(count[i, low : high + 1].any())
        for i in range(len(rows))
        for low, high in ((17, 24), (13, 16), (9, 12), (0, 8))
    )


def test_vendored_files_are_what_their_checksums_say() -> None:
    vendor = WEB / "static" / "vendor"
    lines = (vendor / "CHECKSUMS").read_text().splitlines()
    listed = {name: digest for digest, name in (line.split() for line in lines)}
    assert set(listed) == {p.name for p in vendor.iterdir()} - {"CHECKSUMS", "README.md"}
    for name, digest in listed.items():
        assert hashlib.sha256((vendor / name).read_bytes()).hexdigest() == digest, name


def test_no_template_calls_anything_safe_and_no_script_builds_markup() -> None:
    templates = list((WEB / "templates").glob("*.html"))
    assert templates
    for path in templates:
        text = path.read_text()
        assert not re.search(r"\|\s*safe\b|autoescape|Markup", text), path.name
        assert not re.search(r"""(href|src)=["']?(https?:)?//""", text), path.name
    for path in (WEB / "static").glob("*.js"):
        text = path.read_text()
        assert not re.search(r"innerHTML|outerHTML =|insertAdjacentHTML|document\.write|eval\(", text), (
            path.name
        )
