"""Who may do what: tokens, roles, private and gated repositories."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ._origin import Handler, Refused
from ._repos import Repo


@dataclass(frozen=True)
class User:
    """Who asks, and with which rights."""

    name: str
    role: str


class Access:
    """The users of a Hub.

    Args:
        tokens: token -> user, or ``user:read`` for a token that may not write.
        members: users with access to all private and gated repositories.
    """

    def __init__(self, tokens: dict[str, str], members: Iterable[str]):
        self.tokens = tokens
        self.members = members

    def user(self, handler: Handler) -> User | None:
        """Return who asks; None without a token.

        Raises:
            Refused: the token is unknown.
        """
        auth = handler.seen.auth
        if auth is None:
            return None
        words = self.tokens.get(auth.removeprefix("Bearer "))
        if words is None:
            raise Refused(401, "", "Invalid credentials in Authorization header")
        name, _, role = words.partition(":")
        return User(name, role or "write")

    def belongs(self, user: User | None, owner: str) -> bool:
        """Whether a user acts for an owner."""
        return user is not None and (user.name == owner or user.name in self.members)

    def check_visible(self, handler: Handler, repo: Repo | None) -> Repo:
        """Return the repository if the user may know of it.

        Raises:
            Refused: there is none, or it is private: the Hub does not tell which.
        """
        user = self.user(handler)
        if repo is None or (repo.private and not self.belongs(user, repo.owner)):
            raise Refused(404 if user else 401, "RepoNotFound", "Repository not found")
        return repo

    def check_readable(self, handler: Handler, repo: Repo) -> None:
        """Raise Refused unless the user may read the files of a visible repository."""
        user = self.user(handler)
        if repo.gated and not self.belongs(user, repo.owner):
            ask = "Visit its page to ask for access." if user else "You must be authenticated."
            message = f"Access to {repo.kind} {repo.name} is restricted. {ask}"
            raise Refused(403 if user else 401, "GatedRepo", message)

    def check_writable(self, handler: Handler, owner: str) -> User:
        """Return the user if they may change what belongs to ``owner``.

        Raises:
            Refused: no token, one that only reads, or someone else's.
        """
        user = self.user(handler)
        if user is None:
            raise Refused(401, "", "Invalid username or password.")
        if user.role != "write":
            raise Refused(
                403, "", "Forbidden: you must use a write token to upload to a repository."
            )
        if not self.belongs(user, owner):
            raise Refused(403, "", f"You don't have the rights to change anything of {owner!r}")
        return user

    def about(self, user: User) -> dict[str, object]:
        """Return what ``whoami`` shows."""
        token = {"displayName": f"{user.name}'s token", "role": user.role}
        return {
            "type": "user",
            "id": user.name,
            "name": user.name,
            "fullname": user.name,
            "isPro": False,
            "orgs": [],
            "auth": {"type": "access_token", "accessToken": token},
        }
