"""Links to reports: what may be opened, when, and how often; in any order of making, ending and revoking."""

from __future__ import annotations

import hashlib
import tempfile

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule
from structlog.testing import capture_logs

from stormpetrel.adapters.store.control import open_control_store
from stormpetrel.app.pace import FREE_FAILURES, Pace
from stormpetrel.app.shares import CLOSED, MOST_OF_INCIDENT, ShareDesk
from stormpetrel.errors import NotFoundError, OverloadedError, StateError
from stormpetrel.model.share import Lifetime
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.control import ControlStore
from stormpetrel.testing.clock import FakeClock

START = 1_700_000_000_000_000_000
INCIDENTS = ("i1", "i2")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def desk(control: ControlStore, clock: FakeClock) -> ShareDesk:
    return ShareDesk(control, clock)


class Links(RuleBasedStateMachine):
    """The desk beside a dictionary that knows what each secret should do."""

    secrets = Bundle("secrets")

    def __init__(self) -> None:
        super().__init__()
        self._folder = tempfile.TemporaryDirectory()
        self._control = open_control_store(f"sqlite:///{self._folder.name}/control.sqlite")
        self.clock = FakeClock(START)
        self.desk = ShareDesk(self._control, self.clock)
        self.known: dict[str, tuple[str, str, int, int]] = {}  # secret: id, incident, made, ends
        self.opened: dict[str, int] = {}
        self.gone: set[str] = set()  # ended while somebody looked, or revoked
        self.readers = 0

    def teardown(self) -> None:
        self._control.close()
        self._folder.cleanup()

    def _forget_ended(self) -> None:
        """Making a link forgets those that ended a day ago; until then the clock may be set right."""
        day_ago = self.clock.now_unix_nano() - from_seconds(86_400)
        self.gone |= {secret for secret, (_, _, _, ends) in self.known.items() if ends <= day_ago}

    @rule(target=secrets, incident=st.sampled_from(INCIDENTS), lifetime=st.sampled_from(Lifetime))
    def make(self, incident: str, lifetime: Lifetime) -> str:
        link, secret = self.desk.make(incident, lifetime, "jo")
        self._forget_ended()
        self.known[secret] = (link.share_id, incident, link.created_unix_nano, link.ends_unix_nano)
        self.opened[secret] = 0
        assert link.ends_unix_nano - link.created_unix_nano == lifetime.nanoseconds
        return secret

    @rule(secret=secrets)
    def open(self, secret: str) -> None:
        self.readers += 1  # each from a place of its own: nobody is slowed down here
        _, incident, made, ends = self.known[secret]
        now = self.clock.now_unix_nano()
        good = secret not in self.gone and made - from_seconds(60) <= now < ends
        if good:
            link = self.desk.open(secret, str(self.readers))
            self.opened[secret] += 1
            assert (link.incident_id, link.opened) == (incident, self.opened[secret])
        else:
            with pytest.raises(NotFoundError) as refused:
                self.desk.open(secret, str(self.readers))
            assert str(refused.value) == CLOSED

    @rule(secret=secrets, other=st.sampled_from(INCIDENTS))
    def revoke(self, secret: str, other: str) -> None:
        share_id, incident, _, _ = self.known[secret]
        there = secret not in self.gone and incident == other
        if there:
            self.desk.revoke(other, share_id, "al")
            self.gone.add(secret)
        else:
            with pytest.raises(NotFoundError):
                self.desk.revoke(other, share_id, "al")

    @rule(secret=consumes(secrets), tail=st.sampled_from(("x", "=", "/", "\ud800")))
    def guess(self, secret: str, tail: str) -> None:
        self.readers += 1
        with pytest.raises(NotFoundError):
            self.desk.open(secret + tail, str(self.readers))

    @rule(hours=st.sampled_from((0.01, 0.9, 1.0, 23.0, 24.0, 24.0 * 31)))
    def wait(self, hours: float) -> None:
        self.clock.set(self.clock.now_unix_nano() + from_seconds(3600 * hours))

    @rule(hours=st.sampled_from((0.01, 1.0, 30.0)))
    def clock_goes_back(self, hours: float) -> None:
        self.clock.set(self.clock.now_unix_nano() - from_seconds(3600 * hours))

    @rule()
    def lists_are_right(self) -> None:
        now = self.clock.now_unix_nano()
        for incident in INCIDENTS:
            listed = {link.share_id: link.opened for link in self.desk.links(incident)}
            wanted = {
                share_id: self.opened[secret]
                for secret, (share_id, of, _, ends) in self.known.items()
                if of == incident and secret not in self.gone and ends > now
            }
            assert listed == wanted


