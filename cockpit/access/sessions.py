"""Who is logged in. The browser holds a random 256-bit token; this table knows only its SHA-256.

A session ends at its absolute limit, by logging out, when its user is changed or removed, and with the server.
Before that its *rights* come to rest when nobody has touched a page for long: an open page that merely ticks may go
on being looked at, and may stop and pause, but everything else wants the password again.
"""

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, Literal

import msgspec

from cockpit.access.actor import Actor, Role

Ended = Literal["logged_out", "expired", "changed", "replaced", "crowded_out", "closing"]
"""Why a session ended: by its user, by the absolute limit, because `users.json` changed for him, because he logged in
again in the same browser, to make room, and with the server."""
MAX_SESSIONS: Final = 64
MOST_OF_USER: Final = 16
"""Open at once of one user; another login of his ends the one that he touched longest ago. Nobody fills the table."""
_CLOCK_SLACK_US: Final = 3_600_000_000
"""What lies further in the future was counted by a clock that has been set back since; its age is nobody's to tell."""
_REMEMBERED: Final = 256
"""Ended sessions whose cookie is still known for what it was, so that the audit can tell it from a forged one."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long sessions last, in microseconds."""

    idle_us: int
    absolute_us: int


class Session(msgspec.Struct, kw_only=True, eq=False):
    """One browser's session. Changed only by `Sessions`."""

    id: str
    """In the audit; it opens nothing."""
    key: str
    """SHA-256 of the cookie's token."""
    token: str
    """What `X-Bifrost-Token` must say."""
    name: str
    role: Role
    user_print: str | None
    """`User.print` at the login; None for the local operator of a cockpit without users."""
    address: str | None
    secure: bool
    """Whether it came over TLS."""
    began_us: int
    touched_us: int
    rests: bool = False
    ended: Ended | None = None
    links: list["Link"] = msgspec.field(default_factory=list)

    def actor(self) -> Actor:
        """The session as somebody who acts."""
        return Actor(
            name=self.name,
            role=self.role,
            address=self.address,
            session_id=self.id,
            must_confirm=self.user_print is not None,
            resting=self.rests,
        )


class Link(msgspec.Struct, kw_only=True, eq=False):
    """An open WebSocket or event stream of a session. `end` is called when the session ends."""

    kind: Literal["page", "stream"]
    since_us: int
    end: Callable[[], None]


class CrowdedError(Exception):
    """No room for another session, page or stream; says how many are open and since when the oldest."""

    def __init__(self, *, limit: int, oldest_us: int) -> None:
        self.limit, self.oldest_us = limit, oldest_us
        super().__init__(f"{limit} are open already")


