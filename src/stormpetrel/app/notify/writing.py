"""From a notification to the message of one route: text made harmless, our own links added."""

from __future__ import annotations

from collections.abc import Sequence

from stormpetrel.app.access import Access
from stormpetrel.app.notify.links import ConsentLinks
from stormpetrel.model.access import Role
from stormpetrel.model.agreement import same_person
from stormpetrel.model.notification import Asked, Message, Notification
from stormpetrel.model.text import harmless

_LONGEST_TITLE, _LONGEST_LINE = 200, 500
CONSENT_PATH = "/consent/"


class Writer:
    """Writes messages. All text but the addresses that are made here goes through `harmless`.

    Args:
        access: knows who has an account.
        links: signs the links of plans.

    `base` is the address that people reach the page by, without a slash at its end; while it is "" messages
    have no links.
    """

    def __init__(self, access: Access, links: ConsentLinks, base: str) -> None:
        self._access, self._links, self.base = access, links, base

    def write(self, notice: Notification, people: Sequence[str]) -> Message:
        """The message for a route on which these people are asked.

        Raises:
            StoreError: it cannot be found out who has an account.
        """
        lines = [harmless(line, _LONGEST_LINE) for line in notice.lines]
        link = f"{self.base}{notice.path}" if self.base and notice.path else ""
        answers = self._answers(notice.asked, people) if notice.asked is not None and self.base else ()
        if answers:
            lines += ["", "Your link to agree or refuse; it is yours alone, and you sign in:"]
            lines += [f"{harmless(person)}: {address}" for person, address in answers]
        if link:
            lines += ["", link]
        return Message(
            notice.key,
            notice.kind,
            notice.severity,
            notice.time_unix_nano,
            harmless(notice.title, _LONGEST_TITLE),
            "\n".join(lines),
            link,
            answers,
        )

    def obstacle(self, person: str) -> str:
        """Why somebody cannot be asked; "" when they can be.

        Raises:
            StoreError: that cannot be found out.
        """
        caller = self._access.caller_of_user(person)
        if caller is None:
            return "has no account"
        if caller.role is Role.VIEWER:
            return "is a viewer, and may not answer"
        return ""

    def _answers(self, asked: Asked, people: Sequence[str]) -> tuple[tuple[str, str], ...]:
        requester = same_person(asked.requester)
        return tuple(
            (person, f"{self.base}{CONSENT_PATH}{self._links.text(asked, person)}")
            for person in dict.fromkeys(people)
            if same_person(person) != requester and not self.obstacle(person)
        )
