"""The part of the control store that changes accounts."""

from __future__ import annotations

from typing import Protocol

from stormpetrel.model.access import Role, User
from stormpetrel.model.people import Invitation, PeopleChange


class PeopleStore(Protocol):
    """Small and transactional, like the control store that it is a part of; safe from any thread.

    What changes accounts excludes everything else that does, in all processes, and enters a `PeopleChange`.
    There is always an admin with a password; names are told apart as `model.agreement.same_person` does.
    A user whose `password_hash` is empty cannot sign in until an invitation is used.
    """

    def list_users(self) -> list[User]:
        """Everybody, by name."""
        ...

    def add_invitation(self, invitation: Invitation) -> None:
        """Keep a link; an older one for this person opens nothing any more.

        One for a new password takes the old password away at once.

        StateError when a new name is that of somebody, or there are too many; NotFoundError when nobody has
        the name of a new password.
        """
        ...

    def list_invitations(self, now_unix_nano: int) -> list[Invitation]:
        """Those that are good now, newest first."""
        ...

    def invitation(self, token_hash: str, now_unix_nano: int) -> Invitation | None:
        """The one with this hash; None when it is unknown or not good now."""
        ...

    def use_invitation(self, token_hash: str, now_unix_nano: int, password_hash: str) -> User | None:
        """The account with this password, and the link is used up; None when it was not good any more.

        StateError when somebody has the name meanwhile; the link stays, and is of no use.
        """
        ...

    def set_role(self, name: str, role: Role, by: str, now_unix_nano: int) -> None:
        """Change a role; open links made by who is no admin any more are forgotten.

        NotFoundError when there is nobody of this name; StateError for the last admin.
        """
        ...

    def set_password(self, name: str, old_hash: str, new_hash: str, now_unix_nano: int) -> bool:
        """Change a password, unless it is not the old one any more; whether it was."""
        ...

    def remove_person(self, name: str, by: str, now_unix_nano: int) -> None:
        """Forget an account or what was to become one, with open links made by it, and revoke tokens of
        scope approve that it made.

        NotFoundError when there is neither; StateError for the last admin.
        """
        ...

    def list_people_changes(self, limit: int = 100) -> list[PeopleChange]:
        """What was done, newest first; the last 10,000 are kept."""
        ...
