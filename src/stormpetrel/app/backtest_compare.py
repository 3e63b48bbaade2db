"""Two replays side by side: which incidents are the same trouble, and how many there are each week."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from stormpetrel.app.replay import ReplayReport
from stormpetrel.model.backtest import Backtest, ToldIncident, WeekCount
from stormpetrel.model.incident import Incident
from stormpetrel.model.job import JobState
from stormpetrel.model.page import PageDecision
from stormpetrel.model.time import Window, from_seconds

MOST_INCIDENTS = 300
_WEEK = from_seconds(7 * 86_400.0)
_MONDAY = from_seconds(4 * 86_400.0)  # the first Monday after the epoch
# Trouble that both told of need not begin at the same sample.
_APART = from_seconds(600.0)


def told(report: ReplayReport, window: Window) -> list[ToldIncident]:
    """The incidents of a replay that began in the window, oldest first."""
    inside = [
        one
        for one in report.incidents.values()
        if window.start_unix_nano <= one.start_unix_nano < window.end_unix_nano
    ]
    inside.sort(key=lambda one: (one.start_unix_nano, one.incident_id))
    return [told_incident(one) for one in inside]


def told_incident(one: Incident) -> ToldIncident:
    """What is shown of an incident of a replay, and compared with that of another."""
    return ToldIncident(
        incident_id=one.incident_id,
        sentence=one.sentence,
        severity=int(one.severity),
        entities=one.entities[:20],
        start_unix_nano=one.start_unix_nano,
        end_unix_nano=max(one.resolved_unix_nano or one.updated_unix_nano, one.start_unix_nano),
        findings=len(one.findings),
        paged=one.page is not None and one.page.decision is PageDecision.PAGED,
    )


def matched(
    today: Sequence[ToldIncident], changed: Sequence[ToldIncident]
) -> tuple[list[ToldIncident], list[ToldIncident]]:
    """Both lists with each incident's counterpart: the same id, else the first on a common entity that
    overlaps in time. Each has one at most. O(n * m)."""
    free = {one.incident_id: one for one in changed}
    pairs: dict[str, str] = {}
    for same in [one for one in today if one.incident_id in free]:
        pairs[same.incident_id] = free.pop(same.incident_id).incident_id
    for one in today:
        if one.incident_id in pairs:
            continue
        other = next((two for two in free.values() if together(one, two)), None)
        if other is not None:
            pairs[one.incident_id] = free.pop(other.incident_id).incident_id
    back = {other: one for one, other in pairs.items()}
    return (
        [replace(one, other=pairs.get(one.incident_id, "")) for one in today],
        [replace(one, other=back.get(one.incident_id, "")) for one in changed],
    )


def together(one: ToldIncident, two: ToldIncident) -> bool:
    """Whether two incidents may be the same trouble: on a common entity, at the same time or nearly so."""
    return (
        not set(one.entities).isdisjoint(two.entities)
        and one.start_unix_nano <= two.end_unix_nano + _APART
        and two.start_unix_nano <= one.end_unix_nano + _APART
    )


def weeks(
    window: Window, today: Sequence[ToldIncident], changed: Sequence[ToldIncident]
) -> tuple[WeekCount, ...]:
    """Incidents and pages of every week that the window touches, also of those without any."""
    paged = [[one for one in side if one.paged] for side in (today, changed)]
    counts = [Counter(_week(one.start_unix_nano) for one in side) for side in (today, changed, *paged)]
    first, last = _week(window.start_unix_nano), _week(max(window.start_unix_nano, window.end_unix_nano - 1))
    return tuple(
        WeekCount(start, *(count[start] for count in counts)) for start in range(first, last + 1, _WEEK)
    )


def _week(time_unix_nano: int) -> int:
    return (time_unix_nano - _MONDAY) // _WEEK * _WEEK + _MONDAY


def with_result(
    one: Backtest, reports: tuple[ReplayReport, ReplayReport], kept: Callable[[str], bool]
) -> Backtest:
    """A backtest with what its two replays found; `kept` says whether there is an incident of an id."""
    window = Window(one.start_unix_nano, one.end_unix_nano)
    today, changed = matched(told(reports[0], window), told(reports[1], window))
    return replace(
        one,
        state=JobState.DONE,
        progress_ratio=1.0,
        samples=reports[0].samples,
        log_records=reports[0].log_records,
        today=tuple(replace(t, kept=kept(t.incident_id)) for t in today[:MOST_INCIDENTS]),
        changed=tuple(replace(t, kept=kept(t.incident_id)) for t in changed[:MOST_INCIDENTS]),
        left_out=max(0, len(today) - MOST_INCIDENTS) + max(0, len(changed) - MOST_INCIDENTS),
        weeks=weeks(window, today, changed),
    )


def as_json(one: Backtest) -> dict[str, Any]:
    """A backtest as a JSON object."""
    found = {name.name: getattr(one, name.name) for name in fields(one)}
    found["state"] = one.state.value
    found["settings"], found["today_settings"] = dict(one.settings), dict(one.today_settings)
    for side in ("today", "changed"):
        found[side] = [
            {**{f.name: getattr(told_, f.name) for f in fields(told_)}, "entities": list(told_.entities)}
            for told_ in found[side]
        ]
    found["weeks"] = [{f.name: getattr(week, f.name) for f in fields(week)} for week in one.weeks]
    return found


def from_json(found: Mapping[str, Any]) -> Backtest:
    """The backtest of a JSON object."""
    values = dict(found)
    values["state"] = JobState(values["state"])
    for side in ("today", "changed"):
        values[side] = tuple(
            ToldIncident(**{**told_, "entities": tuple(told_["entities"])}) for told_ in values[side]
        )
    values["weeks"] = tuple(WeekCount(**week) for week in values["weeks"])
    return Backtest(**values)