Links.TestCase.settings = settings(max_examples=25, stateful_step_count=20, deadline=None)
test_links = Links.TestCase


def test_only_the_hash_is_kept_and_nothing_of_the_secret_is_logged(
    desk: ShareDesk, control: ControlStore
) -> None:
    with capture_logs() as lines:
        link, secret = desk.make("i1", Lifetime.DAY, "jo")
        desk.open(secret, "10.0.0.1")
        desk.revoke("i1", link.share_id, "jo")
    assert len(secret) >= 43  # 256 bits
    assert link.token_hash == hashlib.sha256(secret.encode()).hexdigest()
    assert secret.endswith(link.hint)
    assert [line["event"] for line in lines] == ["share_made", "share_revoked"]
    assert secret not in repr(lines)
    assert link.token_hash not in repr(lines)


def test_links_of_an_incident_are_bounded_and_a_revoked_one_makes_room(desk: ShareDesk) -> None:
    made = [desk.make("i1", Lifetime.MONTH, "jo")[0] for _ in range(MOST_OF_INCIDENT)]
    with pytest.raises(StateError, match="20 links"):
        desk.make("i1", Lifetime.HOUR, "jo")
    desk.make("i2", Lifetime.HOUR, "jo")
    desk.revoke("i1", made[0].share_id, "jo")
    desk.make("i1", Lifetime.HOUR, "jo")


def test_links_are_bounded_in_all(desk: ShareDesk, monkeypatch: pytest.MonkeyPatch, clock: FakeClock) -> None:
    monkeypatch.setattr("stormpetrel.app.shares.MOST", 3)
    for number in range(3):
        desk.make(f"i{number}", Lifetime.HOUR, "jo")
    with pytest.raises(StateError, match="links to reports"):
        desk.make("i9", Lifetime.HOUR, "jo")
    clock.advance(3600)
    desk.make("i9", Lifetime.HOUR, "jo")


def test_guessing_is_slowed_down_by_address_and_a_link_forgives_nothing(
    desk: ShareDesk, clock: FakeClock
) -> None:
    _, secret = desk.make("i1", Lifetime.DAY, "jo")
    for _ in range(FREE_FAILURES):
        desk.open(secret, "10.0.0.9")
        with pytest.raises(NotFoundError):
            desk.open("guess", "10.0.0.9")
    with pytest.raises(OverloadedError, match="wait 2 s"):
        desk.open("guess", "10.0.0.9")
    assert desk.open(secret, "10.0.0.9").opened == FREE_FAILURES + 1, "a link does not wait for others"
    clock.advance(2.1)
    with pytest.raises(NotFoundError):
        desk.open("guess", "10.0.0.9")
    with pytest.raises(OverloadedError, match="wait 4 s"):
        desk.open("guess", "10.0.0.9")
    with pytest.raises(NotFoundError):
        desk.open("guess", "10.0.0.1")
    clock.advance(3600)
    for _ in range(FREE_FAILURES):
        with pytest.raises(NotFoundError):
            desk.open("guess", "10.0.0.9")


def test_waiting_is_bounded_after_any_number_of_failures(clock: FakeClock) -> None:
    pace = Pace(clock)
    for _ in range(5000):
        pace.failed("somebody")
    assert pace.wait_seconds("somebody") == 300.0
    clock.set(START - from_seconds(86400))
    assert pace.wait_seconds("somebody") == 0.0


@pytest.mark.parametrize("lifetime", Lifetime)
def test_a_link_is_good_to_its_end_and_no_longer(
    desk: ShareDesk, clock: FakeClock, lifetime: Lifetime
) -> None:
    link, secret = desk.make("i1", lifetime, "jo")
    clock.set(link.ends_unix_nano - 1)
    desk.open(secret, "10.0.0.1")
    clock.set(link.ends_unix_nano)
    with pytest.raises(NotFoundError, match="its time is over"):
        desk.open(secret, "10.0.0.1")
