"""Who acts, and the ways in which he may not. Pure."""

from typing import Final, Literal

import msgspec

from cockpit.language import words_of
from cockpit.reader import Reader

Role = Literal["viewer", "operator"]
ROLES: Final[tuple[Role, ...]] = ("viewer", "operator")
SAFE_ACTIONS: Final = frozenset({"stop", "pause"})
"""What makes a desk safer. An operator may do it at any time while his session lasts, also after a long idle one."""


class AccessError(Exception):
    """Something was refused. `key` and `values` are its text in the catalogue; `str` is that text in English."""

    def __init__(self, key: str, **values: object) -> None:
        self.key, self.values = key, values
        super().__init__(words_of("en")(key, **values))

    def said(self, reader: Reader) -> str:
        """The text in the reader's language."""
        return reader.say(self.key, **self.values)


class NotAllowed(AccessError):  # noqa: N818 - a refusal, named for what was refused
    """He may not do this, whatever he types: a viewer, or rights that rest since nobody touched the page for long."""


class NotLoggedIn(NotAllowed):
    """There is no session, or it has ended."""


class WrongPassword(AccessError):  # noqa: N818 - likewise
    """The password was tried and is wrong; the text says when the next try is possible."""


class TooManyTries(AccessError):  # noqa: N818 - likewise
    """The password was not tried: too soon after wrong ones. The text says when the next try is possible."""


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """One who looks or commands. `carry_out` and every route ask `require`; hiding a button is no check."""

    name: str
    """A user of `users.json`, or the machine's user where there are no users. Others' text: never markup."""
    role: Role
    address: str | None = None
    """Where the request came from; only what the connection or a trusted proxy says."""
    session_id: str | None = None
    """Names the session in the audit; it opens nothing."""
    must_confirm: bool = False
    """Whether his password is asked again before what is dangerous: there are users, so he has one."""
    resting: bool = False
    """Whether nobody touched the page for so long that his rights rest: he may look, stop and pause, until his
    password is given again."""

    @property
    def may_act(self) -> bool:
        """Whether any command is his to give; what to show, never what to allow."""
        return self.role == "operator"

    def require(self, action: str) -> None:
        """Pass when he may do `action` (`stop`, `resume`, `adopt`, ...). Raises NotAllowed."""
        if self.role != "operator":
            raise NotAllowed("access.viewer_may_not", name=self.name, action=action)
        if self.resting and action not in SAFE_ACTIONS:
            raise NotAllowed("access.rights_rest", name=self.name, action=action)
