"""The cockpit's door: users, sessions, pauses between tries and the gate's audit, put together for one process.

Everything that lets somebody in, or keeps him in, passes here. Routes and the gate ask from the server's event loop,
pages from threads of their own.
"""

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Final

import msgspec

from cockpit import context
from cockpit.access.actor import AccessError, Actor, NotLoggedIn, TooManyTries
from cockpit.access.machine import machine_user
from cockpit.access.password_check import PasswordCheck
from cockpit.access.record import GateRecord
from cockpit.access.sessions import CrowdedError, Session, Sessions
from cockpit.access.settings import Settings
from cockpit.access.users import Users, UsersError, UsersFile
from cockpit.clock import wall_us
from cockpit.reader import Reader
from state.layout import CockpitPaths
from state.times import iso_from_us

_TRY_WITHIN_S: Final = 20.0


class Listening(msgspec.Struct, frozen=True, kw_only=True):
    """How this server is reached."""

    port: int = 0
    beyond_this_machine: bool = False
    tls: bool = False
    behind_proxy: str | None = None


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """Who may come in and who is in, for the Health page."""

    users: tuple[tuple[str, str], ...]
    """Name and role; empty where nobody needs to log in."""
    problem: str | None
    """Why `users.json` is not believed."""
    sessions: int
    pages: int
    streams: int
    listening: Listening
    audit_problem: str | None


