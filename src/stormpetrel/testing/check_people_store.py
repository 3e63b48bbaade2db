"""The accounts' part of the contract of `ports.control.ControlStore`; `check_control_store` has the rest."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from stormpetrel.errors import StateError
from stormpetrel.model.access import Role, User
from stormpetrel.model.people import Invitation, PeopleAct, PeopleChange
from stormpetrel.model.share import CLOCK_SLACK_UNIX_NANO
from stormpetrel.model.verdict import Outcome
from stormpetrel.testing.automation_samples import fixed_judge, sample_plan, sample_run, yes
from stormpetrel.testing.check_automation_store import let_go
from stormpetrel.testing.check_control_store import MakeControlStore
from stormpetrel.testing.require import equal, require
from stormpetrel.testing.store_samples import NOW

_HOUR = 3_600_000_000_000


def sample_invitation(person: str, role: Role | None, number: int = 0) -> Invitation:
    """A link that is made `number` nanoseconds after `NOW` and good for an hour."""
    return Invitation(f"hash-{person}-{number}", person, role, NOW + number, "jo", NOW + number + _HOUR)


def accounts_come_back(make_store: MakeControlStore) -> None:
    """Whole and exact, also after a restart; a link is good for its time and used once."""
    store = make_store()
    jo = User("jo", Role.ADMIN, "$argon2id$x", NOW)
    store.add_user(jo)
    link = sample_invitation("b\u00f6 <b>", Role.RESPONDER)
    store.add_invitation(link)
    store.close()
    store = make_store()
    equal(store.list_invitations(NOW), [link])
    equal(store.invitation(link.token_hash, NOW + _HOUR), None)
    equal(store.invitation(link.token_hash, NOW - CLOCK_SLACK_UNIX_NANO - 1), None)
    equal(store.invitation(link.token_hash, NOW + _HOUR - 1), link)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(store.use_invitation, link.token_hash, NOW + 5, f"h{n}") for n in range(8)]
        used = [one.result() for one in asked]
    made = [one for one in used if one is not None]
    equal(len(made), 1)
    equal(store.list_users(), [made[0], jo])
    require(store.set_password("jo", "$argon2id$x", "$new", NOW + 6), "it was the old one")
    require(not store.set_password("jo", "$argon2id$x", "$other", NOW + 7), "it is not any more")
    joined, invited = store.list_people_changes()[1:]
    equal(
        joined, PeopleChange(NOW + 5, link.person, PeopleAct.JOINED, link.person, "responder by a link of jo")
    )
    equal(invited, PeopleChange(NOW, "jo", PeopleAct.INVITED, link.person, "responder"))
    store.close()


def an_admin_stays(make_store: MakeControlStore) -> None:
    """Of two who lower each other at once one stays; a password is taken away by a link for a new one."""
    store = make_store()
    for name in ("ann", "bo"):
        store.add_user(User(name, Role.ADMIN, "$argon2id$x", NOW))
    pairs = (("ann", "bo"), ("bo", "ann"))
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(store.set_role, of, Role.VIEWER, by, NOW) for of, by in pairs]
    equal(sum(isinstance(one.exception(), StateError) for one in asked), 1)
    (last,) = [one for one in store.list_users() if one.role is Role.ADMIN]
    try:
        store.remove_person(last.name, "x", NOW)
    except StateError:
        pass
    else:
        raise AssertionError("the last admin was removed")
    equal(store.user(last.name), last)
    store.add_invitation(sample_invitation(last.name, None))
    found = store.user(last.name)
    equal(found and found.password_hash, "")
    back = store.use_invitation(f"hash-{last.name}-0", NOW + 1, "$new")
    equal(back and (back.role, back.password_hash), (Role.ADMIN, "$new"))
    store.close()


def who_may_not_answer_any_more_lets_nothing_go(make_store: MakeControlStore) -> None:
    """The yes of somebody who was removed, or is a viewer now, counts no more; that of the others does."""
    store = make_store()
    for name in ("jo", "bo", "cy", "di"):
        store.add_user(User(name, Role.ADMIN, "h", NOW))
    plan = sample_plan("a")
    run = let_go(store, sample_run(plan), fixed_judge(plan, Outcome.ASK, 4))
    for name in ("jo", "bo", "cy", "di"):
        store.add_approval("a", yes(run, name))
    store.remove_person("bo", "jo", NOW)
    store.set_role("cy", Role.VIEWER, "jo", NOW)
    store.set_role("di", Role.RESPONDER, "jo", NOW)
    equal(sorted(one.approver for one in store.approvals("a")), ["di", "jo"])
    store.close()


PEOPLE_CHECKS: tuple[Callable[[MakeControlStore], None], ...] = (
    accounts_come_back,
    an_admin_stays,
    who_may_not_answer_any_more_lets_nothing_go,
)
