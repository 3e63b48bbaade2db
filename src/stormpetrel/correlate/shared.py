"""The same alert on many entities at once is one trouble that they share, whether or not they are related."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection

from stormpetrel.model.finding import ALERT_NAME, Finding

_NAMES = 10_000


def name_of(finding: Finding) -> str:
    """The name of the alert that a finding tells of; "" where it tells of none."""
    return (finding.attributes or {}).get(ALERT_NAME, "")


def begun(finding: Finding) -> tuple[int, str]:
    """When a finding began; of those at once, the order of their ids."""
    return finding.start_unix_nano, finding.finding_id


class SharedNames:
    """Which alert names fire on many root entities within a window. O(1) an alert, at most 10,000 names.

    It works where one rule watches many alike things and all of them suffer at once. It fails, and joins
    what has nothing in common, where a rule fires on many entities all the time: then raise `least`.

    Args:
        window: nanoseconds within which alerts are at once.
        least: different root entities that make a name a shared one.
    """

    def __init__(self, window: int, least: int) -> None:
        self._window = window
        self._least = least
        self._starts: OrderedDict[str, OrderedDict[str, int]] = OrderedDict()
        self._home: dict[str, str] = {}

    @property
    def least(self) -> int:
        """Different root entities that make a name a shared one."""
        return self._least

    def note(self, name: str, root: str, start_unix_nano: int) -> bool:
        """An alert fires on an entity; whether its name is shared from now on."""
        starts = self._starts.setdefault(name, OrderedDict())
        self._starts.move_to_end(name)
        starts[root] = max(start_unix_nano, starts.get(root, 0))
        starts.move_to_end(root)
        while len(starts) > self._least:  # more of them need not be known
            starts.popitem(last=False)
        while len(self._starts) > _NAMES:
            gone, _ = self._starts.popitem(last=False)
            self._home.pop(gone, None)
        near = sum(abs(start_unix_nano - start) <= self._window for start in starts.values())
        return near >= self._least

    def home(self, name: str) -> str:
        """The incident that the newest alert of this name went to; empty when there is none."""
        return self._home.get(name, "")

    def moved(self, incident_id: str, into_id: str) -> None:
        """An incident goes on in another one. O(names)."""
        for name, home in self._home.items():
            if home == incident_id:
                self._home[name] = into_id

    def homes(self, incident_ids: Collection[str]) -> dict[str, str]:
        """The names whose newest alert went to one of these incidents, each with that one. O(names)."""
        return {name: home for name, home in self._home.items() if home in incident_ids}

    def settle(self, name: str, incident_id: str) -> None:
        """The newest alert of this name went to an incident."""
        if name in self._starts:
            self._home[name] = incident_id
