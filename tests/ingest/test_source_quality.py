"""What is said of a source: its ratio, its reasons, and how they fade."""

from __future__ import annotations

import numpy as np
import pytest

from stormpetrel.ingest.source_quality import SourceQuality
from stormpetrel.model.quality import Quality

MINUTE = 60_000_000_000
NOW = 1_700_000_000_000_000_000


def counts(**verdicts: int) -> np.ndarray:
    made = np.zeros(len(Quality), np.int64)
    for name, count in verdicts.items():
        made[Quality[name]] = count
    return made


def test_a_source_without_fault_is_whole() -> None:
    quality = SourceQuality()
    quality.judged(counts(GOOD=1000), NOW)
    assert quality.report(NOW).quality_ratio == 1.0
    assert quality.report(NOW).reasons == ()


def test_a_source_that_never_spoke_is_not_accused() -> None:
    assert SourceQuality().report(NOW).reasons == ()


def test_the_worst_reason_comes_first() -> None:
    quality = SourceQuality()
    quality.judged(counts(GOOD=800, NOT_FINITE=50, DUPLICATE=100, STUCK=1), NOW)
    quality.rejected("malformed", 49, NOW)
    report = quality.report(NOW)
    assert report.quality_ratio == pytest.approx(1 - (50 + 30 + 1 + 49) / 1000)
    assert [text.split(" ")[0] for text in report.reasons] == ["5.0", "4.9", "10", "1"]
    assert "refused: malformed" in report.reasons[1]


def test_old_trouble_fades() -> None:
    quality = SourceQuality()
    quality.judged(counts(NOT_FINITE=100), NOW)
    assert quality.report(NOW).quality_ratio == 0.0
    for minute in range(1, 121):
        quality.judged(counts(GOOD=100), NOW + minute * MINUTE)
    report = quality.report(NOW + 121 * MINUTE)
    assert report.quality_ratio > 0.999
    assert report.reasons == ()


def test_a_clock_that_goes_back_is_survived() -> None:
    quality = SourceQuality()
    quality.judged(counts(GOOD=10), NOW)
    quality.judged(counts(GOOD=10), NOW - MINUTE)
    assert quality.report(NOW - MINUTE).quality_ratio == 1.0


def test_reasons_of_refusal_are_bounded() -> None:
    quality = SourceQuality()
    for number in range(1000):
        quality.rejected(f"reason-{number}", 1, NOW)
    assert len(quality.report(NOW).reasons) <= 33
