"""The links' part of the contract of `ports.control.ControlStore`; `check_control_store` has the rest."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from stormpetrel.errors import NotFoundError, StateError
from stormpetrel.model.share import CLOCK_SLACK_UNIX_NANO, Lifetime, ShareLink
from stormpetrel.testing.check_control_store import MakeControlStore
from stormpetrel.testing.require import equal, require
from stormpetrel.testing.store_samples import NOW, ODD_TEXT

_HOUR = Lifetime.HOUR.nanoseconds


def sample_share(number: int, incident_id: str = "i1") -> ShareLink:
    """A link that is made `number` nanoseconds after `NOW` and good for an hour."""
    maker = ODD_TEXT.replace("\x00", "")
    return ShareLink(
        f"s{number}", incident_id, f"hash-{number}", "wxyz", NOW + number, maker, NOW + number + _HOUR
    )


def shares_come_back(make_store: MakeControlStore) -> None:
    """Whole and exact, also after a restart; by incident, newest first; forgotten once."""
    store = make_store()
    made = [sample_share(number, "i2" if number == 2 else "i1") for number in range(4)]
    for link in made:
        store.add_share(link, 20, 1000)
    store.close()
    store = make_store()
    equal(store.list_shares("i1", NOW + 3), [made[3], made[1], made[0]])
    equal(store.list_shares("i3", NOW + 3), [])
    require(_refused(lambda: store.delete_share("i1", "s2"), NotFoundError), "s2 is another incident's")
    store.delete_share("i2", "s2")
    require(_refused(lambda: store.delete_share("i2", "s2"), NotFoundError), "it is gone")
    equal(store.open_share("hash-2", NOW + 3), None)
    store.close()


def openings_are_counted(make_store: MakeControlStore) -> None:
    """Each one, also of many at once; only while the link is good."""
    store = make_store()
    link = sample_share(0)
    store.add_share(link, 20, 1000)
    equal(
        store.open_share("hash-0", NOW + 5),
        dataclasses.replace(link, opened=1, last_opened_unix_nano=NOW + 5),
    )
    equal(store.open_share("another", NOW + 5), None)
    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(store.open_share, "hash-0", NOW + 6) for _ in range(20)]:
            require(done.result() is not None, "it opens for all of them")
    equal(
        store.list_shares("i1", NOW + 6),
        [dataclasses.replace(link, opened=21, last_opened_unix_nano=NOW + 6)],
    )
    equal(store.open_share("hash-0", NOW - CLOCK_SLACK_UNIX_NANO - 1), None)
    require(store.open_share("hash-0", NOW - CLOCK_SLACK_UNIX_NANO) is not None, "two clocks differ a little")
    require(store.open_share("hash-0", NOW + _HOUR - 1) is not None, "good to the last")
    equal(store.open_share("hash-0", NOW + _HOUR), None)
    store.close()


def shares_are_bounded(make_store: MakeControlStore) -> None:
    """By incident and in all; those that ended make room, and are forgotten a day later: until then a clock
    that jumped may be set right. A refused one is not kept."""
    store = make_store()
    store.add_share(sample_share(0), 2, 3)
    store.add_share(sample_share(1), 2, 3)
    require(_refused(lambda: store.add_share(sample_share(2), 2, 3), StateError), "two of the incident")
    store.add_share(sample_share(3, "i2"), 2, 3)
    require(_refused(lambda: store.add_share(sample_share(4, "i3"), 2, 3), StateError), "three in all")
    equal(store.open_share("hash-4", NOW + 4), None)
    same = dataclasses.replace(sample_share(5, "i4"), token_hash=sample_share(3).token_hash)
    require(_refused(lambda: store.add_share(same, 2, 9), StateError), "a hash is one link's")
    late = dataclasses.replace(
        sample_share(6), created_unix_nano=NOW + 1 + _HOUR, ends_unix_nano=NOW + 3 * _HOUR
    )
    store.add_share(late, 1, 2)
    equal(store.list_shares("i1", NOW + 1 + _HOUR), [late])
    equal(store.list_shares("i2", NOW + 3 + _HOUR), [])
    equal([link.share_id for link in store.list_shares("i2", NOW)], ["s3"])
    day_later = NOW + 4 + 25 * _HOUR
    last = dataclasses.replace(sample_share(7), created_unix_nano=day_later, ends_unix_nano=day_later + _HOUR)
    store.add_share(last, 9, 9)
    equal(store.list_shares("i2", NOW), [])
    store.close()


SHARE_CHECKS: tuple[Callable[[MakeControlStore], None], ...] = (
    shares_come_back,
    openings_are_counted,
    shares_are_bounded,
)


def _refused(call: Callable[[], object], error: type[Exception]) -> bool:
    try:
        call()
    except error:
        return True
    return False
