"""What people said of the incidents of a flight: of its own, or of the recorded ones that they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from stormpetrel.app.backtest_compare import together, told_incident
from stormpetrel.model import feedback
from stormpetrel.model.backtest import ToldIncident
from stormpetrel.model.cause_verdict import CauseOutcome, CauseVerdict
from stormpetrel.model.flight import Opinion
from stormpetrel.model.incident import Incident, IncidentLine
from stormpetrel.model.time import Window
from stormpetrel.ports.control import ControlStore

_MOST = 2_000  # recorded incidents that are looked at, the newest


class Said:
    """What was said of each incident, asked by the id that it has in the flight.

    A replay begins cold, so an incident of it need not have the id of the one that was told at the time: it
    is taken for the recorded one on a common entity that began nearest to it, if they overlap in time.

    Args:
        control: where people's words are kept.
        incidents: of the flight.
        window: in which they were.
    """

    def __init__(self, control: ControlStore, incidents: Mapping[str, Incident], window: Window) -> None:
        recorded = [_line(one) for one in _recorded(control, window)]
        self._recorded = {
            one: _counterpart(told_incident(incident), recorded) for one, incident in incidents.items()
        }
        wanted = {one for one in self._recorded.values() if one}
        self._verdicts = {
            one.incident_id: one for one in control.list_cause_verdicts() if one.incident_id in wanted
        }
        self._found: defaultdict[str, list[feedback.Opinion]] = defaultdict(list)
        for given in control.list_feedback():
            if given.incident_id in wanted and not given.undone_unix_nano:
                self._found[given.incident_id].append(given.opinion)

    def of(self, incident_id: str, targets: Iterable[str]) -> tuple[Opinion, str]:
        """What was said of an incident, by a plan for these targets; and the id it was recorded under."""
        recorded = self._recorded.get(incident_id, "")
        verdict = self._verdicts.get(recorded)
        if verdict is not None:
            return _of_cause(verdict, set(targets)), recorded
        found = self._found.get(recorded, [])
        if not found:
            return Opinion.NONE, recorded
        good = sum(one is feedback.Opinion.USEFUL for one in found)
        return (Opinion.USEFUL if 2 * good > len(found) else Opinion.NOT_USEFUL), recorded


def _counterpart(flown: ToldIncident, recorded: Sequence[ToldIncident]) -> str:
    """The recorded incident that a flown one is; "" for none."""
    same = [one for one in recorded if one.incident_id == flown.incident_id]
    near = same or [one for one in recorded if together(flown, one)]
    best = min(
        near,
        key=lambda one: (abs(one.start_unix_nano - flown.start_unix_nano), one.incident_id),
        default=None,
    )
    return best.incident_id if best is not None else ""


def _of_cause(verdict: CauseVerdict, targets: set[str]) -> Opinion:
    """What a verdict on the cause says of acting on these: the cause that a person named is one of them."""
    if verdict.outcome is CauseOutcome.NO_CAUSE:
        return Opinion.NO_CAUSE
    if verdict.entity:
        return Opinion.RIGHT_CAUSE if verdict.entity in targets else Opinion.OTHER_CAUSE
    if verdict.outcome is CauseOutcome.SOMETHING_ELSE or targets & set(verdict.ruled_out):
        return Opinion.OTHER_CAUSE
    return Opinion.UNDECIDED


def _recorded(control: ControlStore, window: Window) -> list[IncidentLine]:
    return [
        one
        for one in control.list_incident_lines((), "", _MOST, 0)
        if one.start_unix_nano < window.end_unix_nano
        and (not one.resolved_unix_nano or one.resolved_unix_nano >= window.start_unix_nano)
    ]


def _line(one: IncidentLine) -> ToldIncident:
    end = max(one.resolved_unix_nano or one.updated_unix_nano, one.start_unix_nano)
    return ToldIncident(
        one.incident_id, one.sentence, int(one.severity), one.entities, one.start_unix_nano, end,
        one.findings_total,
    )  # fmt: skip
