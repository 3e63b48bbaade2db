"""Read-only links to one incident's report: made, listed, revoked, opened."""

from __future__ import annotations

import hashlib
import hmac
import secrets

import structlog

from stormpetrel.app.access import TOKEN_PREFIX
from stormpetrel.app.pace import Pace
from stormpetrel.errors import NotFoundError, OverloadedError
from stormpetrel.model.share import Lifetime, ShareLink
from stormpetrel.model.time import to_iso
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore

log = structlog.get_logger(__name__)

MOST_OF_INCIDENT, MOST = 20, 1_000
_FORGIVEN_SECONDS = 3600.0
# The same words for each: who holds a link learns nothing of others, nor whether this one ever was.
CLOSED = (
    "this link opens nothing: it is not known here, its time is over, or it was revoked;"
    " ask whoever sent it for a new one"
)


class ShareDesk:
    """Links that open the report of one incident, and nothing else, without signing in.

    The secret has 256 bits and the form of an API token, so that whatever looks for leaked secrets, our own
    log among it, knows it; only its SHA-256 is kept. A link is good until its end as the clock says, and not
    while the clock stands before its making. Who tries links that open nothing is slowed down by address, as
    at signing in. A link that opens never waits: others may come from the same address, and nobody guesses
    256 bits. It forgives nothing, either.

    Args:
        control: keeps the links.
        clock: says when they end.
    """

    def __init__(self, control: ControlStore, clock: Clock) -> None:
        self._control, self._clock = control, clock
        self._pace = Pace(clock, _FORGIVEN_SECONDS)

    def make(self, incident_id: str, lifetime: Lifetime, actor: str) -> tuple[ShareLink, str]:
        """A new link and its secret, which is known now and never again.

        Raises:
            StateError: the incident has 20 links already, or there are 1,000 in all.
            StoreError: nothing was kept.
        """
        now = self._clock.now_unix_nano()
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        link = ShareLink(
            share_id=secrets.token_hex(8),
            incident_id=incident_id,
            token_hash=_sha256(secret),
            hint=secret[-4:],
            created_unix_nano=now,
            created_by=actor,
            ends_unix_nano=now + lifetime.nanoseconds,
        )
        self._control.add_share(link, MOST_OF_INCIDENT, MOST)
        ends = to_iso(link.ends_unix_nano)
        log.info("share_made", share=link.share_id, incident=incident_id, by=actor, ends=ends)
        return link, secret

    def links(self, incident_id: str) -> list[ShareLink]:
        """The links of an incident that have not ended, newest first."""
        return self._control.list_shares(incident_id, self._clock.now_unix_nano())

    def revoke(self, incident_id: str, share_id: str, actor: str) -> None:
        """A link opens nothing from now on; NotFoundError when the incident has none of this id."""
        self._control.delete_share(incident_id, share_id)
        log.info("share_revoked", share=share_id, incident=incident_id, by=actor)

    def open(self, secret: str, address: str) -> ShareLink:
        """The link of a secret; this counts as an opening.

        Args:
            secret: what stood in the address.
            address: where the reader is, for slowing down.

        Raises:
            NotFoundError: unknown, ended, or revoked; which of them is not said.
            OverloadedError: too many that open nothing were tried from this address.
        """
        digest = _sha256(secret)
        link = self._control.open_share(digest, self._clock.now_unix_nano())
        if link is not None and hmac.compare_digest(link.token_hash, digest):
            return link
        wait = self._pace.wait_seconds(address)
        if wait:
            raise OverloadedError(f"too many links that open nothing were tried; wait {wait:.0f} s")
        self._pace.failed(address)
        raise NotFoundError(CLOSED)


def _sha256(secret: str) -> str:
    # Any path can be asked for, also with halves of surrogate pairs, which UTF-8 has not.
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()
