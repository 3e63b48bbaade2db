"""Families of series: what is measured alike on another host lends its scale to a newcomer."""

from __future__ import annotations

import re
from collections.abc import Iterable

from stormpetrel.model.signal import SeriesInfo
from stormpetrel.ports.algorithms import DetectorBank, LendsScale

Family = tuple[str, str, tuple[tuple[str, str], ...]]

# Families remembered; what comes later has none and starts by itself.
MOST = 100_000
_PARTS = re.compile(r"[:/]")


class Families:
    """The first series of each family, which lends when another of it appears.

    Two series are of one family when metric, kind and labels are the same but for those that say which
    entity it is: the same counter of another host. Works where hosts are alike; a newcomer that is not like
    its family is judged too mildly or too strictly until it knows its own scale. It warms up like any other.
    Bounded to `MOST` families; O(labels) for each new series.
    """

    def __init__(self) -> None:
        self._first: dict[Family, int] = {}

    def meet(self, new: Iterable[SeriesInfo], banks: Iterable[DetectorBank]) -> None:
        """Newcomers borrow from their family in every bank that can lend; the first of a family lends."""
        lending = [bank for bank in banks if isinstance(bank, LendsScale)]
        for info in new:
            family = family_of(info)
            lender = self._first.get(family)
            if lender is not None:
                for bank in lending:
                    bank.lend(lender, info.series)
            elif len(self._first) < MOST:
                self._first[family] = info.series


def family_of(info: SeriesInfo) -> Family:
    """Metric, kind and the labels that do not name the entity.

    >>> family_of(SeriesInfo(0, "busy", (("cpu", "1"), ("host", "web-1")), "host:web-1", "host"))
    ('busy', 'unknown', (('cpu', '1'),))
    """
    names = set(_PARTS.split(info.entity))
    return info.metric, str(info.kind.value), tuple(one for one in info.labels if one[1] not in names)
