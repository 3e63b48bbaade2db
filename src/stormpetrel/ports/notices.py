"""The part of the control store that knows what was told to whom, and which links were used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from stormpetrel.model.notification import Delivery, Notification


class NoticeStore(Protocol):
    """Small and transactional, like the control store that it is a part of; safe from any thread."""

    def claim_notices(
        self,
        route: str,
        notices: Sequence[Notification],
        holder: str,
        now_unix_nano: int,
        until_unix_nano: int,
    ) -> set[str]:
        """Take up notifications of a route before they are sent.

        Returns the keys that are the holder's to send: new ones, and those whose claim by another ended. What
        was sent, digested or given up is nobody's any more. Two processes never both get a key. What ended a
        month ago is forgotten.
        """
        ...

    def close_notice(self, delivery: Delivery) -> None:
        """What became of one; also of one that was never claimed."""
        ...

    def free_notices(self, holder: str) -> None:
        """A process that begins anew takes its own claims back: it does not know what became of them."""
        ...

    def list_notices(self, limit: int = 100) -> list[Delivery]:
        """Newest first, ties by route and key; those that are only claimed, too."""
        ...

    def spend_link(self, link_id: str, now_unix_nano: int, ends_unix_nano: int) -> bool:
        """Use a link: whether this was the first time. That is forgotten a day after the link's end."""
        ...

    def unspend_link(self, link_id: str) -> None:
        """Nothing came of the use of a link; it may be used again."""
        ...

    def link_spent(self, link_id: str) -> bool:
        """Whether a link was used."""
        ...
