"""The real cockpit in a process of its own, on a free port."""

import http.client
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode, urlsplit

from argon2 import PasswordHasher

from cockpit.access.actor import Role
from cockpit.access.users import User, write_users
from state.layout import CockpitPaths

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

HOUSE = Path(__file__).parents[2]
_CODE = """
import json
import sys
from pathlib import Path
from cockpit.server import serve
options = json.loads(sys.argv[4])
host = options.pop("host", "127.0.0.1")
sys.exit(serve(root=Path(sys.argv[1]), desk=sys.argv[2], host=host, port=int(sys.argv[3]), options=options))
"""
PASSWORD = "correct horse battery"  # noqa: S105 - of tests alone
_quick = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
"""A hash names its own cost, so that tests need not pay a login's real one."""


def set_users(root: Path, users: Mapping[str, Role], *, password: str = PASSWORD, at: str = "2026-01-01") -> None:
    """Write `users.json`: name -> role, all with one password."""
    found = {
        name: User(name=name, role=role, password_hash=_quick.hash(password), changed_at=at)
        for name, role in users.items()
    }
    write_users(CockpitPaths(root), found)


class Answer:
    """An answer: its status, its headers by lower-case name, and its body."""

    def __init__(self, answer: http.client.HTTPResponse) -> None:
        self.status = answer.status
        self.headers = {name.lower(): value for name, value in answer.getheaders()}
        self.body = answer.read()

    @property
    def cookie(self) -> str:
        """`name=value` of the session that it set; empty when it set none."""
        return self.headers.get("set-cookie", "").partition(";")[0]

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class CockpitProcess:
    """Serves `root` from entering to leaving the block. `address` is known once it listens."""

    def __init__(self, root: Path, *, desk: str = "demo", port: int = 0, **options: Any) -> None:
        self.root, self.desk, self.port, self.options = root, desk, port, options
        self.address = ""
        self.process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        """Start, and wait for the line that names the address. Raises RuntimeError with what it said instead."""
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE, str(self.root), self.desk, str(self.port), json.dumps(self.options)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.root.parent,
            env={**os.environ, "PYTHONPATH": str(HOUSE)},
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line.startswith("cockpit: http"):
            raise RuntimeError(f"the cockpit did not start: {line}{self.process.communicate(timeout=10)[1]}")
        self.address = line.split()[1].split("/?", maxsplit=1)[0]

    def end(self, how: signal.Signals = signal.SIGTERM, *, timeout_s: float = 15) -> tuple[int, float, str]:
        """Send a signal and wait: exit code, seconds, and everything on stderr."""
        assert self.process is not None
        began = time.monotonic()
        self.process.send_signal(how)
        said = self.process.communicate(timeout=timeout_s)[1]
        return self.process.returncode, time.monotonic() - began, said

    def ask(self, method: str, path: str, headers: Mapping[str, str] | None = None, body: str = "") -> Answer:
        """One request over a connection of its own."""
        parts = urlsplit(self.address)
        connection = http.client.HTTPConnection("127.0.0.1", parts.port, timeout=20)
        try:
            connection.request(method, path, body=body or None, headers={"Host": parts.netloc, **(headers or {})})
            return Answer(connection.getresponse())
        finally:
            connection.close()

    def own_page(self, cookie: str = "") -> dict[str, str]:
        """The headers of a page of its own: origin, session and token. Without users a session begins by itself."""
        told = self.ask("GET", "/api/session", {"Cookie": cookie} if cookie else {})
        assert told.status == 200, told.body
        return {
            "Origin": self.address,
            "Cookie": cookie or told.cookie,
            "X-Bifrost-Token": told.json["token"],
        }

    def try_login(self, name: str, password: str = PASSWORD, **headers: str) -> Answer:
        """Post the login form."""
        body = urlencode({"name": name, "password": password, "next": "/"})
        form = {"Origin": self.address, "Content-Type": "application/x-www-form-urlencoded", **headers}
        return self.ask("POST", "/login", form, body)

    def log_in(self, name: str, password: str = PASSWORD) -> dict[str, str]:
        """Log in; the headers of a page of that session."""
        answer = self.try_login(name, password)
        assert answer.status == 303, answer.body
        return self.own_page(answer.cookie)

    def log_in_browser(self, context: "BrowserContext", name: str, password: str = PASSWORD) -> None:
        """Give a browser the cookie of a new session."""
        cookie_name, _, value = self.log_in(name, password)["Cookie"].partition("=")
        context.add_cookies([{"name": cookie_name, "value": value, "url": self.address}])

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            self.end()
