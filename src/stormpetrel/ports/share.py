"""The part of the control store that keeps read-only links to reports."""

from __future__ import annotations

from typing import Protocol

from stormpetrel.model.share import ShareLink


class ShareStore(Protocol):
    """Small and transactional, like the control store that it is a part of; safe from any thread.

    Links that ended are forgotten by `add_share` and `list_shares`.
    """

    def add_share(self, link: ShareLink, most_of_incident: int, most: int) -> None:
        """Keep a link, judged at the time of its making.

        StateError when the incident has `most_of_incident` links already, or all have `most` together, or
        its id or hash is there already; then nothing is kept.
        """
        ...

    def list_shares(self, incident_id: str, now_unix_nano: int) -> list[ShareLink]:
        """The links of an incident that have not ended, newest first, ties by id."""
        ...

    def open_share(self, token_hash: str, now_unix_nano: int) -> ShareLink | None:
        """The link with this hash, one opening later; None when it is unknown or not good now.

        Of openings at the same time each counts.
        """
        ...

    def delete_share(self, incident_id: str, share_id: str) -> None:
        """Forget a link of this incident; NotFoundError when there is none."""
        ...
