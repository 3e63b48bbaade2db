"""Who may come in: first set-up, passwords, API tokens, and slowing down of guessing."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from stormpetrel.app.pace import Pace
from stormpetrel.errors import AuthError, NotFoundError, OverloadedError, StateError
from stormpetrel.model.access import ApiToken, Caller, Role, Scope, User
from stormpetrel.model.people import name_fault
from stormpetrel.model.time import from_seconds
from stormpetrel.ports.clock import Clock
from stormpetrel.ports.control import ControlStore

T = TypeVar("T")
_SETUP_KEY = "access.setup_secret_sha256"
_SETUP_UNTIL_KEY = "access.setup_until_unix_nano"
_SESSION_KEY = "access.session_key"
_SETUP_VALID = from_seconds(24 * 3600)
_MIN_PASSWORD = 10
_MAX_PASSWORD = 1024
_REMEMBERED = 10_000
# One check takes 64 MiB and a processor: strangers may not take more than two at a time.
_HASHING_AT_ONCE = 2
_HASHING_WAIT_SECONDS = 2.0
TOKEN_PREFIX = "petrel_"  # noqa: S105 - a prefix that lets secret scanners recognise our tokens


def sha256_of(secret: str) -> str:
    """What is kept of a secret; any text can be asked for, also halves of surrogate pairs."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def caller_of(user: User) -> Caller:
    """A person as a caller, with the mark of the password that they have now."""
    return Caller(user.name, user.role, mark=sha256_of(user.password_hash)[:32])


