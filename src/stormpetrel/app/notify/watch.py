"""Finds what is to be told: on record, so that nothing depends on who was running when it happened."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from stormpetrel.app.judged import judgement_of
from stormpetrel.app.notify.words import (
    consequences,
    held_notice,
    outcome_notice,
    page_notice,
    plan_key,
    plan_notice,
    refusal_notice,
    switch_notice,
)
from stormpetrel.model import canonical
from stormpetrel.model.action import Autonomy
from stormpetrel.model.facts import Switch
from stormpetrel.model.incident import Incident
from stormpetrel.model.notification import Notification
from stormpetrel.model.page import PageDecision
from stormpetrel.model.run import ENDS, Run, RunState
from stormpetrel.model.time import from_seconds
from stormpetrel.model.verdict import Judgement
from stormpetrel.ports.control import ControlStore

_LOOK_BACK = from_seconds(24 * 3600.0)
_MOST_PAGES, _MOST_OPEN, _MOST_ENDED, _NEWLY_ENDED = 500, 500, 200, 20
_OPEN = tuple(state for state in RunState if state not in ENDS)
_REMEMBERED, _MOST_ENTRIES = 2000, 1000
_ENGAGED_KEY = "notify.engaged"
Make = Callable[[], Notification | None]


class NoticeWatch:
    """Reads pages, plans that wait, runs that ended and kill switches from the control store. One thread.

    Pages of the last day are found whoever wrote them and whenever: what was decided and not told before a
    crash is found after it. So is a release of a switch: which were engaged when it was looked last is kept.

    Args:
        expires: until when a run waits for people.
    """

    def __init__(self, control: ControlStore, expires: Callable[[Run], int]) -> None:
        self._control, self._expires = control, expires
        self._made: OrderedDict[str, Notification | None] = OrderedDict()
        self._open: set[str] | None = None
        self._outcomes: OrderedDict[str, Notification | None] = OrderedDict()
        self._engaged: dict[tuple[str, int], Switch] | None = None
        self._kept = ""  # of them, in the store

    def look(self, now_unix_nano: int, runs_too: bool) -> Iterator[list[Notification]]:
        """All that is worth telling now, told already or not; pages first, whatever fails later.

        Args:
            runs_too: whether plans and runs are looked for: only where anything can be acted on.

        Raises:
            StoreError: the store does not answer.
        """
        yield self._pages(now_unix_nano)
        yield self._switches(now_unix_nano)
        self._keep_engaged()  # those that were released are with the routes by now
        if runs_too:
            runs = self._control.list_runs(_OPEN, limit=_MOST_OPEN)
            yield self._waiting(runs)
            yield self._ended(now_unix_nano, runs)

    def _pages(self, now: int) -> list[Notification]:
        records = self._control.list_pages([PageDecision.PAGED], now - _LOOK_BACK, _MOST_PAGES)
        return self._known(
            [(f"page:{one.incident_id}", partial(self._page, one.incident_id)) for one in records]
        )

    def _page(self, incident_id: str) -> Notification | None:
        incident = self._control.incident(incident_id)
        return page_notice(incident) if incident is not None else None

    def _waiting(self, runs: Sequence[Run]) -> list[Notification]:
        awaited = [run for run in runs if run.state in (RunState.WAITING, RunState.HOLDING)]
        if not awaited:
            return []
        levels = {row.runbook.name: row.autonomy for row in self._control.runbooks()}
        made: list[tuple[str, Make]] = []
        for run in awaited:
            asked = run.plan.requester != "petrel" or levels.get(run.plan.runbook, 0) >= Autonomy.APPROVE
            if run.state is RunState.HOLDING:
                made.append((f"held:{run.run_id}:{len(run.records)}", partial(self._held, run)))
            elif asked:  # of a runbook that only suggests nothing is asked of anybody
                made.append((plan_key(run), partial(self._plan, run)))
        return self._known(made)

    def _held(self, run: Run) -> Notification:
        return held_notice(run, self._incident(run))

    def _plan(self, run: Run) -> Notification:
        return plan_notice(run, self._judgement(run), self._incident(run), self._expires(run))

    def _ended(self, now: int, runs: Sequence[Run]) -> list[Notification]:
        """What became of runs: of those that were seen under way, and of the newest.

        The newest are listed by their beginning: a long run among many short ones would not be found there.
        """
        first, before = self._open is None, self._open or set()
        under_way = {run.run_id for run in runs}
        gone = [self._control.run(run_id) for run_id in sorted(before - under_way)]
        newest = self._control.list_runs(tuple(sorted(ENDS)), limit=_MOST_ENDED if first else _NEWLY_ENDED)
        for run in (*(one for one in gone if one is not None), *newest):
            if run.run_id not in self._outcomes and now - run.ended_unix_nano < _LOOK_BACK:
                self._outcomes[run.run_id] = self._outcome(run)
                while len(self._outcomes) > _REMEMBERED:
                    self._outcomes.popitem(last=False)
        self._open = under_way
        return [notice for notice in self._outcomes.values() if notice is not None]

    def _outcome(self, run: Run) -> Notification | None:
        if run.state is not RunState.REFUSED:
            entries = self._control.ledger(0, run.run_id, _MOST_ENTRIES)
            return outcome_notice(run, self._incident(run), consequences(entries))
        return refusal_notice(run, self._judgement(run), self._incident(run))

    def _judgement(self, run: Run) -> Judgement | None:
        return judgement_of(self._control.ledger(0, run.run_id, _MOST_ENTRIES))

    def _switches(self, now: int) -> list[Notification]:
        engaged = {(one.scope, one.since_unix_nano): one for one in self._control.switches()}
        if self._engaged is None:
            self._engaged = {(one.scope, one.since_unix_nano): one for one in self._remembered()}
        before, self._engaged = self._engaged, engaged
        released = [one for key, one in before.items() if key not in engaged]
        return [
            *(switch_notice(one) for one in engaged.values()),
            *(switch_notice(one, now) for one in released),
        ]

    def _remembered(self) -> tuple[Switch, ...]:
        """The switches that were engaged when somebody looked last, before this start."""
        kept = self._kept = self._control.get(_ENGAGED_KEY) or ""
        try:
            return canonical.read(tuple[Switch, ...], kept) if kept else ()
        except ValueError:
            return ()

    def _keep_engaged(self) -> None:
        engaged = canonical.text(sorted((self._engaged or {}).values(), key=lambda one: one.scope))
        if engaged != self._kept:
            self._control.put(_ENGAGED_KEY, engaged)
            self._kept = engaged

    def _incident(self, run: Run) -> Incident | None:
        return self._control.incident(run.plan.incident_id)

    def _known(self, wanted: Sequence[tuple[str, Make]]) -> list[Notification]:
        """Each is made once and remembered: to make one reads a whole incident."""
        found = []
        for key, make in wanted:
            if key not in self._made:
                self._made[key] = make()
                while len(self._made) > _REMEMBERED:
                    self._made.popitem(last=False)
            notice = self._made[key]
            if notice is not None:
                found.append(notice)
        return found