class Door:
    """The one rule: `refresh` before a session is trusted, so that a user who was removed is out at once."""

    def __init__(
        self,
        paths: CockpitPaths,
        settings: Settings | None = None,
        listening: Listening | None = None,
        *,
        wall: Callable[[], int] = wall_us,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.settings = settings if settings is not None else Settings()
        self.listening = listening if listening is not None else Listening()
        self.wall = wall
        self.record = GateRecord(paths)
        self.sessions = Sessions(self.settings.limits, on_end=self._tell_ended)
        self._users = UsersFile(paths)
        self._check = PasswordCheck(self._users, self.record, wall=wall, monotonic=monotonic)
        self._swept: Users | None = None
        self.needs_login = bool(self.settings.allowed_hosts) or self.listening.beyond_this_machine
        """Whether somebody must log in. It never goes back while the server runs."""
        self.refresh()

    def refresh(self) -> Users | None:
        """Notice a change of the users; their sessions end. None when the file is not believed now."""
        try:
            users = self._users.current()
        except UsersError:
            self.needs_login = True
            return None
        if users is not self._swept:
            self._swept = users
            if users and not self.needs_login:
                self.needs_login = True
                self.sessions.end_local()
            self.sweep()
        return users

    def sweep(self) -> None:
        """End what has expired or was changed, and write the audit's counts. Once a second."""
        now_us = self.wall()
        prints = None if self._swept is None else {name: user.print for name, user in self._swept.items()}
        self.sessions.sweep(now_us, prints)
        self.record.flush(now_us)

    def close(self) -> None:
        """The server ends: so does every session."""
        self.sessions.close()
        self._check.close()
        self.record.close(self.wall())

    # --- who asks ---

    def cookie_name(self, *, secure: bool) -> str:
        """The session cookie's. With the port: a browser gives the cookies of a host to all of its ports."""
        return f"{'__Host-' if secure else ''}bifrost_session_{self.listening.port}"

    def token_in(self, cookies: Mapping[str, str]) -> str | None:
        """The session's token among a browser's cookies."""
        return cookies.get(self.cookie_name(secure=True)) or cookies.get(self.cookie_name(secure=False))

    def session_of(self, cookies: Mapping[str, str]) -> Session | None:
        """The living session that a browser's cookies open."""
        self.refresh()
        token = self.token_in(cookies)
        session = self.sessions.find(token, self.wall())
        if session is not None and token != cookies.get(self.cookie_name(secure=session.secure)):
            return None  # a TLS session under the plain name: another page of this domain may have put it there
        return session

    def actor_of(self, session: Session | None) -> Actor:
        """The one who acts in a session, or the local operator of a cockpit without users. Raises NotLoggedIn."""
        if session is not None:
            return session.actor()
        if self.needs_login:
            raise NotLoggedIn("access.not_logged_in")
        return Actor(name=machine_user(), role="operator")

    def ends_ms(self, session: Session | None) -> int | None:
        """When a session ends at the latest, milliseconds of the wall clock; None for one that does not."""
        if session is None or session.user_print is None:
            return None
        return (session.began_us + self.settings.limits.absolute_us) // 1000

    def local_session(self, address: str | None, *, secure: bool) -> tuple[str, Session] | None:
        """A session for a browser on this machine where nobody needs to log in; None where there is no room."""
        try:
            return self.sessions.begin(
                machine_user(), "operator", user_print=None, address=address, secure=secure, now_us=self.wall()
            )
        except CrowdedError:
            return None

    # --- passwords ---

    async def log_in(self, name: str, password: str, *, address: str | None, secure: bool) -> tuple[str, Session]:
        """A new session and its cookie's token. Raises WrongPassword, TooManyTries, AccessError. Audited."""
        self.refresh()
        trying = self._check.begin("login", name, password, address)
        user = self._check.settle(trying, right=await asyncio.wrap_future(trying.future))
        now_us = self.wall()
        try:
            token, session = self.sessions.begin(
                user.name, user.role, user_print=user.print, address=address, secure=secure, now_us=now_us
            )
        except CrowdedError as error:
            self.record.refused("no room for a session", address=address, by=name, now_us=now_us)
            raise AccessError(
                "access.no_room", limit=error.limit, oldest=Reader().time_of_day(iso_from_us(error.oldest_us))
            ) from error
        self._check.remember(name, address)
        self.record.event("login", by=name, outcome="ok", address=address, now_us=now_us, session_id=session.id)
        return token, session

    def confirm(self, actor: Actor, password: str, now_us: int) -> Actor:
        """Give the actor back, awake, when the password is his. Raises WrongPassword, TooManyTries, NotLoggedIn.

        For a page's thread: it waits for the hash.
        """
        if not actor.must_confirm:
            return actor
        session = self.sessions.by_id(actor.session_id, now_us)
        if session is None or session.name != actor.name:
            raise NotLoggedIn("access.not_logged_in")
        self.refresh()
        trying = self._check.begin("confirm", actor.name, password, actor.address, also=(f"session {session.id}",))
        try:
            right = trying.future.result(timeout=_TRY_WITHIN_S)
        except FutureTimeoutError as error:
            raise TooManyTries("access.busy") from error
        self._check.settle(trying, right=right)
        self.sessions.wake(session, now_us)
        return msgspec.structs.replace(actor, resting=False)

    def log_out(self, session: Session) -> None:
        """End a session as its user asked."""
        self.sessions.end(session, "logged_out")
        self.record.event(
            "logout",
            by=session.name,
            outcome="ok",
            address=session.address,
            now_us=self.wall(),
            session_id=session.id,
        )

    def _tell_ended(self, session: Session) -> None:
        """Into the audit, unless somebody logged out (told there) or anybody could make it happen without end."""
        if session.ended in ("logged_out", "closing") or (session.user_print is None and session.ended != "changed"):
            return
        self.record.event(
            "session ended",
            by=session.name,
            outcome=session.ended or "",
            address=session.address,
            now_us=self.wall(),
            session_id=session.id,
        )

    def overview(self) -> Overview:
        """Who may come in and who is in."""
        problem = None
        users: Users = {}
        try:
            users = self._users.current()
        except UsersError as error:
            problem = str(error)
        sessions, pages, streams = self.sessions.counts()
        return Overview(
            users=tuple((name, users[name].role) for name in sorted(users)),
            problem=problem,
            sessions=sessions,
            pages=pages,
            streams=streams,
            listening=self.listening,
            audit_problem=self.record.failing,
        )


_current: list[Door] = []


def configure(door: Door) -> None:
    """Set the process's door, before the first page runs."""
    _current[:] = [door]


def current() -> Door:
    """The process's door. A process that serves nothing (a test of a page's script) gets one for its root."""
    root = context.current().root
    if not _current or _current[0].record.root != root:
        _current[:] = [Door(CockpitPaths(root))]
    return _current[0]
