"""Accounts of more than one person: invitations, and what was changed of whom."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from stormpetrel.model.access import Role
from stormpetrel.model.agreement import same_person

LONGEST_NAME = 64
MOST_PEOPLE = 500
MOST_INVITATIONS = 100
# Letters and marks that show nothing: with them two names could look the same.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def name_fault(name: str) -> str:
    """Why this cannot be a person's name; "" when it can. Whoever calls strips it before.

    >>> name_fault("Jo Ann"), name_fault("")
    ('', 'a user name has 1 to 64 printable characters')
    >>> name_fault("petrel")
    'petrel is what this system calls itself; choose another name'
    >>> name_fault("ＰＥＴＲＥＬ")[-20:]
    ' choose another name'
    """
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or _BLANK.search(name) or "  " in name:
        return f"a user name has 1 to {LONGEST_NAME} printable characters"
    if same_person(name) == "petrel":
        return f"{name} is what this system calls itself; choose another name"
    return ""


class PeopleAct(StrEnum):
    """What was done to an account."""

    INVITED = "invited"
    WITHDRAWN = "invitation withdrawn"
    JOINED = "joined"
    ROLE = "role changed"
    LINK = "link for a new password"
    PASSWORD = "password changed"  # noqa: S105 - what was done, not a secret
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class PeopleChange:
    """One line of what was done to accounts.

    Attributes:
        actor: who did it: a person's name, or one at the command line.
        person: whose account it is.
        detail: the role, or from which to which; may be empty.
    """

    time_unix_nano: int
    actor: str
    act: PeopleAct
    person: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Invitation:
    """A one-time link to an account. Only the SHA-256 of its secret is kept.

    Attributes:
        role: that the new account gets; None for a new password of an account that exists.
        ends_unix_nano: from then on it opens nothing.
    """

    token_hash: str
    person: str
    role: Role | None
    created_unix_nano: int
    created_by: str
    ends_unix_nano: int


@dataclass(frozen=True, slots=True)
class PersonLine:
    """One account in a list; `waiting`: it has no password until its link is used."""

    name: str
    role: Role
    since_unix_nano: int
    waiting: bool = False


@dataclass(frozen=True, slots=True)
class PeopleView:
    """The page *People*: by name, what is open, and the newest changes first."""

    people: tuple[PersonLine, ...]
    invitations: tuple[Invitation, ...]
    changes: tuple[PeopleChange, ...]
