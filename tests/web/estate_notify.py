"""The estate's notifications and signed links; partly hostile."""

from __future__ import annotations

from tests.web import content

from stormpetrel.errors import AuthError, NotFoundError, StateError
from stormpetrel.model.access import Caller, Role
from stormpetrel.model.automation_view import RunView
from stormpetrel.model.finding import Severity
from stormpetrel.model.notification import (
    Delivery,
    DeliveryState,
    NotificationKind,
    NotificationsView,
    RouteView,
)

_SIGNED = "WyJhIl0.signed-for_"
GOOD_LINK = f"{_SIGNED}rob"
LINK_OF_ANYBODY = f"{_SIGNED}anybody"  # there is none of this kind; for tests of the gate


class NotifyEstate:
    """One part of the `Service` protocol, deterministic: two routes, links that ask people about r1."""

    empty = False

    def __init__(self) -> None:
        self.trials: list[tuple[str, str]] = []
        self.link_used = False
        self.answered: list[tuple[bool, str, str]] = []

    def notifications(self) -> NotificationsView:
        if self.empty:
            return NotificationsView("", (), ())
        kinds = tuple(NotificationKind)[:4]
        people = (("rob", ""), ("nobody", "has no account"))
        routes = (
            RouteView("chat", "apprise", kinds, Severity.ERROR, (content.HOSTILE,), people, 3,
                      content.NOW - 9, 12, 4, 1, content.NOW, content.NOW, content.HOSTILE),
            RouteView("hook", "webhook", kinds[:1], Severity.WARNING, (), (), 0, 0, 0, 0, 0, 0, 0, ""),
        )  # fmt: skip
        deliveries = tuple(
            Delivery("chat", f"page:i{number}", NotificationKind.PAGE, content.HOSTILE, state, 2, content.NOW,
                     content.NOW, content.HOSTILE)
            for number, state in enumerate(DeliveryState)
        )  # fmt: skip
        return NotificationsView("", routes, deliveries)

    def notify_trouble(self) -> str:
        return "" if self.empty else f"the route chat does not deliver: {content.HOSTILE}"

    def send_trial(self, route: str, by: Caller) -> None:
        if by.role is not Role.ADMIN:
            raise AuthError(f"{by.name} may not do this: it needs the role admin")
        if route not in ("chat", "hook"):
            raise NotFoundError(f"there is no route {route}")
        self.trials.append((route, by.name))

    def automation_run(self, run_id: str) -> RunView:
        raise NotImplementedError

    def open_consent(self, text: str, by: Caller) -> RunView:
        person = text.removeprefix(_SIGNED)
        if not text.startswith(_SIGNED):
            raise NotFoundError("this link opens nothing: it was not made here, or was altered on its way")
        if person not in (by.name, "anybody"):
            raise AuthError(f"this link asks {person}, and you are signed in as {by.name}")
        if self.link_used:
            raise StateError("this link was used")
        return self.automation_run("r1")

    def answer_consent(self, text: str, agreed: bool, by: Caller, reason: str) -> RunView:
        view = self.open_consent(text, by)
        self.link_used = True
        self.answered.append((agreed, by.name, reason))
        return view
