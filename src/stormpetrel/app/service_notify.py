"""The use-cases of notifications and of the links in them, one part of `app.service`."""

from __future__ import annotations

from typing import Protocol

from stormpetrel.model.access import Caller
from stormpetrel.model.automation_view import RunView
from stormpetrel.model.notification import NotificationsView


class NotifyService(Protocol):
    """What the pages ask and do about notifications."""

    def notifications(self) -> NotificationsView:
        """The page *Notifications*: routes, what became of the newest messages."""
        ...

    def notify_trouble(self) -> str:
        """Which routes do not get through, and why; "" when all do."""
        ...

    def send_trial(self, route: str, by: Caller) -> None:
        """An admin sends a message to see it arrive. NotFoundError, AuthError."""
        ...

    def open_consent(self, text: str, by: Caller) -> RunView:
        """The plan that a signed link asks this person about. NotFoundError (altered), AuthError (somebody
        else's), StateError (used, too late, the plan changed, or they proposed it)."""
        ...

    def answer_consent(self, text: str, agreed: bool, by: Caller, reason: str) -> RunView:
        """The person's answer, which uses the link up. As `open_consent`, and as `answer_plan`."""
        ...
