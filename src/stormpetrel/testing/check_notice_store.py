"""The notifications' part of the contract of `ports.control.ControlStore`; see `check_control_store`."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from stormpetrel.model.finding import Severity
from stormpetrel.model.notification import Delivery, DeliveryState, Notification, NotificationKind
from stormpetrel.model.time import from_seconds
from stormpetrel.testing.check_control_store import MakeControlStore
from stormpetrel.testing.require import equal, require
from stormpetrel.testing.store_samples import NOW, ODD_TEXT, SECOND

_DAY = from_seconds(86_400.0)
_MINE, _OTHER = "host-a:/data", "host-b:/data"


def sample_notice(number: int, title: str = "checkout fails") -> Notification:
    """A page of an incident."""
    return Notification(
        f"page:i{number}", NotificationKind.PAGE, Severity.ERROR, title, ("since then",),
        f"/incidents/i{number}", ("service:checkout",), NOW,
    )  # fmt: skip


def _closed(number: int, state: DeliveryState, time: int = NOW) -> Delivery:
    return Delivery("chat", f"page:i{number}", NotificationKind.PAGE, "t", state, 2, time, time + 5, "")


def each_notice_is_one_holders(make_store: MakeControlStore) -> None:
    """New ones are claimed; another's are not, until its claim ends; what is over is nobody's, also later."""
    store = make_store()
    first = [sample_notice(number) for number in range(3)]
    equal(store.claim_notices("chat", first, _MINE, NOW, NOW + 60 * SECOND), {one.key for one in first})
    equal(store.claim_notices("chat", first, _OTHER, NOW + 1, NOW + 99 * SECOND), set())
    equal(store.claim_notices("mail", first[:1], _OTHER, NOW, NOW + SECOND), {"page:i0"})
    store.close_notice(_closed(0, DeliveryState.SENT))
    store.close_notice(_closed(1, DeliveryState.FAILED))
    store.close()
    store = make_store()
    late = NOW + 60 * SECOND
    equal(store.claim_notices("chat", first, _OTHER, late, late + SECOND), {"page:i2"})
    equal(store.claim_notices("chat", first, _MINE, late, late + SECOND), set())
    equal(store.claim_notices("chat", [], _MINE, late, late + SECOND), set())
    store.close()


def who_begins_anew_frees_its_claims(make_store: MakeControlStore) -> None:
    """And nobody else's."""
    store = make_store()
    far = NOW + 900 * SECOND
    store.claim_notices("chat", [sample_notice(1)], _MINE, NOW, far)
    store.claim_notices("chat", [sample_notice(2)], _OTHER, NOW, far)
    store.free_notices(_MINE)
    both = [sample_notice(1), sample_notice(2)]
    equal(store.claim_notices("chat", both, "third", NOW + 1, far), {"page:i1"})
    store.close()


def two_at_once_never_get_the_same(make_store: MakeControlStore) -> None:
    """Of many that claim together, each key is one's."""
    store = make_store()
    notices = [sample_notice(number) for number in range(20)]
    with ThreadPoolExecutor(4) as pool:
        ends = NOW + 900 * SECOND
        claims = [
            pool.submit(store.claim_notices, "chat", notices, f"holder-{number}", NOW, ends)
            for number in range(4)
        ]
        found = [key for claim in claims for key in claim.result()]
    equal(sorted(found), sorted(one.key for one in notices))
    store.close()


def notices_are_listed_and_forgotten(make_store: MakeControlStore) -> None:
    """Newest first, whole, their titles harmless; a month after their end they are gone."""
    store = make_store()
    odd = sample_notice(1, "see https://evil.example/ " + ODD_TEXT.replace("\x00", ""))
    store.claim_notices("chat", [odd], _MINE, NOW, NOW + SECOND)
    store.close_notice(_closed(2, DeliveryState.SENT, NOW + 9))
    newest, claimed = store.list_notices()
    equal(newest, _closed(2, DeliveryState.SENT, NOW + 9))
    equal((claimed.key, claimed.state, claimed.attempts), ("page:i1", DeliveryState.CLAIMED, 0))
    require("https://" not in claimed.title, f"a title can be followed: {claimed.title}")
    equal(len(store.list_notices(1)), 1)
    later = NOW + 31 * _DAY
    store.claim_notices("chat", [sample_notice(3)], _MINE, later, later + SECOND)
    equal({one.key for one in store.list_notices()}, {"page:i1", "page:i3"})
    store.close()


def a_link_is_used_once(make_store: MakeControlStore) -> None:
    """Also by many at once, and after a restart; a use that came to nothing is given back."""
    store = make_store()
    require(not store.link_spent("l1"), "nobody used it")
    with ThreadPoolExecutor(4) as pool:
        uses = [pool.submit(store.spend_link, "l1", NOW, NOW + SECOND) for _ in range(8)]
        equal(sorted(use.result() for use in uses), [False] * 7 + [True])
    store.close()
    store = make_store()
    require(store.link_spent("l1"), "it stays used")
    require(not store.spend_link("l1", NOW + SECOND, NOW + SECOND), "also after its end")
    store.unspend_link("l1")
    store.unspend_link("unknown")
    require(store.spend_link("l1", NOW, NOW + SECOND), "as if it had not been used")
    require(store.spend_link("l2", NOW + 2 * _DAY, NOW + 3 * _DAY), "another")
    require(not store.link_spent("l1"), "forgotten a day after its end")
    store.close()


NOTICE_CHECKS: tuple[Callable[[MakeControlStore], None], ...] = (
    each_notice_is_one_holders,
    who_begins_anew_frees_its_claims,
    two_at_once_never_get_the_same,
    notices_are_listed_and_forgotten,
    a_link_is_used_once,
)
