"""Notifications: what is told to people elsewhere, to whom, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from stormpetrel.model.finding import Severity


class NotificationKind(StrEnum):
    """What a notification is about."""

    PAGE = "page"  # an incident that wakes somebody
    PLAN = "plan"  # a plan, or a held run, that waits for people
    OUTCOME = "outcome"  # what became of a run
    SWITCH = "switch"  # a kill switch was engaged or released
    TEST = "test"  # somebody wants to see that it arrives
    DIGEST = "digest"  # many at once, in one message


@dataclass(frozen=True, slots=True)
class Asked:
    """A plan that waits, as far as its links need it.

    Attributes:
        run_id, plan_hash: exactly which plan.
        requester: who proposed it, and so is not asked.
        ends_unix_nano: until when it waits.
    """

    run_id: str
    plan_hash: str
    requester: str
    ends_unix_nano: int


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing to be told. Its texts may come from telemetry; they are made harmless when it is written.

    Attributes:
        key: unique: what has the same key is the same thing, and is told once.
        title: one line that says it all.
        lines: more, one fact a line.
        path: on our own page, for its link; "" for none.
        entities: what it is about, for routes that follow some services alone; empty: everybody's.
        ends_unix_nano: after which nobody needs to hear of it; 0: it stays worth telling.
        asked: the plan that people are asked about; None when nobody is.
    """

    key: str
    kind: NotificationKind
    severity: Severity
    title: str
    lines: tuple[str, ...]
    path: str
    entities: tuple[str, ...]
    time_unix_nano: int
    ends_unix_nano: int = 0
    asked: Asked | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """A notification as it leaves: plain text in which only our own addresses can be followed.

    Attributes:
        key, kind, severity, time_unix_nano: of the notification.
        title: one line of at most 200 characters.
        body: lines of plain text, with the links in it.
        link: the address of the page about it; "" for none.
        answers: (person, address) of the links that ask for an answer.
    """

    key: str
    kind: NotificationKind
    severity: Severity
    time_unix_nano: int
    title: str
    body: str
    link: str = ""
    answers: tuple[tuple[str, str], ...] = ()


class DeliveryState(StrEnum):
    """What became of a notification on a route. `CLAIMED`: some process is about to deliver it."""

    CLAIMED = "claimed"
    SENT = "sent"
    DIGESTED = "digested"  # as a line of a digest
    FAILED = "failed"  # given up


@dataclass(frozen=True, slots=True)
class Delivery:
    """One notification on one route.

    Attributes:
        title: as it was sent, harmless.
        attempts: how often it was tried.
        first_unix_nano, done_unix_nano: when it was taken up, and when its end was reached; 0: not yet.
        reason: why the last attempt failed; never a secret.
    """

    route: str
    key: str
    kind: NotificationKind
    title: str
    state: DeliveryState
    attempts: int
    first_unix_nano: int
    done_unix_nano: int
    reason: str


@dataclass(frozen=True, slots=True)
class RouteView:
    """A route as it stands.

    Attributes:
        type: of its notifier, e.g. "apprise".
        kinds, least_severity, services: what it carries; no services: all.
        people: (name, what keeps them from being asked, "" when nothing does).
        waiting: notifications not delivered yet; `oldest_unix_nano`: since when the oldest waits, 0: none.
        sent_total, failed_total, dropped_total: since the start; attempts that failed, and what was given up.
        sent_unix_nano, failed_unix_nano: when one was last delivered, when an attempt last failed; 0: never.
        trouble: why the last attempt failed, when none has succeeded since; "" when all is well.
    """

    name: str
    type: str
    kinds: tuple[NotificationKind, ...]
    least_severity: Severity
    services: tuple[str, ...]
    people: tuple[tuple[str, str], ...]
    waiting: int
    oldest_unix_nano: int
    sent_total: int
    failed_total: int
    dropped_total: int
    sent_unix_nano: int
    failed_unix_nano: int
    trouble: str


@dataclass(frozen=True, slots=True)
class NotificationsView:
    """The page *Notifications*. `base`: the address that links lead to, "" while it is not known."""

    base: str
    routes: tuple[RouteView, ...]
    deliveries: tuple[Delivery, ...]


@dataclass(frozen=True, slots=True)
class Consent:
    """What a signed link says: exactly this person is asked about exactly this plan, until then.

    Attributes:
        link_id: unique; used once.
    """

    link_id: str
    run_id: str
    plan_hash: str
    person: str
    ends_unix_nano: int
