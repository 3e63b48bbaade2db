"""Incidents merged and split by a person, and the rules that follow: kept in the control store."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Collection, Sequence

from stormpetrel.app.judge import Judge
from stormpetrel.app.pipeline import Pipeline
from stormpetrel.correlate.bonds import Bonds
from stormpetrel.correlate.by_hand import Pair
from stormpetrel.errors import NotFoundError, OverloadedError, StoreError
from stormpetrel.model.bond import Bond, BondKind
from stormpetrel.model.incident import Incident
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore

MAX_BONDS = 1_000
_KEY = "correlate.bonds"

Step = Callable[[int], tuple[list[Incident], list[Pair]]]


class BondDesk:
    """Takes a person's merges and splits, and lets the grouping obey the rules. Safe from any thread.

    Args:
        control: where the rules are kept.
        pipeline: whose incidents they are.
        judge: in turn with whose batches everything is done.
        clock: for the timeline.
        keep: stores incidents at once, all or none; raises `StoreError`.
    """

    def __init__(
        self,
        control: ControlStore,
        pipeline: Pipeline,
        judge: Judge,
        clock: Clock,
        keep: Callable[[Sequence[Incident]], None],
    ) -> None:
        self._control = control
        self._pipeline = pipeline
        self._judge = judge
        self._clock = clock
        self._keep = keep
        self._bonds = _read(control.get(_KEY))
        pipeline.obey(Bonds(self._bonds))

    def bonds(self) -> list[Bond]:
        """The rules, newest first."""
        return sorted(self._bonds, key=lambda one: (-one.time_unix_nano, one.bond_id))

    def merge(self, into_id: str, other_id: str, actor: str) -> Incident:
        """Put all of another incident into this one; what they are about belongs together from now on.

        Raises:
            NotFoundError: one of them is not open. StateError: they are one.
            OverloadedError: there are `MAX_BONDS` rules. StoreError: nothing was stored, nothing is changed.
        """
        grouping = self._pipeline.grouping

        def step(now: int) -> tuple[list[Incident], list[Pair]]:
            return grouping.merge(into_id, other_id, now, actor)

        return self._judge.within(lambda: self._do((into_id, other_id), step, BondKind.TOGETHER, actor))

    def split(self, incident_id: str, finding_ids: Collection[str], actor: str) -> Incident:
        """Make an incident of some findings of another; what they are about is apart from now on.

        Of two findings on one entity no rule is made.

        Raises:
            NotFoundError: the incident is not open. StateError: nothing is chosen, or everything.
            OverloadedError, StoreError: see `merge`.
        """
        grouping = self._pipeline.grouping

        def step(now: int) -> tuple[list[Incident], list[Pair]]:
            return grouping.split(incident_id, finding_ids, now, actor)

        return self._judge.within(lambda: self._do((incident_id,), step, BondKind.APART, actor))

    def delete(self, bond_id: str) -> None:
        """Forget a rule; incidents stay as they are.

        Raises:
            NotFoundError: there is none. StoreError: it is still kept.
        """
        if all(one.bond_id != bond_id for one in self._bonds):
            raise NotFoundError(f"there is no rule {bond_id[:60]}")
        self._judge.within(lambda: self._put([one for one in self._bonds if one.bond_id != bond_id]))

    def _do(self, ids: tuple[str, ...], step: Step, kind: BondKind, actor: str) -> Incident:
        grouping, now = self._pipeline.grouping, self._clock.now_unix_nano()
        before, bonds = grouping.remember(ids), self._bonds
        changed, pairs = step(now)
        try:
            changed = self._pipeline.priorities.update(changed, now)
            grouping.adopt(changed)
            if pairs:
                self._put(_with(bonds, pairs, Bond("", kind, "", "", now, actor, ids[0])))
            self._keep(changed)
        except (StoreError, OverloadedError):
            grouping.go_back(before, changed)
            if self._bonds is not bonds:
                self._put(bonds)
            raise
        return changed[-1] if kind is BondKind.APART else changed[0]

    def _put(self, bonds: list[Bond]) -> None:
        if len(bonds) > MAX_BONDS:
            raise OverloadedError(f"there are {MAX_BONDS} rules about entities; delete some first")
        self._control.put(_KEY, json.dumps([dataclasses.asdict(one) for one in bonds]))
        self._bonds = bonds
        self._pipeline.obey(Bonds(bonds))


def _with(bonds: list[Bond], pairs: list[Pair], like: Bond) -> list[Bond]:
    """The rules with one more for each pair, in the place of what was said of that pair before."""
    added = []
    for pair in pairs:
        left, right = sorted(pair)
        number = hashlib.sha256(f"{left}\0{right}".encode()).hexdigest()[:16]
        added.append(dataclasses.replace(like, bond_id=number, left=left, right=right))
    anew = {one.bond_id for one in added}
    return [*(one for one in bonds if one.bond_id not in anew), *added]


def _read(text: str | None) -> list[Bond]:
    return [Bond(**{**one, "kind": BondKind(one["kind"])}) for one in json.loads(text or "[]")]
