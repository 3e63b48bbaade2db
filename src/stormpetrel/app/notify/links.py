"""Signed links that ask one person about one plan."""

from __future__ import annotations

import hashlib
import hmac

from itsdangerous import BadSignature, URLSafeSerializer

from stormpetrel.errors import NotFoundError
from stormpetrel.model.notification import Asked, Consent

LONGEST = 2000
ALTERED = "this link opens nothing: it was not made here, or was altered on its way; look for the plan itself"


class ConsentLinks:
    """Makes and reads the texts of links.

    A text says which person is asked about which plan, by its hash, and until when, signed with a key of this
    installation. It proves that it was made here and nothing else: who follows it has to be signed in as that
    person, so one that was passed on lets nobody else agree. The same person asked about the same plan again
    gets the same link, which is used once.

    Args:
        key: secret, at least 16 bytes.
    """

    def __init__(self, key: bytes) -> None:
        if len(key) < 16:
            raise ValueError("the key of links is shorter than 16 bytes")
        self._id_key = hmac.digest(key, b"petrel-consent-id", "sha256")
        self._signer = URLSafeSerializer(
            key,
            salt="petrel-consent",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )

    def text(self, asked: Asked, person: str) -> str:
        """What stands in the address."""
        about = "\n".join((asked.run_id, asked.plan_hash, person))
        link_id = hmac.digest(self._id_key, about.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]
        return str(self._signer.dumps([link_id, asked.run_id, asked.plan_hash, person, asked.ends_unix_nano]))

    def read(self, text: str) -> Consent:
        """What a link says.

        Raises:
            NotFoundError: it was not made here, or was altered.
        """
        try:
            if len(text) > LONGEST:
                raise ValueError
            link_id, run_id, plan_hash, person, ends = self._signer.loads(text)
            return Consent(str(link_id), str(run_id), str(plan_hash), str(person), int(ends))
        except (BadSignature, ValueError, TypeError, UnicodeError):
            raise NotFoundError(ALTERED) from None