def key_of(token: str) -> str:
    """The table's key of a cookie's token."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


class Sessions:
    """The table. Safe to ask from several threads; `Link.end` and `on_end` may be called from any of them."""

    def __init__(
        self, limits: Limits, *, capacity: int = MAX_SESSIONS, on_end: Callable[[Session], None] | None = None
    ) -> None:
        self._limits, self._capacity, self._on_end = limits, capacity, on_end
        self._lock = threading.RLock()
        self._open: dict[str, Session] = {}
        self._ended: OrderedDict[str, Ended] = OrderedDict()

    def begin(
        self, name: str, role: Role, *, user_print: str | None, address: str | None, secure: bool, now_us: int
    ) -> tuple[str, Session]:
        """A new session and the token for its cookie. Raises CrowdedError.

        One too many of a user ends the one that he touched longest ago, rather one without an open page. A full table
        ends the session that was touched longest ago among those without an open page.
        """
        token = secrets.token_urlsafe(32)
        session = Session(
            id=secrets.token_hex(6),
            key=key_of(token),
            token=secrets.token_urlsafe(32),
            name=name,
            role=role,
            user_print=user_print,
            address=address,
            secure=secure,
            began_us=now_us,
            touched_us=now_us,
        )
        with self._lock:
            own = [other for other in self._open.values() if user_print is not None and other.name == name]
            if len(own) >= MOST_OF_USER:
                self.end(min(own, key=lambda other: (bool(other.links), other.touched_us)), "crowded_out")
            if len(self._open) >= self._capacity:
                unused = [other for other in self._open.values() if not other.links]
                if not unused:
                    raise CrowdedError(
                        limit=self._capacity, oldest_us=min(other.began_us for other in self._open.values())
                    )
                self.end(min(unused, key=lambda other: other.touched_us), "crowded_out")
            self._open[session.key] = session
        return token, session

    def find(self, token: str | None, now_us: int) -> Session | None:
        """The living session of a cookie."""
        if not token:
            return None
        with self._lock:
            session = self._open.get(key_of(token))
            if session is not None:
                self._judge(session, now_us)
            return session if session is not None and session.ended is None else None

    def by_id(self, session_id: str | None, now_us: int) -> Session | None:
        """The living session with this public id."""
        with self._lock:
            found = next((session for session in self._open.values() if session.id == session_id), None)
            if found is not None:
                self._judge(found, now_us)
            return found if found is not None and found.ended is None else None

    def how_ended(self, token: str) -> Ended | None:
        """Why the session of a cookie ended; None for a cookie that this server did not make."""
        with self._lock:
            return self._ended.get(key_of(token))

    def touch(self, session: Session, now_us: int) -> None:
        """Somebody did something on a page. It keeps rights awake; it does not wake those that rest."""
        with self._lock:
            self._judge(session, now_us)
            session.touched_us = now_us

    def wake(self, session: Session, now_us: int) -> None:
        """The password was given again."""
        with self._lock:
            session.rests, session.touched_us = False, now_us

    def end(self, session: Session, why: Ended) -> None:
        """End a session and everything that is open of it."""
        with self._lock:
            if session.ended is not None:
                return
            session.ended = why
            self._open.pop(session.key, None)
            self._ended[session.key] = why
            while len(self._ended) > _REMEMBERED:
                self._ended.popitem(last=False)
            links = list(session.links)
        for link in links:
            link.end()
        if self._on_end is not None:
            self._on_end(session)

    def sweep(self, now_us: int, prints: Mapping[str, str] | None) -> None:
        """End what has expired, and the sessions whose user is no more what he was.

        `prints` is name -> `User.print`; None where nobody can tell (the file is damaged): then nobody is ended.
        """
        with self._lock:
            for session in list(self._open.values()):
                self._judge(session, now_us)
                if prints is not None and session.user_print not in (None, prints.get(session.name)):
                    self.end(session, "changed")

    def end_local(self) -> None:
        """End the sessions that began without a password: from now on there are users."""
        with self._lock:
            for session in [each for each in self._open.values() if each.user_print is None]:
                self.end(session, "changed")

    def close(self) -> None:
        """End all of them: the server ends."""
        with self._lock:
            for session in list(self._open.values()):
                self.end(session, "closing")

    def join(self, session: Session, link: Link, *, most: int, most_of_user: int, most_of_session: int) -> None:
        """Count a page or a stream that opens.

        Raises CrowdedError beyond `most` of its kind, `most_of_user` of its user's, or `most_of_session`.
        """
        with self._lock:
            everybody = [other for each in self._open.values() for other in each.links if other.kind == link.kind]
            same = [each for each in self._open.values() if each.name == session.name]
            users = [other for each in same for other in each.links if other.kind == link.kind]
            own = [other for other in session.links if other.kind == link.kind]
            for limit, found in ((most, everybody), (most_of_user, users), (most_of_session, own)):
                if len(found) >= limit:
                    raise CrowdedError(limit=limit, oldest_us=min(other.since_us for other in found))
            session.links.append(link)
            if session.ended is not None:  # since the gate looked
                link.end()

    def leave(self, session: Session, link: Link) -> None:
        """It was closed."""
        with self._lock:
            if link in session.links:
                session.links.remove(link)

    def counts(self) -> tuple[int, int, int]:
        """Open sessions, pages (WebSockets) and event streams."""
        with self._lock:
            links = [link.kind for session in self._open.values() for link in session.links]
            return len(self._open), links.count("page"), links.count("stream")

    def _judge(self, session: Session, now_us: int) -> None:
        """Apply the limits. Where nobody needs to log in, nobody could be asked again: pages stay open for weeks."""
        if session.user_print is None:
            return
        if not -_CLOCK_SLACK_US < now_us - session.began_us < self._limits.absolute_us:
            self.end(session, "expired")
        elif not -_CLOCK_SLACK_US < now_us - session.touched_us < self._limits.idle_us:
            session.rests = True
