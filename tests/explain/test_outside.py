"""What is not ours: hosts in failing lines, and the changes that are innocent then."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.explain.scenes import ONSET, STEP, change, quiet

from stormpetrel.explain.changes import suspect_changes
from stormpetrel.explain.outside import RESOLVER, outside

OURS = ("service:shop", "service:payment", "host:db-1")


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("POST https://api.pay.example/v1/charges returned 503", ("api.pay.example",)),
        ("Get http://API.Pay.Example:8443/x: EOF", ("api.pay.example",)),
        ("dial tcp: lookup api.pay.example on 10.0.0.10:53: no such host", ("api.pay.example",)),
        ("getaddrinfo ENOTFOUND api.pay.example", ("api.pay.example",)),
        ("GET http://payment:8080/ failed", ()),
        ("GET http://payment.prod.example/ failed", ()),
        ("GET http://payment-7.shop.svc/ failed", ()),
        ("lookup cart.shop.svc.cluster.local: i/o timeout", ()),
        ("at com.example.Pay.charge(Pay.java:12)", ()),
        ("server.go:12 failed", ()),
    ],
)
def test_hosts_that_are_not_ours(line: str, found: tuple[str, ...]) -> None:
    assert outside([line], OURS) == found


def test_several_names_that_are_not_resolved_are_the_resolver() -> None:
    lines = ["lookup a.shop.svc.cluster.local: i/o timeout", "lookup b.shop.svc.cluster.local: i/o timeout"]
    assert outside(lines[:1], OURS) == ()
    assert outside(lines, OURS) == (RESOLVER,)


@given(st.lists(st.text(max_size=200), max_size=5))
def test_any_text_is_read(lines: list[str]) -> None:
    assert outside(lines, OURS) == outside(lines, OURS)


def scores(text: str, foreign: tuple[str, ...]) -> float:
    situation = replace(quiet(), changes=(change("a", 5.0, text),))
    [found] = suspect_changes(situation, ONSET * STEP, {}, ["charge failed"], foreign=foreign)
    return found.score


def test_a_change_is_innocent_of_what_is_not_ours_unless_it_speaks_of_it() -> None:
    plain, speaking = "tidy the charge handler", "charge at https://api.pay.example/v2"
    assert scores(plain, ("api.pay.example",)) < scores(plain, ()) - 2.0
    assert scores(speaking, ("api.pay.example",)) == scores(speaking, ())
    assert scores(speaking, (RESOLVER, "api.pay.example")) < scores(speaking, ()) - 2.0
    assert scores("use another nameserver", (RESOLVER,)) == scores("use another nameserver", ())
