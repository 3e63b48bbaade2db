"""An entity as a whole: many metrics a little strange together are told, single ones and chance are not."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from stormpetrel.detect.groups import GroupWatch
from stormpetrel.model.finding import Finding, FindingState, Scores, Severity, unheard_since
from stormpetrel.model.signal import MetricBatch, SeriesInfo

T0 = 1_750_000_005_000_000_000
SECOND = 1_000_000_000
MEMBERS = 12


def info(series: int) -> SeriesInfo:
    host = series // MEMBERS
    part = "/filesystem:/" if series % MEMBERS == 0 else ""
    return SeriesInfo(
        series, f"metric_{series % MEMBERS}", (("host", f"h{host}"),), f"host:h{host}{part}", "s"
    )


class Hosts:
    """Two hosts of twelve metrics each, sampled every 15 s; alarm p-values are given."""

    def __init__(self, hosts: int = 2) -> None:
        self.watch = GroupWatch(info)
        self.series = np.arange(hosts * MEMBERS)
        self.watch.meet([info(k) for k in self.series.tolist()])
        self.rng = np.random.default_rng(4)
        self.now = T0
        self.found: list[Finding] = []

    def run(
        self, steps: int, strange: dict[int, float] | None = None, calm: bool = False, every: int = 15
    ) -> list[Finding]:
        """`calm`: members have a p-value of 1 but once in a hundred; `every`: seconds between samples."""
        new: list[Finding] = []
        for _ in range(steps):
            self.now += every * SECOND
            alarm = self.rng.random(len(self.series))
            if calm:
                alarm = np.where(alarm < 0.01, alarm, 1.0)
            for series, p in (strange or {}).items():
                alarm[series] = p
            none = np.zeros(len(alarm))
            scores = Scores(none, none, none, none, none, none.astype(np.uint8), -np.log(alarm), alarm)
            batch = MetricBatch(self.series.astype(np.uint32), np.full(len(alarm), self.now), none)
            self.watch.take(batch, scores)
            new += self.watch.advance(self.now)
        self.found += new
        return new


def test_many_a_little_strange_together_are_told_with_their_names() -> None:
    hosts = Hosts()
    assert hosts.run(1500) == []
    strange = dict.fromkeys(range(1, 9), 0.005)
    (new,) = hosts.run(8, strange)
    assert (new.entity, new.severity, new.state) == ("host:h0", Severity.WARNING, FindingState.OPEN)
    assert new.evidence.observed >= 8
    assert new.evidence.series == -1
    assert new.attributes is not None
    assert set(map(int, new.attributes["series"].split())) <= set(strange)
    assert "metric_" in new.why
    (closed,) = hosts.run(40)
    assert (closed.finding_id, closed.state) == (new.finding_id, FindingState.CLOSED)


def test_members_that_are_nearly_always_calm_are_told_as_soon() -> None:
    hosts = Hosts()
    assert hosts.run(1500, calm=True) == []
    (new,) = hosts.run(4, dict.fromkeys(range(1, 9), 0.002), calm=True)
    assert new.entity == "host:h0"
    assert new.end_unix_nano - new.start_unix_nano == 45 * SECOND


def test_samples_a_minute_apart_are_told_at_the_second_of_them() -> None:
    hosts = Hosts()
    hosts.run(400, calm=True, every=60)
    strange = dict.fromkeys(range(1, 9), 0.002)
    assert hosts.run(1, strange, calm=True, every=60) == []
    (new,) = hosts.run(1, strange, calm=True, every=60)
    assert new.end_unix_nano - new.start_unix_nano == 60 * SECOND
    (closed,) = hosts.run(5, calm=True, every=60)
    assert closed.state is FindingState.CLOSED


def test_what_lasts_stays_told_while_it_does() -> None:
    hosts = Hosts()
    hosts.run(400, calm=True, every=60)
    strange = dict.fromkeys(range(1, 9), 0.002)
    assert [one.state for one in hosts.run(40, strange, calm=True, every=60)] == [FindingState.OPEN]


def test_what_is_told_every_night_is_soon_no_news_and_is_again_after_weeks() -> None:
    hosts = Hosts()
    hosts.run(400, calm=True, every=60)
    strange = dict.fromkeys(range(1, 9), 0.002)

    def nights(count: int, length: int) -> list[int]:
        return [
            (len(hosts.run(length, strange, calm=True, every=60)), hosts.run(300, calm=True, every=288))[0]
            for _ in range(count)
        ]

    told = nights(8, 5)
    assert told[0] == 1
    assert told[-3:] == [0, 0, 0]
    hosts.run(35 * 1440 // 15, calm=True, every=900)
    assert nights(1, 5) == [1]


def test_one_wild_metric_is_not_a_strange_entity() -> None:
    hosts = Hosts()
    hosts.run(1500)
    assert hosts.run(20, {3: 1e-12}) == []


def test_the_series_of_one_metric_are_one_member() -> None:
    """Eight buckets of one histogram that move together are one strange metric."""
    hosts = Hosts()
    hosts.watch = GroupWatch(lambda k: replace(info(k), metric="took_bucket" if k % MEMBERS < 9 else f"m{k}"))
    hosts.watch.meet([hosts.watch._describe(k) for k in hosts.series.tolist()])
    hosts.run(1500)
    assert hosts.run(20, dict.fromkeys(range(9), 1e-6)) == []


def test_chance_alone_tells_nothing_for_a_day() -> None:
    hosts = Hosts(hosts=5)
    assert hosts.run(5760) == []


def test_it_is_silent_while_it_learns_and_where_there_are_few_metrics() -> None:
    hosts = Hosts()
    assert hosts.run(100, dict.fromkeys(range(12), 1e-06)) == []
    few = GroupWatch(info)
    few.meet([info(k) for k in range(3)])
    assert few.advance(T0) == []


def test_what_is_old_or_unknown_does_not_count() -> None:
    hosts = Hosts()
    hosts.run(1500)
    hosts.run(1, dict.fromkeys(range(12), 1e-06))
    hosts.watch._alarm[:] = np.where(np.arange(len(hosts.watch._alarm)) < 12, 1e-6, np.nan)
    later = hosts.now + 600 * SECOND
    assert all(hosts.watch.advance(later + k * 15 * SECOND) == [] for k in range(20))


def test_a_restart_goes_on_by_name() -> None:
    hosts = Hosts()
    hosts.run(1500)
    strange = dict.fromkeys(range(1, 9), 0.005)
    (new,) = hosts.run(8, strange)
    arrays, notes = hosts.watch.snapshot()
    again = GroupWatch(info)
    again.restore(arrays, notes, hosts.watch.open_findings)
    again.meet([info(k) for k in (*range(MEMBERS, 2 * MEMBERS), *range(MEMBERS))])
    hosts.watch = again
    assert hosts.run(8, strange) == []  # it is open already
    (closed,) = hosts.run(40)
    assert closed.finding_id == new.finding_id
    with pytest.raises(ValueError, match="version 9"):
        again.restore({**arrays, "version": np.array([9])}, notes, [])


def test_however_batches_are_cut_the_findings_are_the_same() -> None:
    whole, single = Hosts(), Hosts()
    strange = dict.fromkeys(range(1, 9), 0.005)
    whole.run(1500)
    whole.run(8, strange)
    for steps, what in ((1500, None), (8, strange)):
        for _ in range(steps):
            single.now += 15 * SECOND
            alarm = single.rng.random(len(single.series))
            for series, p in (what or {}).items():
                alarm[series] = p
            for row in reversed(range(len(alarm))):
                none = np.zeros(1)
                scores = Scores(
                    none, none, none, none, none, none.astype(np.uint8), -np.log(alarm[[row]]), alarm[[row]]
                )
                one = MetricBatch(np.array([row], np.uint32), np.array([single.now]), none)
                single.watch.take(one, scores)
            single.found += single.watch.advance(single.now)
    assert [one.finding_id for one in whole.found] == [one.finding_id for one in single.found] != []


def test_an_entity_that_nothing_is_heard_of_for_a_day_is_unknown() -> None:
    hosts = Hosts()
    hosts.run(1500)
    hosts.run(8, dict.fromkeys(range(1, 9), 0.005))
    (held,) = hosts.watch.open_findings
    (closed,) = hosts.watch.advance(hosts.now + 2 * 86_400 * SECOND)
    assert (closed.state, unheard_since(closed)) == (FindingState.CLOSED, held.end_unix_nano)
