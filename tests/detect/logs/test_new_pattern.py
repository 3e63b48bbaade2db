"""New patterns: silent while a source is young, told when it is not, damped where it always invents."""

from __future__ import annotations

import json

import numpy as np
import pytest

from stormpetrel.correlate.strength import strength_of
from stormpetrel.detect.logs.new_pattern import NewPattern
from stormpetrel.model.columns import build_logs
from stormpetrel.model.finding import Finding, FindingState, Severity
from stormpetrel.model.signal import LogBatch
from stormpetrel.patterns.lines import LineSources
from stormpetrel.patterns.miner import TemplateMiner

T0 = 1_750_000_000_000_000_000
SECOND = 1_000_000_000
ERROR, INFO = 17, 9
WORDS = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "iota",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "omicron",
    "pi",
]


class Stream:
    """A miner and a detector over it; times in seconds since T0."""

    def __init__(self, p_open: float = 0.02, false_per_day: float = 2.0) -> None:
        self.miner, self.sources = TemplateMiner(), LineSources()
        self.detector = NewPattern(p_open=p_open, false_per_day=false_per_day)
        self.detector.ask(self.miner.find, self.miner.births)
        self.found: list[Finding] = []
        self.clock = 0.0  # when a record is observed whose own time is far off

    def mined(self, lines: list[tuple[float, int, str]], process: str = "shop") -> LogBatch:
        batch = build_logs(
            [T0 + int(at * SECOND) for at, _, _ in lines],
            [text for _, _, text in lines],
            source="syslog",
            entity="host:web-1",
            severity_number=[level for _, level, _ in lines],
            observed_unix_nano=[
                T0 + int((at if abs(at) < 1e6 else self.clock) * SECOND) for at, _, _ in lines
            ],
            attributes=json.dumps({"process": process}),
        )
        mined = self.miner.update(self.sources.lines(batch))
        return LogBatch(batch.records.set_column(10, batch.records.schema.field(10), mined.pattern))

    def log(self, lines: list[tuple[float, int, str]], process: str = "shop") -> list[Finding]:
        new = self.detector.update(self.mined(lines, process))
        self.found += new
        return new

    def usual(self, start: float, stop: float) -> None:
        """A line of two kinds every five seconds."""
        rng = np.random.default_rng(int(start))
        self.log(
            [
                (at, INFO, f"served order {rng.integers(9999)} in {rng.integers(99)} ms")
                if int(at) % 2
                else (at, INFO, f"cache holds {rng.integers(999)} of 5000 places")
                for at in np.arange(start, stop, 5.0).tolist()
            ]
        )
        self.detector.advance(T0 + int(stop * SECOND))


def test_a_new_error_is_told_at_once_with_its_evidence() -> None:
    stream = Stream()
    stream.usual(0, 3600)
    (new,) = stream.log([(3600.5, ERROR, "cannot reach the payment gateway: connection refused")])
    assert (new.severity, new.state, new.entity) == (Severity.WARNING, FindingState.OPEN, "host:web-1")
    assert "payment gateway" in new.title
    assert new.title.startswith("new error pattern")
    pattern = stream.miner.find(int(new.evidence.query.split('"')[1], 16))
    assert pattern is not None
    assert "payment gateway" in pattern.text
    assert new.evidence.observed == 1.0
    assert 0.0 < new.evidence.p_value <= 0.02
    assert new.start_unix_nano == T0 + int(3600.5 * SECOND)
    assert stream.found == [new]  # and nothing before it


def test_a_young_source_learns_in_silence() -> None:
    stream = Stream()
    stream.usual(0, 300)
    assert stream.log([(300.5, ERROR, "cannot reach the payment gateway: connection refused")]) == []
    stream.usual(305, 7200)
    # Nor is it news when it comes again.
    assert stream.log([(7200.5, ERROR, "cannot reach the payment gateway: connection refused")]) == []


def test_news_without_an_error_is_shown_and_opens_no_incident() -> None:
    stream = Stream()
    stream.usual(0, 40_000)
    (new,) = stream.log([(40_001.0, INFO, "switched over to the standby region")])
    assert new.severity is Severity.INFO


def test_one_that_differs_in_a_word_from_a_known_pattern_opens_no_incident() -> None:
    stream = Stream()
    stream.usual(0, 10_000)
    stream.log([(10_001.0, ERROR, "worker alpha stopped without a result")])
    stream.usual(10_002, 80_000)
    again = stream.log([(80_001.0, ERROR, "worker omega stopped without a result")])
    assert [one.severity for one in again] in ([], [Severity.INFO])


def test_a_source_that_always_invents_is_not_heard() -> None:
    stream = Stream()
    rng = np.random.default_rng(5)
    for at in range(0, 7200, 30):
        words = " ".join(rng.choice(WORDS, int(rng.integers(3, 9))))
        stream.usual(at, at + 30)
        stream.log([(at + 29.0, ERROR, f"{words} failed")])
    later = [one for one in stream.found if one.start_unix_nano > T0 + 1200 * SECOND]
    assert len(later) <= 2, [one.title for one in later]


def test_errors_are_counted_apart_from_chatter() -> None:
    """Debug lines that change all the time do not hide an error that is new."""
    stream = Stream()
    rng = np.random.default_rng(7)
    for at in range(0, 7200, 30):
        stream.usual(at, at + 30)
        words = " ".join(rng.choice(WORDS, int(rng.integers(3, 9))))
        stream.log([(at + 29.0, INFO, f"{words} seen")])
    (new,) = stream.log([(7201.0, ERROR, "the disk of the ledger is read-only")])
    assert new.severity is Severity.WARNING


