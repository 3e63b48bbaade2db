"""The contract of `ports.control.ControlStore` as a suite, for the built-in store and for yours.

    @pytest.mark.parametrize("check", CONTROL_CHECKS, ids=lambda check: check.__name__)
    def test_contract(check, tmp_path):
        check(lambda: MyControlStore(tmp_path))

Each check is given a function that opens *the same* store anew, empty at the first call.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from stormpetrel.errors import NotFoundError, StateError, StoreError
from stormpetrel.model.access import ApiToken, Role, Scope, User
from stormpetrel.model.cause_verdict import HelpedNote
from stormpetrel.model.feedback import Feedback, Opinion
from stormpetrel.model.finding import Severity
from stormpetrel.model.incident import Incident, IncidentState, Priority, TimelineEntry, line_of
from stormpetrel.model.page import Page, PageAccount, PageDecision
from stormpetrel.ports.control import ControlStore
from stormpetrel.testing.require import equal, refused, require
from stormpetrel.testing.store_samples import NOW, ODD_TEXT, SECOND, finding

MakeControlStore = Callable[[], ControlStore]


def sample_incident(number: int, state: IncidentState = IncidentState.OPEN) -> Incident:
    """An incident with two findings (NaN and infinities in their evidence) and a timeline."""
    findings = (finding(number), dataclasses.replace(finding(number + 1000), attributes=None))
    timeline = (
        TimelineEntry(NOW, "opened", ODD_TEXT.replace("\x00", "")),
        TimelineEntry(NOW + 1, "note", "seen", "jo", "f1"),
    )
    return Incident(
        f"i{number}", f"Disk {number} of Web-1 is FULL", state, Severity.ERROR, ("host:Web-1", "service:x"),
        NOW + number * SECOND, NOW + number * SECOND + 5, 0, findings, timeline, "i-before",
        priority=Priority(2, 3, 2, ODD_TEXT.replace("\x00", "")), more=(("disk full", 12), ("slow", 1)),
    )  # fmt: skip


def incidents_come_back(make_store: MakeControlStore) -> None:
    """Whole and exact, also after a restart; given again, replaced; unknown ones are None."""
    store = make_store()
    first, second = sample_incident(1), sample_incident(2)
    store.save_incidents([first, second])
    store.save_incidents([])
    require(_same(store.incident("i1"), first), "an incident comes back exactly")
    resolved = dataclasses.replace(
        first, state=IncidentState.RESOLVED, resolved_unix_nano=NOW + 9, findings=(), timeline=()
    )
    store.save_incidents([sample_incident(1), resolved])
    store.close()
    store = make_store()
    require(_same(store.incident("i1"), resolved), "of two with one id the later stays")
    require(_same(store.incident("i2"), second), "the others stay as they were")
    equal(store.incident("unknown"), None)
    store.close()


def incidents_are_listed(make_store: MakeControlStore) -> None:
    """Newest start first; states, text, limit and offset restrict; counts agree."""
    store = make_store()
    states = list(IncidentState)
    store.save_incidents([sample_incident(number, states[number % 4]) for number in range(8)])

    def ids(states: tuple[IncidentState, ...] = (), text: str = "", limit: int = 100, offset: int = 0) -> str:
        found = store.list_incidents(states, text, limit, offset)
        lines = store.list_incident_lines(states, text, limit, offset)
        equal(lines, [line_of(one) for one in found])
        return " ".join(one.incident_id for one in found)

    equal(ids(), "i7 i6 i5 i4 i3 i2 i1 i0")
    equal(ids((IncidentState.OPEN, IncidentState.RESOLVED)), "i7 i4 i3 i0")
    equal(ids(limit=2, offset=1), "i6 i5")
    equal(ids(text="dISK 3"), "i3")
    equal(ids((IncidentState.OPEN,), text="HOST:web-1"), "i4 i0")
    equal(ids(text="disk _"), "")
    equal(ids(text="%"), "")
    equal(store.count_incidents(), 8)
    equal(store.count_incidents((IncidentState.OPEN,)), 2)
    equal(store.count_incidents((IncidentState.OPEN,), NOW + SECOND), 1)
    umlaut = dataclasses.replace(sample_incident(9), sentence="ÄRGER im Netz")
    store.save_incidents([umlaut])
    equal(ids(text="ärger"), "i9")
    store.close()


def decided_incident(number: int, decision: PageDecision) -> Incident:
    """A sample incident with a page decision."""
    reason = ODD_TEXT.replace("\x00", "")
    page = Page(decision, PageAccount.BUDGET, NOW + number, reason, Severity.ERROR, 9.25, 7.5, 3)
    return dataclasses.replace(sample_incident(number), page=page)


def page_decisions_are_listed(make_store: MakeControlStore) -> None:
    """They come back with their incidents, also after a restart; newest first, by decision and time."""
    store = make_store()
    wanted = (PageDecision.PAGED, PageDecision.HELD, PageDecision.NOT_A_CANDIDATE, PageDecision.PAGED)
    decided = [decided_incident(number, decision) for number, decision in enumerate(wanted)]
    store.save_incidents([*decided, sample_incident(9)])
    store.close()
    store = make_store()
    for one in decided:
        require(_same(store.incident(one.incident_id), one), "a decision comes back with its incident")

    def ids(decisions: tuple[PageDecision, ...] = (), since: int = 0, limit: int = 100) -> str:
        return " ".join(one.incident_id for one in store.list_pages(decisions, since, limit))

    equal(ids(), "i3 i1 i0")
    equal(ids((PageDecision.PAGED,)), "i3 i0")
    equal(ids((PageDecision.NOT_A_CANDIDATE,)), "i2")
    equal(ids(since=NOW + 1), "i3 i1")
    equal(ids(limit=1), "i3")
    first, last = store.list_pages(limit=1)[0], decided[3]
    equal((first.page, first.sentence, first.state), (last.page, last.sentence, last.state))
    store.save_incidents([dataclasses.replace(last, page=None)])
    equal(ids(), "i1 i0")
    store.close()


def users_are_unique(make_store: MakeControlStore) -> None:
    """A name can be taken once."""
    store = make_store()
    equal(store.count_users(), 0)
    jo = User("jo", Role.ADMIN, "$argon2id$x", NOW)
    store.add_user(jo)
    refused(lambda: store.add_user(dataclasses.replace(jo, role=Role.VIEWER)), StateError)
    equal(store.user("jo"), jo)
    equal(store.user("Jo"), None)
    equal(store.count_users(), 1)
    store.close()


def tokens_can_be_revoked(make_store: MakeControlStore) -> None:
    """A revoked token is listed but not found by its hash; an unknown one is an error."""
    store = make_store()
    old = ApiToken("t1", "prom", frozenset({Scope.INGEST, Scope.READ}), "hash-1", "abcd", NOW, "jo")
    new = ApiToken("t2", "loki", frozenset(), "hash-2", "efgh", NOW + 1, "jo")
    store.add_token(old)
    store.add_token(new)
    equal(store.token_by_hash("hash-1"), old)
    equal(store.token_by_hash("hash-3"), None)
    equal(store.list_tokens(), [new, old])
    store.revoke_token("t1")
    store.revoke_token("t1")
    equal(store.token_by_hash("hash-1"), None)
    equal(store.list_tokens(), [new, dataclasses.replace(old, revoked=True)])
    refused(lambda: store.revoke_token("t3"), NotFoundError)
    store.close()


def settings_stay(make_store: MakeControlStore) -> None:
    """The text last put, also after a restart; None when never put or forgotten."""
    store = make_store()
    equal(store.get("key"), None)
    store.put("key", "first")
    store.put("key", ODD_TEXT.replace("\x00", ""))
    store.put("", "empty key")
    store.delete("never there")
    store.close()
    store = make_store()
    equal(store.get("key"), ODD_TEXT.replace("\x00", ""))
    equal(store.get(""), "empty key")
    store.delete("key")
    equal(store.get("key"), None)
    store.close()


def threads_may_share(make_store: MakeControlStore) -> None:
    """Many threads write and read the same rows and others; nothing is lost, nothing fails."""
    store = make_store()

    def work(thread: int) -> None:
        for place in range(10):
            store.put("shared", str(thread))
            store.put(f"own-{thread}", str(place))
            store.save_incidents([sample_incident(thread), sample_incident(99)])
            equal(store.get(f"own-{thread}"), str(place))
            require(store.incident("i99"), "the shared incident is there")

    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(work, thread) for thread in range(8)]:
            done.result()
    equal(store.count_incidents(), 9)
    require(store.get("shared") in {str(thread) for thread in range(8)}, "one of the values put")
    store.close()


def writers_take_turns(make_store: MakeControlStore) -> None:
    """Who reads before it writes is not refused because somebody else wrote meanwhile."""
    store = make_store()
    store.save_incidents([sample_incident(n) for n in range(4)])

    def step(number: int) -> None:
        for n in range(25):
            store.save_helped(HelpedNote(f"i{number}", f"did {n}", "ann", NOW + n))
            store.save_backtest(f"b{number}", n, {"n": n})

    with ThreadPoolExecutor(4) as people:
        for done in [people.submit(step, number) for number in range(4)]:
            done.result()
    equal({note.text for note in store.helped([f"i{n}" for n in range(4)]).values()}, {"did 24"})
    store.close()


def closed_is_closed(make_store: MakeControlStore) -> None:
    """After `close`, which may be called twice, calls raise StoreError."""
    store = make_store()
    store.close()
    store.close()
    refused(lambda: store.put("key", "value"), StoreError)
    refused(store.list_incidents, StoreError)


def opinions_are_kept_and_taken_back(make_store: MakeControlStore) -> None:
    """Feedback comes back whole, newest first; taking it back is once, and it stays listed."""
    store = make_store()
    title = ODD_TEXT.replace("\x00", "")
    given = [
        Feedback(f"o{n}", "f", "i", "robust", "jump", "up", title, opinion, "jo", "", NOW + n)
        for n, opinion in enumerate(Opinion)
    ]
    for one in given:
        store.add_feedback(one)
    store.close()
    store = make_store()
    equal(store.list_feedback(), given[::-1])
    equal(store.list_feedback(NOW + 1, 1), [given[2]])
    undone = store.undo_feedback("o1", NOW + 9, "al")
    equal(undone, dataclasses.replace(given[1], undone_unix_nano=NOW + 9, undone_by="al"))
    equal(store.list_feedback()[1], undone)
    refused(lambda: store.undo_feedback("o1", NOW + 10, "al"), StateError)
    refused(lambda: store.undo_feedback("o9", NOW + 10, "al"), NotFoundError)
    store.close()


def backtests_are_kept(make_store: MakeControlStore) -> None:
    """Their content comes back, newest first; given again, replaced; deleted, gone."""
    store = make_store()
    for number in range(3):
        store.save_backtest(f"b{number}", NOW + number, {"id": number, "share": 0.5})
    store.save_backtest("b1", NOW + 1, {"id": 1, "share": 1.0})
    store.delete_backtest("b0")
    store.delete_backtest("unknown")
    store.close()
    store = make_store()
    equal(store.list_backtests(), [{"id": 2, "share": 0.5}, {"id": 1, "share": 1.0}])
    equal(store.list_backtests(1), [{"id": 2, "share": 0.5}])
    store.close()


CONTROL_CHECKS: tuple[Callable[[MakeControlStore], None], ...] = (
    incidents_come_back,
    incidents_are_listed,
    page_decisions_are_listed,
    users_are_unique,
    tokens_can_be_revoked,
    settings_stay,
    opinions_are_kept_and_taken_back,
    backtests_are_kept,
    threads_may_share,
    writers_take_turns,
    closed_is_closed,
)


def put_forever(store: ControlStore, first: int) -> None:
    """Put and save numbered things and print the number of each that returned: the program to kill."""
    number = first
    while True:
        store.put("position", str(number))
        store.save_incidents([sample_incident(number)])
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        number += 1


def check_after_kill(store: ControlStore, acknowledged: int) -> None:
    """What `put_forever` acknowledged is there, exactly; at most one number beyond it was begun."""
    require(int(store.get("position") or -1) in (acknowledged, acknowledged + 1), "the last position is kept")
    require(store.count_incidents() in (acknowledged + 1, acknowledged + 2), "every incident is there once")
    for number in range(acknowledged + 1):
        require(_same(store.incident(f"i{number}"), sample_incident(number)), f"incident {number} is whole")


def _same(found: Incident | None, wanted: Incident) -> bool:
    """Equal, with NaN equal to NaN."""
    return found is not None and repr(dataclasses.asdict(found)) == repr(dataclasses.asdict(wanted))
