"""Session cookies and form tokens: signed, bounded in time, and refused after signing out."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from dataclasses import dataclass

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.responses import Response

from stormpetrel.model.time import NANOS_PER_SECOND

_MAX_ENDED = 10_000
_MAX_COOKIE = 1024


@dataclass(frozen=True, slots=True)
class Session:
    """One browser. `name` is empty until somebody signs in, then a new session starts.

    `mark` is that of the password: with another password, or none, the session is nobody's.
    """

    session_id: str
    name: str
    started_unix_nano: int
    mark: str = ""


class Sessions:
    """Writes and reads session cookies.

    The cookie holds (id, name, start, mark) signed with the installation's key: nothing is kept here except
    which sessions were signed out (at most 10,000, the oldest forgotten first; a restart forgets them,
    the time bound still holds). A session ends `seconds` after signing in, used or not.
    The form token is an HMAC of the session id: another site can neither read nor guess it.

    Args:
        key: secret, at least 16 bytes.
        seconds: length of a session.
        secure: set `Secure` and the `__Host-` prefix, for pages served over https.
    """

    def __init__(self, key: bytes, seconds: int, secure: bool) -> None:
        if len(key) < 16:
            raise ValueError("the session key is shorter than 16 bytes")
        self._signer = URLSafeSerializer(
            key,
            salt="petrel-session",
            signer_kwargs={"digest_method": hashlib.sha256, "key_derivation": "hmac"},
        )
        self._form_key = hmac.digest(key, b"petrel-form", "sha256")
        self._seconds = seconds
        self._secure = secure
        self._ended: dict[str, None] = {}
        self._lock = threading.Lock()
        self.cookie_name = "__Host-petrel" if secure else "petrel_session"

    def start(self, name: str, now_unix_nano: int, mark: str = "") -> Session:
        """A fresh session with an id nobody can guess."""
        return Session(secrets.token_urlsafe(18), name, now_unix_nano, mark)

    def read(self, cookie: str | None, now_unix_nano: int) -> Session | None:
        """The session of a cookie; None when forged, too old, dated ahead, or signed out."""
        if not cookie or len(cookie) > _MAX_COOKIE:
            return None
        try:
            session_id, name, started, mark = self._signer.loads(cookie)
        except (BadSignature, ValueError, TypeError):
            return None
        age = now_unix_nano - int(started)
        if session_id in self._ended or not -60 * NANOS_PER_SECOND <= age < self._seconds * NANOS_PER_SECOND:
            return None
        return Session(str(session_id), str(name), int(started), str(mark))

    def write(self, response: Response, session: Session) -> None:
        """Hand the session to the browser. Lax, not Strict: links from chat must find people signed in."""
        held = (session.session_id, session.name, session.started_unix_nano, session.mark)
        cookie = str(self._signer.dumps(held))
        response.set_cookie(
            self.cookie_name,
            cookie,
            max_age=self._seconds,
            httponly=True,
            secure=self._secure,
            samesite="lax",
        )

    def end(self, response: Response, session: Session) -> None:
        """Sign out: the cookie is removed, and refused should somebody have copied it."""
        with self._lock:
            self._ended[session.session_id] = None
            while len(self._ended) > _MAX_ENDED:
                self._ended.pop(next(iter(self._ended)))
        response.delete_cookie(self.cookie_name, secure=self._secure, httponly=True, samesite="lax")

    def csrf(self, session: Session) -> str:
        """The token that every form of this session carries."""
        return hmac.new(self._form_key, session.session_id.encode(), "sha256").hexdigest()

    def csrf_valid(self, session: Session, token: str) -> bool:
        """Did the form come from a page of this very session?"""
        return hmac.compare_digest(self.csrf(session).encode(), token.encode("utf-8", "replace"))