def test_it_counts_while_open_and_closes_when_quiet() -> None:
    stream = Stream()
    stream.usual(0, 3600)
    text = "cannot reach the payment gateway: connection refused"
    stream.log([(3600.5, ERROR, text)])
    assert stream.log([(3601.0 + k / 10, ERROR, text) for k in range(4)]) == []
    (told,) = stream.log([(3602.0 + k / 10, ERROR, text) for k in range(9)])
    assert told.evidence.observed == 14.0
    assert stream.detector.advance(T0 + 3700 * SECOND) == []
    (closed,) = stream.detector.advance(T0 + 4000 * SECOND)
    assert (closed.state, closed.finding_id) == (FindingState.CLOSED, told.finding_id)
    assert stream.detector.open_findings() == []


def test_a_flood_of_news_is_bounded() -> None:
    stream = Stream(p_open=0.5, false_per_day=1e9)
    stream.usual(0, 90_000)
    lines = [(90_001.0 + k, ERROR, " ".join(WORDS[k : k + 1 + k % 7]) + " broke") for k in range(14)]
    assert len(stream.log(lines)) <= 5
    assert stream.detector.untold_total > 0


def test_however_it_is_cut_the_findings_are_the_same() -> None:
    lines = [(k * 7.0, INFO, f"served order {k} in {k % 90} ms") for k in range(900)]
    lines += [(6400.0, ERROR, "ledger is read-only"), (6410.0, ERROR, "ledger is read-only")]
    lines += [(6500.0 + k, INFO, f"served order {k} in 3 ms") for k in range(20)]
    whole, single = Stream(), Stream()
    whole.log(lines)
    for line in lines:
        single.log([line])
    assert [one.finding_id for one in whole.found] == [one.finding_id for one in single.found] != []


def restarted(stream: Stream) -> Stream:
    """The same after a restart, with what is kept."""
    arrays, notes = stream.detector.snapshot()
    again = Stream()
    again.miner.restore(stream.miner.snapshot())
    again.detector.restore(arrays, notes, stream.detector.open_findings())
    return again


def test_a_restart_goes_on() -> None:
    stream = Stream()
    stream.usual(0, 200_000)
    stream.log([(200_000.5, ERROR, "ledger is read-only")])
    again = restarted(stream)
    assert again.detector.resume_unix_nano() == T0 + int(200_000.5 * SECOND) + 1
    # What is known from before, and what is news already, is no news; the source is as old as its patterns.
    assert (
        again.log([(200_005.0, INFO, "served order 1 in 2 ms"), (200_006.0, ERROR, "ledger is read-only")])
        == []
    )
    assert len(again.log([(200_007.0, ERROR, "no route to the warehouse")])) == 1
    (closed, *_) = again.detector.advance(T0 + 900_000 * SECOND)
    assert closed.state is FindingState.CLOSED
    arrays, notes = stream.detector.snapshot()
    with pytest.raises(ValueError, match="version 99"):
        again.detector.restore({**arrays, "version": np.array([99])}, notes, [])


def test_after_a_restart_the_first_record_may_be_the_news() -> None:
    stream = Stream()
    stream.usual(0, 3600)
    assert len(restarted(stream).log([(3601.0, ERROR, "no route to the warehouse")])) == 1


def test_after_a_restart_an_inventor_is_known_as_one() -> None:
    stream = Stream()
    rng = np.random.default_rng(5)
    for at in range(0, 7200, 30):
        stream.usual(at, at + 30)
        stream.log([(at + 29.0, ERROR, " ".join(rng.choice(WORDS, int(rng.integers(3, 9)))) + " failed")])
    assert restarted(stream).log([(7201.0, ERROR, "no route to the warehouse")]) == []


def test_a_record_from_a_wrong_clock_makes_no_source_old_and_no_finding_lasting() -> None:
    stream = Stream()
    stream.detector.advance(T0)
    stream.usual(0, 120)
    stream.clock = 120.0
    stream.log([(-1.7e9, INFO, "clock not set yet")])  # about 1971
    stream.usual(120, 400)
    assert (
        stream.log([(400.0, ERROR, "no route to the warehouse")]) == []
    )  # known for minutes, not for decades
    later = Stream()
    later.usual(0, 3600)
    later.clock = 3601.0
    later.log([(2.0e9, ERROR, "no route to the warehouse")])  # decades ahead
    for finding in later.found:
        assert finding.end_unix_nano <= T0 + 3700 * SECOND
    assert len(later.detector.advance(T0 + 8000 * SECOND)) == len(later.found)


def test_news_is_not_lost_when_an_older_record_of_it_comes_later() -> None:
    """The miner is ahead of the judge: what it calls the first sighting may stand in a later batch."""
    stream = Stream()
    stream.usual(0, 3600)
    first = stream.mined([(3602.0, ERROR, "no route to the warehouse")])
    stream.mined([(3601.0, ERROR, "no route to the warehouse")])
    assert len(stream.detector.update(first)) == 1


def test_a_fatal_line_and_many_of_them_are_no_page_by_themselves() -> None:
    """One record of a program that calls a refused login fatal is not the strength of a page."""
    stream = Stream()
    stream.usual(0, 3600)
    (new,) = stream.log([(3601.0, 21, "password authentication failed for the ledger")])
    assert new.severity is Severity.WARNING
    assert strength_of([new], new.end_unix_nano).value < 5


def test_records_that_were_not_mined_say_nothing() -> None:
    detector = NewPattern()
    assert detector.update(build_logs([T0], ["boom"], source="x", severity_number=17)) == []
