"""Time that calls lose on the way: whose callee it is held against, and what is no loss."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.explain.scenes import ONSET, POINTS, quiet, sightings

from stormpetrel.explain.between import between_evidence
from stormpetrel.explain.onset import split_of
from stormpetrel.explain.situation import Situation
from stormpetrel.explain.spans import span_evidence
from stormpetrel.explain.weights import DEFAULT
from stormpetrel.model.cause import EvidenceItem

TARGET = {"load user": "service:user", "load cart": "service:cart", "load page": "service:web"}


def shop(
    slow_when_called: str, seconds: float = 2.0, told: bool = False, from_point: int = ONSET
) -> Situation:
    """`web` calls `user` at every minute and `cart` at every second one, `app` calls `cart` only.

    A client's spans are named GET, and say whom they call where `told`; the way to one callee is slow.
    """
    rows: list[tuple[int, str, str, float]] = []
    own: list[float] = []

    def call(point: int, caller: str, callee: str) -> None:
        slow = point >= from_point and callee == slow_when_called
        name = f"{caller} GET{f' to {callee}' if told else ''}"
        rows.extend(
            [(point, f"service:{caller}", name, 1.0), (point, f"service:{caller}", f"load {callee}", 1.0)]
        )
        own.extend([seconds if slow else 0.003 + 0.0005 * (point % 3), 0.001])

    for point in range(POINTS):
        call(point, "web", "user")
        if point % 2:
            call(point, "web", "cart")
            call(point, "app", "cart")
    names = {row[2] for row in rows if "GET" in row[2]}
    toward = {name: f"service:{name.rpartition(' ')[2]}" if told else "" for name in names}
    return replace(quiet(), spans=sightings(rows, own_seconds=np.array(own), target=TARGET, toward=toward))


def told_of(situation: Situation) -> list[EvidenceItem]:
    items = between_evidence(situation, split_of(situation), DEFAULT)
    return sorted(items, key=lambda item: -item.weight)


@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("callee", ["user", "cart"])
def test_the_callee_on_whose_way_time_is_lost_is_first(callee: str, told: bool) -> None:
    items = told_of(shop(callee, told=told))
    assert items[0].entity == f"service:{callee}"
    assert items[0].weight > 2.0 * max([item.weight for item in items[1:]], default=0.0)
    assert "2000 ms on the way where 3.5 ms are usual" in items[0].text


def test_where_it_is_told_nobody_else_is_suspected() -> None:
    assert {item.entity for item in told_of(shop("cart", told=True))} == {"service:cart"}


def test_no_loss_no_evidence() -> None:
    assert told_of(shop("cart", seconds=0.004)) == []
    assert told_of(replace(quiet(), spans=None)) == []


def test_what_was_always_so_is_no_loss() -> None:
    assert told_of(shop("user", from_point=0)) == []


def test_another_trouble_is_no_past() -> None:
    situation = shop("cart", from_point=ONSET - 20)
    usable = np.ones(POINTS, np.bool_)
    usable[ONSET - 20 : ONSET] = False
    assert max((item.weight for item in told_of(situation)), default=0.0) < 1.0
    assert told_of(replace(situation, usable=usable))[0].entity == "service:cart"


def test_the_way_is_not_the_callers_own_time() -> None:
    situation = shop("cart")
    items = span_evidence(situation, split_of(situation), DEFAULT)
    assert not [item for item in items if item.kind == "self time" and item.entity == "service:web"]
