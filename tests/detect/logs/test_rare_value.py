"""Rare values: silent while learning, told when a stable variable takes a new one, damped for inventors."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from stormpetrel.detect.logs.rare_value import RareValue
from stormpetrel.detect.logs.value_model import MOST_VALUES
from stormpetrel.model.columns import build_logs
from stormpetrel.model.finding import Finding, FindingState, Severity
from stormpetrel.model.pattern import Pattern
from stormpetrel.model.signal import LogBatch
from stormpetrel.patterns.lines import LineSources
from stormpetrel.patterns.miner import TemplateMiner

MINUTE = 60_000_000_000
T0 = 1_750_000_000_000_000_000 // MINUTE * MINUTE
ERROR, INFO = 17, 9
DAY = 1440  # minutes
Record = tuple[float, int, str]


class Stream:
    """A miner and a detector over it; times in minutes since T0."""

    def __init__(self, detector: RareValue | None = None) -> None:
        self.miner, self.sources = TemplateMiner(), LineSources()
        self.detector = detector or RareValue()
        self.detector.ask(self.miner.find, self.miner.births)
        self.detector.read(self.miner.values)
        self.found: list[Finding] = []

    def mined(self, lines: Sequence[Record], observed: float | None = None) -> LogBatch:
        batch = build_logs(
            [T0 + int(at * MINUTE) for at, _, _ in lines],
            [text for _, _, text in lines],
            source="syslog",
            entity="host:web-1",
            severity_number=[level for _, level, _ in lines],
            attributes=json.dumps({"process": "shop"}),
            observed_unix_nano=[
                T0 + int((at if observed is None else observed) * MINUTE) for at, _, _ in lines
            ],
        )
        mined = self.miner.update(self.sources.lines(batch))
        return LogBatch(batch.records.set_column(10, batch.records.schema.field(10), mined.pattern))

    def log(self, lines: Sequence[Record], observed: float | None = None) -> list[Finding]:
        new = self.detector.update(self.mined(lines, observed))
        self.found += new
        return new

    def usual(self, start: int, stop: int, extra: Callable[[int], Record | None] = lambda _at: None) -> None:
        """A request a minute, nine in ten of them well; and what `extra` says at each minute."""
        for first in range(start, stop, 60):
            lines: list[Record] = []
            for at in range(first, min(first + 60, stop)):
                lines.append((at, INFO, request(at, 404 if at % 10 == 3 else 200)))
                more = extra(at)
                if more is not None:
                    lines.append(more)
            self.log(lines)
            self.detector.advance(T0 + min(first + 60, stop) * MINUTE)


def request(number: int, status: int | str) -> str:
    return f"request {7919 * number % 100_000} handled status={status} in {number % 83} ms"


def test_a_value_never_seen_is_told_at_once_with_its_evidence() -> None:
    stream = Stream()
    stream.usual(0, 2 * DAY)
    (new,) = stream.log([(2 * DAY + 0.5, ERROR, request(1, 599))])
    assert (new.severity, new.state, new.entity) == (Severity.WARNING, FindingState.OPEN, "host:web-1")
    assert new.title == "new value of status in the log: 599"
    assert "had taken only 2 values (200, 404) in 2880 records" in new.why
    about = new.attributes or {}
    assert (about["variable"], about["value"], about["known_values"]) == ("status", "599", "2")
    assert about["known_since"].startswith("2025-06-15T")
    pattern = stream.miner.find(int(new.evidence.query.split('"')[1], 16))
    assert pattern is not None
    assert "handled status=<*>" in pattern.text
    assert 0.0 < new.evidence.p_value <= 0.005
    assert new.start_unix_nano == T0 + int((2 * DAY + 0.5) * MINUTE)
    assert stream.found == [new]  # and nothing before it
    assert stream.log([(2 * DAY + 0.6, ERROR, request(2, 599))]) == []  # nor a second time


def test_what_is_no_error_is_told_later_and_opens_no_incident() -> None:
    stream = Stream()
    stream.usual(0, 2 * DAY)
    assert stream.log([(2 * DAY, INFO, request(1, 302))]) == []
    later = Stream()
    later.usual(0, 3 * DAY)
    (new,) = later.log([(3 * DAY, INFO, request(1, 302))])
    assert new.severity is Severity.INFO


def test_a_young_variable_is_learnt_in_silence() -> None:
    stream = Stream()
    stream.usual(0, DAY - 60)
    assert stream.log([(DAY - 60, ERROR, request(1, 599))]) == []
    stream.usual(DAY - 59, 3 * DAY)
    assert stream.log([(3 * DAY, ERROR, request(1, 599))]) == []  # nor is it news when it comes again


def test_days_without_many_windows_are_not_enough() -> None:
    """Two hundred records in each of a few minutes a day are few chances of something new."""
    stream = Stream()
    for day in range(30):
        stream.log([(day * DAY + k / 200, INFO, request(k, 200)) for k in range(200)])
    assert stream.log([(31 * DAY, ERROR, request(1, 599))]) == []


def test_an_inventor_is_left_alone() -> None:
    """Ids, and a name of a release that is a new one every half a day."""
    stream = Stream()
    stream.usual(0, 5 * DAY, lambda at: (at, ERROR, f"shop release=1.{at // 720}-a order={at} failed at=db"))
    assert stream.found == []
    assert stream.log([(5 * DAY, ERROR, "shop release=2.0-b order=77 failed at=db")]) == []
    (new,) = stream.log([(5 * DAY, ERROR, "shop release=2.0-b order=78 failed at=cache")])
    assert (new.attributes or {})["variable"] == "at"  # what is stable in the same lines is heard
    patterns = [each.variables for each in stream.detector._patterns.values()]
    assert any(one.get("order", 1) is None for one in patterns)  # nothing is kept of ids


def test_what_was_new_of_late_has_to_be_rarer() -> None:
    stream = Stream()
    stream.usual(0, 2 * DAY, lambda at: (at, ERROR, request(at, 503)) if at == 2 * DAY - 100 else None)
    assert len(stream.found) == 1
    assert stream.log([(2 * DAY, ERROR, request(1, 599))]) == []


def test_it_counts_while_open_and_closes_when_quiet() -> None:
    stream = Stream()
    stream.usual(0, 2 * DAY)
    at = 2 * DAY
    stream.log([(at, ERROR, request(1, 599))])
    assert stream.log([(at + k / 100, ERROR, request(k, 599)) for k in range(1, 9)]) == []
    (told,) = stream.log([(at + k / 100, ERROR, request(k, 599)) for k in range(9, 12)])
    assert told.evidence.observed == 10.0
    assert stream.detector.advance(T0 + (at + 4) * MINUTE) == []
    (closed,) = stream.detector.advance(T0 + (at + 6) * MINUTE)
    assert (closed.state, closed.finding_id) == (FindingState.CLOSED, told.finding_id)
    assert closed.evidence.observed == 12.0
    assert stream.detector.open_findings() == []


def test_a_finding_lasts_an_hour_at_most() -> None:
    stream = Stream()
    stream.usual(0, 2 * DAY)
    stream.usual(2 * DAY, 2 * DAY + 59, lambda at: (at, ERROR, request(at, 599)))
    assert len(stream.detector.open_findings()) == 1
    (closed,) = stream.detector.advance(T0 + (2 * DAY + 61) * MINUTE)
    assert closed.state is FindingState.CLOSED


def test_a_flood_of_news_is_bounded() -> None:
    """Many stable variables that all take something new within the hour."""
    stream = Stream()
    names = [f"k{chr(97 + k // 26)}{chr(97 + k % 26)}" for k in range(20)]
    said = " ".join(f"{name}=on" for name in names[:10]), " ".join(f"{name}=on" for name in names[10:])
    stream.usual(0, 2 * DAY, lambda at: (at, ERROR, f"shop state {said[at % 2]} end{'ed' * (at % 2)} here"))
    worse = [(2 * DAY, ERROR, f"shop state {said[0].replace('on', 'off')} end here"),
             (2 * DAY, ERROR, f"shop state {said[1].replace('on', 'off')} ended here")]  # fmt: skip
    assert len(stream.log(worse)) == 5  # of one source
    assert stream.detector.untold_total == 15


def test_with_each_finding_of_a_day_the_next_has_to_be_rarer() -> None:
    """Twelve stable variables of three programs: five are told, then those that are rare enough for a half, a
    fourth and an eighth of `p_open`; the day after the count begins anew."""
    told = Told()
    detector = taught(told, *range(1, 13))
    news = detector.update(rows(*((2 * DAY + k / 100, k, "state=down v2=a") for k in range(1, 13))))
    assert len(news) == 8
    assert detector.untold_total == 0
    detector.advance(T0 + (2 * DAY + 10) * MINUTE)
    again = taught(told, 20)
    again._told = detector._told
    assert len(again.update(rows((3 * DAY + 1, 20, "state=down v2=a")))) == 1


def test_text_of_strangers_is_written_out_and_cut() -> None:
    detector = taught(Told(), 1)
    (new,) = detector.update(rows((2 * DAY, 1, "state=\u202e\x1b[31m" + "x" * 500 + " v2=a")))
    told = json.dumps([new.title, new.why, dict(new.attributes or {})], ensure_ascii=False)
    assert "\u202e" not in told
    assert "\x1b" not in told
    assert "⟨U+202E⟩" in told
    assert "…" in new.title
    assert len(new.title) < 120


def test_however_it_is_cut_the_findings_are_the_same() -> None:
    lines = [(float(at), INFO, request(at, 404 if at % 10 == 3 else 200)) for at in range(2 * DAY)]
    lines += [(2 * DAY + k / 10, ERROR, request(k, 599 + k // 5)) for k in range(12)]
    whole, pieces = Stream(), Stream()
    whole.log(lines)
    for start in range(0, len(lines), 7):
        pieces.log(lines[start : start + 7])
    assert [one.finding_id for one in whole.found] == [one.finding_id for one in pieces.found] != []


def test_a_record_from_a_wrong_clock_makes_no_variable_old_and_no_finding_lasting() -> None:
    stream = Stream()
    stream.usual(0, 2)
    stream.log([(-6 * DAY, INFO, "job of the night is in phase=copy")], 2)  # a sender six days behind
    stream.usual(2, 600, lambda at: (at, INFO, "job of the night is in phase=copy"))
    assert stream.log([(600, ERROR, "job of the night is in phase=rescue")]) == []
    stream.log([(5 * DAY, INFO, request(1, 200))], 600)  # and one five days ahead
    assert stream.detector.resume_unix_nano() <= T0 + 602 * MINUTE
    stream.usual(601, 2 * DAY)
    assert len(stream.log([(5 * DAY, ERROR, request(1, 599))], 2 * DAY)) == 1
    assert stream.detector.resume_unix_nano() <= T0 + (2 * DAY + 2) * MINUTE


def test_a_clock_that_is_ahead_at_all_makes_no_finding_lasting() -> None:
    """Record and observation by the same wrong clock, five days ahead of ours."""
    stream = Stream()
    stream.usual(5 * DAY, 7 * DAY)
    stream.detector.advance(T0 + 2 * DAY * MINUTE)
    stream.log([(7 * DAY, ERROR, request(1, 599))])
    assert stream.detector.resume_unix_nano() <= T0 + (2 * DAY + 2) * MINUTE
    assert stream.detector.advance(T0 + (2 * DAY + 1) * MINUTE) == []
    (closed,) = stream.detector.advance(T0 + (2 * DAY + 7) * MINUTE)
    assert closed.state is FindingState.CLOSED


# Patterns that grow more general ----------------------------------------------------------------------


class Told:
    """Patterns as the miner would tell of them: ids may become others; values are the pairs of a line."""

    def __init__(self) -> None:
        self.became: dict[int, int] = {}

    def find(self, stored: int) -> Pattern | None:
        now = self.became.get(stored, stored)
        merged = tuple(old for old, new in self.became.items() if new == now)
        text = f"says {now} <*>"
        return Pattern(now, f"source {now % 3}", text, text, 1, T0, T0, {}, (), (), (), merged=merged)

    @staticmethod
    def values(_pattern: int, line: str) -> list[tuple[str, str]]:
        return [(name, value) for name, _, value in (pair.partition("=") for pair in line.split())]

    def to(self, detector: RareValue) -> RareValue:
        detector.ask(self.find, lambda _source: [])
        detector.read(self.values)
        return detector


def rows(*records: tuple[float, int, str], level: int = ERROR) -> LogBatch:
    """Records by minute, pattern and line."""
    times = [T0 + int(at * MINUTE) for at, _, _ in records]
    return build_logs(
        times, [line for _, _, line in records], source="s", entity="host:a", severity_number=level,
        pattern=[pattern for _, pattern, _ in records],
    )  # fmt: skip


def taught(told: Told, *patterns: int) -> RareValue:
    """A detector that has seen `state` and a variable named by its place for two days."""
    detector = told.to(RareValue())
    told_of = ((at, one, f"state=up{one} v2=a") for at in range(2 * DAY) for one in patterns)
    detector.update(rows(*told_of))
    return detector


def test_a_variable_named_by_a_word_goes_on_under_the_new_id() -> None:
    told = Told()
    detector = taught(told, 1, 2)
    told.became = {1: 7, 2: 7}
    assert detector.update(rows((2 * DAY, 7, "state=up1 v2=a"), (2 * DAY, 7, "state=up2 v2=b"))) == []
    (new,) = detector.update(rows((2 * DAY + 1, 7, "state=down v2=c")))
    assert (new.attributes or {})["variable"] == "state"
    assert (new.attributes or {})["known_values"] == "2"
    assert set(detector._patterns) == {7}


def test_nothing_is_told_of_a_place_while_its_pattern_is_another_already() -> None:
    told = Told()
    detector = taught(told, 1)
    told.became = {1: 7}  # the miner is ahead: records stored under the old id still come
    (new,) = detector.update(rows((2 * DAY, 1, "state=down v2=b")))
    assert (new.attributes or {})["variable"] == "state"
    assert (new.attributes or {})["pattern"] == f"{7:016x}"


# Bounds -----------------------------------------------------------------------------------------------


def test_memory_is_bounded_whatever_comes() -> None:
    told = Told()
    detector = told.to(RareValue())
    detector.max_patterns, detector.max_variables = 50, 80
    for minute in range(20):
        some = [(float(minute), 1 + (minute * 37 + k) % 200, " ".join(f"n{j}={k % 3}" for j in range(30)))
                for k in range(100)]  # fmt: skip
        detector.update(rows(*some))
    followed = [one for each in detector._patterns.values() for one in each.variables.values() if one]
    assert len(detector._patterns) == 50
    assert len(followed) == 80 == detector._held
    assert max(len(each.variables) for each in detector._patterns.values()) <= 24
    assert detector.unfollowed_total > 0
    detector.update(rows(*((3 * DAY + k / 100, 1000 + k, "a=b") for k in range(60))))
    assert set(detector._patterns) == set(range(1000, 1050))  # those quiet for a day made room
    assert detector._held == 50


def test_a_variable_with_too_many_values_is_let_go_and_tried_again() -> None:
    told = Told()
    detector = told.to(RareValue())
    detector.update(rows(*((k / 100, 1, f"id={k}") for k in range(100))))
    assert detector._patterns[1].variables == {"id": None}
    assert detector._patterns[1].looks <= 64 + MOST_VALUES
    detector.update(rows((2 * DAY, 1, "id=1")))
    assert detector._patterns[1].variables["id"] is not None


# State ------------------------------------------------------------------------------------------------

STEP = st.tuples(
    st.integers(1, 4),  # minutes since the one before
    st.integers(1, 3),  # pattern
    st.sampled_from(["up", "down", "odd", "new", "\u202ex", 'a"b']),
    st.integers(0, 40),
    st.sampled_from([INFO, ERROR]),
)


@settings(max_examples=60, deadline=None)
@example([(3, 1, "up", 1, INFO)] * 9 + [(2, 1, "up", 0, INFO)], 10)
@given(st.lists(STEP, min_size=2, max_size=120), st.integers(1, 119))
def test_a_restart_anywhere_changes_nothing(steps: list[tuple[int, int, str, int, int]], cut: int) -> None:
    told = Told()

    def fresh() -> RareValue:
        return told.to(RareValue(learn_seconds=1200.0, p_open=5.0))  # whatever comes is told, nearly

    def run(detector: RareValue, some: Sequence[tuple[int, tuple[int, int, str, int, int]]]) -> list[Finding]:
        found: list[Finding] = []
        for at, (_, pattern, state, number, level) in some:
            line = f"state={state} n={number} state={number % 2}"
            found += detector.update(rows((at, pattern, line), level=level))
            found += detector.advance(T0 + at * MINUTE)
        return found

    minutes = np.cumsum([one[0] for one in steps]).tolist()
    timed = list(zip(minutes, steps, strict=True))
    whole, before, after = fresh(), fresh(), fresh()
    expected = run(whole, timed)
    found = run(before, timed[:cut])
    arrays, notes = before.snapshot()
    after.restore(arrays, json.loads(json.dumps(notes)), before.open_findings())
    after.advance(T0 + minutes[min(cut, len(minutes)) - 1] * MINUTE)
    run(after, timed[:cut][-3:])  # given a second time: looked at once
    found += run(after, timed[cut:])
    assert found == expected
    (left, left_notes), (right, right_notes) = whole.snapshot(), after.snapshot()
    assert left_notes == right_notes
    assert {name: array.tolist() for name, array in left.items()} == {
        name: array.tolist() for name, array in right.items()
    }
    assert after._held == whole._held == sum(one.held() for one in whole._patterns.values())


def test_a_restart_tells_nothing_again_and_goes_on() -> None:
    stream = Stream()
    stream.usual(0, 2 * DAY)
    (new,) = stream.log([(2 * DAY, ERROR, request(1, 599))])
    arrays, notes = stream.detector.snapshot()
    again = Stream()
    again.miner.restore(stream.miner.snapshot())
    again.detector.restore(arrays, notes, stream.detector.open_findings())
    assert again.detector.resume_unix_nano() == new.start_unix_nano + 1
    assert again.log([(2 * DAY + 0.5, ERROR, request(2, 599)), (2 * DAY + 0.6, INFO, request(3, 200))]) == []
    (open_now,) = again.detector.open_findings()
    assert (open_now.finding_id, open_now.evidence.observed) == (new.finding_id, 2.0)
    again.log([(2 * DAY + 2, ERROR, request(4, 599))])
    again.usual(2 * DAY + 3, 6 * DAY)
    assert len(again.log([(6 * DAY, ERROR, request(1, 500))])) == 1


def test_a_state_of_another_version_is_refused() -> None:
    detector = RareValue()
    arrays, notes = detector.snapshot()
    with pytest.raises(ValueError, match="version 99"):
        detector.restore({**arrays, "version": np.array([99])}, notes, [])
    cut = {"patterns": [["1", "s", [["a", ["b"]]]]], "places": {}}
    with pytest.raises(ValueError, match="more names than numbers"):
        detector.restore(arrays, cut, [])