class Access:
    """Authentication and authorisation over the control store.

    Passwords are argon2id; tokens are 256-bit random secrets of which only the SHA-256 is kept (a fast
    hash is right for a secret that cannot be guessed). After five wrong passwords for a name from one
    address every further try waits, doubling up to five minutes.

    Args:
        hasher: how passwords are hashed; argon2's own choice unless given, for tests a cheap one.
    """

    def __init__(self, control: ControlStore, clock: Clock, hasher: PasswordHasher | None = None) -> None:
        self._control = control
        self._clock = clock
        self._hasher = hasher or PasswordHasher()
        self._nobody = ""
        self._nobody_lock = threading.Lock()
        self._hashing = threading.BoundedSemaphore(_HASHING_AT_ONCE)
        self._revocations = 0
        self._lock = threading.Lock()
        self._setup_lock = threading.Lock()
        self._pace = Pace(clock)
        self._callers: OrderedDict[str, Caller] = OrderedDict()
        self._unknown: OrderedDict[str, None] = OrderedDict()

    # --------------------------------------------------------------------------------------- set-up

    def setup_needed(self) -> bool:
        """Whether nobody can sign in yet."""
        return self._control.count_users() == 0

    def new_setup_secret(self) -> str:
        """A one-time secret for the set-up link, valid for a day; an older one stops to be valid."""
        secret = secrets.token_urlsafe(24)
        self._control.put(_SETUP_KEY, sha256_of(secret))
        self._control.put(_SETUP_UNTIL_KEY, str(self._clock.now_unix_nano() + _SETUP_VALID))
        return secret

    def create_admin(self, setup_secret: str, name: str, password: str) -> Caller:
        """Use the set-up secret, once, to create the first person.

        Raises:
            AuthError: the secret is wrong, used or too old, or somebody exists already.
            StateError: name or password do not meet the rules.
        """
        with self._setup_lock:
            expected = self._control.get(_SETUP_KEY)
            until = int(self._control.get(_SETUP_UNTIL_KEY) or 0)
            valid = (
                expected is not None
                and hmac.compare_digest(expected, sha256_of(setup_secret))
                and self._clock.now_unix_nano() < until
                and self.setup_needed()
            )
            if not valid:
                raise AuthError(
                    "this set-up link is wrong, was used, or is older than a day; "
                    "restart Storm Petrel to get a new one (only while nobody has an account)"
                )
            user = self._create(name, Role.ADMIN, password)
            self._control.delete(_SETUP_KEY)
            return caller_of(user)

    def add_user(self, name: str, role: Role, password: str, by: Caller) -> None:
        """An admin adds a person."""
        require(by, Role.ADMIN)
        self._create(name, role, password)

    def _create(self, name: str, role: Role, password: str) -> User:
        name = name.strip()
        user = User(name, role, self._hashed(name, password), self._clock.now_unix_nano())
        self._control.add_user(user)
        return user

    def _hashed(self, name: str, password: str) -> str:
        """The hash of a new password, if name and password meet the rules."""
        fault = name_fault(name)
        if fault:
            raise StateError(fault)
        if not (_MIN_PASSWORD <= len(password) <= _MAX_PASSWORD):
            raise StateError(f"a password has {_MIN_PASSWORD} to {_MAX_PASSWORD} characters")
        if password.casefold() == name.casefold():
            raise StateError("the password must not be the user name")
        return self._alone(lambda: self._hasher.hash(password))

    # -------------------------------------------------------------------------------------- sign in

    def sign_in(self, name: str, password: str, address: str) -> Caller:
        """Check a password.

        Raises:
            AuthError: wrong name or password (which of them is not said), or too many tries.
            OverloadedError: too many people sign in at once; nothing was checked.
        """
        return caller_of(self._checked(name.strip(), password, address))

    def _checked(self, name: str, password: str, address: str) -> User:
        key = (name, address)
        wait = self._pace.wait_seconds(key)
        if wait:
            raise AuthError(f"too many wrong passwords; try again in {wait:.0f} s")
        # An unknown name costs as much time as a known one, so that time tells nothing.
        nobody = self._hash_of_nobody()
        user = self._control.user(name)
        known = user.password_hash if user else ""
        if not self._verified(known or nobody, password) or user is None or not known:
            self._pace.failed(key)
            raise AuthError("wrong name or password")
        self._pace.succeeded(key)
        return user

    def _hash_of_nobody(self) -> str:
        """Made at the first sign-in, whoever tries it: a start takes a fifth of a second less without."""
        with self._nobody_lock:
            self._nobody = self._nobody or self._hasher.hash(secrets.token_hex(16))
            return self._nobody

    def _verified(self, password_hash: str, password: str) -> bool:
        try:
            return self._alone(lambda: self._hasher.verify(password_hash, password[:_MAX_PASSWORD]))
        except (VerificationError, InvalidHashError):
            return False

    def _alone(self, work: Callable[[], T]) -> T:
        if not self._hashing.acquire(timeout=_HASHING_WAIT_SECONDS):
            raise OverloadedError("too many people sign in at once; try again in a moment")
        try:
            return work()
        finally:
            self._hashing.release()

    def caller_of_user(self, name: str) -> Caller | None:
        """A person as they are now, if they still exist."""
        user = self._control.user(name)
        return caller_of(user) if user else None

    def caller_of_session(self, name: str, mark: str) -> Caller | None:
        """The person of a session cookie, if they still exist and have the password that it began with."""
        found = self.caller_of_user(name)
        return found if found and hmac.compare_digest(found.mark, mark) else None

    def session_key(self) -> bytes:
        """The key that signs session cookies; made once, kept in the control store."""
        with self._setup_lock:
            known = self._control.get(_SESSION_KEY)
            if known is None:
                known = secrets.token_hex(32)
                self._control.put(_SESSION_KEY, known)
            return bytes.fromhex(known)

    # --------------------------------------------------------------------------------------- tokens

    def add_token(self, name: str, scopes: frozenset[Scope], by: Caller) -> tuple[ApiToken, str]:
        """A new API token and its secret, which is shown now and never again."""
        require(by, Role.ADMIN)
        name = name.strip()
        if not (1 <= len(name) <= 64) or not name.isprintable() or not scopes:
            raise StateError("a token needs a name of 1 to 64 printable characters and at least one scope")
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        token = ApiToken(
            token_id=secrets.token_hex(8),
            name=name,
            scopes=scopes,
            token_hash=sha256_of(secret),
            hint=secret[-4:],
            created_unix_nano=self._clock.now_unix_nano(),
            created_by=by.name,
        )
        self._control.add_token(token)
        with self._lock:
            self._unknown.clear()
        return token, secret

    def caller_of_token(self, secret: str) -> Caller | None:
        """Who an API token speaks for; None when it is unknown or revoked. Cached."""
        digest = sha256_of(secret)
        with self._lock:
            known = self._callers.get(digest)
            if known is not None:
                return known
            if digest in self._unknown:
                return None
            revocations = self._revocations
        token = self._control.token_by_hash(digest)
        if token is None:
            # A sender with a wrong token keeps trying: it must not cost a query each time.
            with self._lock:
                self._unknown[digest] = None
                while len(self._unknown) > _REMEMBERED:
                    self._unknown.popitem(last=False)
            return None
        caller = Caller(token.name, None, token.scopes, token.created_by)
        with self._lock:
            # Revoked while it was looked up: good for this once, and not remembered.
            if revocations == self._revocations:
                self._callers[digest] = caller
            while len(self._callers) > _REMEMBERED:
                self._callers.popitem(last=False)
        return caller

    def list_tokens(self, by: Caller) -> list[ApiToken]:
        """All tokens, for an admin."""
        require(by, Role.ADMIN)
        return self._control.list_tokens()

    def revoke_token(self, token_id: str, by: Caller) -> None:
        """Refuse a token from now on."""
        require(by, Role.ADMIN)
        if not any(token.token_id == token_id for token in self._control.list_tokens()):
            raise NotFoundError(f"there is no token {token_id}")
        self._control.revoke_token(token_id)
        self._forget_callers()

    def _forget_callers(self) -> None:
        with self._lock:
            self._revocations += 1
            self._callers.clear()


_RANK = {Role.VIEWER: 0, Role.RESPONDER: 1, Role.ADMIN: 2}


def require_responder(caller: Caller) -> None:
    """Raise AuthError unless the caller is a person of role responder, or a token of scope respond."""
    if caller.role is None and Scope.RESPOND in caller.scopes:
        return
    require(caller, Role.RESPONDER)


def require(caller: Caller, role: Role) -> None:
    """Raise AuthError unless the caller is a person with at least this role."""
    if caller.role is None or _RANK[caller.role] < _RANK[role]:
        raise AuthError(f"{caller.name} may not do this: it needs the role {role}")
