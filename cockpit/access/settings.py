"""Where the cockpit listens, to which names it answers, and how long sessions last.

From the command line, else from `<root>/_cockpit/settings.toml`, else the defaults: this machine only.
"""

import ipaddress
import os
import ssl
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec

from cockpit.access.addresses import checked_name, is_loopback
from cockpit.access.sessions import Limits
from cockpit.access.users import Users, UsersError, check_private, operators, read_users
from state.layout import CockpitPaths


class SettingsError(Exception):
    """What was asked for cannot be done; the text names the remedy."""


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The keys of `settings.toml`; a command-line option of the same name wins."""

    allowed_hosts: tuple[str, ...] = ()
    """Names and addresses that users type to reach this cockpit, besides localhost."""
    behind_proxy: str | None = None
    """The address of a reverse proxy whose X-Forwarded-For and -Proto are believed."""
    tls_cert: str | None = None
    tls_key: str | None = None
    operator_idle_min: Annotated[float, msgspec.Meta(ge=1, le=24 * 60)] = 30
    """After so long without anybody touching a page an operator's rights rest."""
    session_hours: Annotated[float, msgspec.Meta(ge=0.1, le=24 * 7)] = 12
    """After so long a session ends, whatever happens."""

    @property
    def limits(self) -> Limits:
        """The sessions' limits."""
        return Limits(
            idle_us=round(self.operator_idle_min * 60_000_000), absolute_us=round(self.session_hours * 3_600_000_000)
        )

    @property
    def has_tls(self) -> bool:
        """Whether a certificate is given."""
        return self.tls_cert is not None


def read_settings(paths: CockpitPaths, **given: Any) -> Settings:
    """The file's settings with what was `given` (None and empty: not given) over them. Raises SettingsError."""
    content: dict[str, Any] = {}
    try:
        content = tomllib.loads(paths.settings.read_text(encoding="utf-8"))
    except FileNotFoundError:
        pass
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{paths.settings}: {error}") from error
    content |= {name: value for name, value in given.items() if value not in (None, (), [])}
    try:
        settings = msgspec.convert(content, Settings)
        names = tuple(dict.fromkeys(checked_name(name) for name in settings.allowed_hosts))
    except msgspec.ValidationError as error:
        raise SettingsError(f"{paths.settings}: {error}") from error
    except ValueError as error:
        raise SettingsError(f"--allowed-host {error}") from error
    settings = msgspec.structs.replace(settings, allowed_hosts=names)
    _check_proxy(settings)
    check_tls(settings)
    return settings


def _check_proxy(settings: Settings) -> None:
    if settings.behind_proxy is None:
        return
    try:
        ipaddress.ip_address(settings.behind_proxy)
    except ValueError as error:
        raise SettingsError(f"--behind-proxy {settings.behind_proxy!r} is no address, like 127.0.0.1") from error


def check_tls(settings: Settings) -> None:
    """Raises SettingsError unless certificate and key belong together and nobody else may read the key."""
    if settings.tls_cert is None and settings.tls_key is None:
        return
    if settings.tls_cert is None or settings.tls_key is None:
        raise SettingsError("TLS needs both: --tls-cert FILE --tls-key FILE")
    try:
        check_private(Path(settings.tls_key), os.stat(settings.tls_key))  # noqa: PTH116 - a link to the key is fine
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(settings.tls_cert, settings.tls_key)
    except UsersError as error:
        raise SettingsError(f"--tls-key {error}") from error
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"--tls-cert {settings.tls_cert} --tls-key {settings.tls_key}: {error}") from error


def check_start(paths: CockpitPaths, host: str, given: Mapping[str, Any], *, cli: str) -> tuple[Settings, Users]:
    """The settings and the users with which the cockpit may listen on `host`.

    Raises SettingsError, UsersError. `cli` makes a command line, like `./bifrost {}`.
    """
    settings = read_settings(paths, **given)
    users = read_users(paths)
    problem = problem_of(host, settings, operators(users), cli)
    if problem is not None:
        raise SettingsError(problem)
    return settings, users


def problem_of(host: str, settings: Settings, operators: list[str], cli: str) -> str | None:
    """Why the cockpit will not listen on `host`; None when it may. `cli` makes a command line, like `./bifrost {}`.

    Whatever is reached from other machines needs somebody to log in and the names that it answers to. The sentence
    names all that is missing, with the commands.
    """
    if is_loopback(host) and not settings.allowed_hosts and settings.behind_proxy is None:
        return None
    missing = []
    if not operators:
        missing.append(f"an operator with a password: {cli.format('passwd NAME --role operator')}")
    if not settings.allowed_hosts:
        missing.append(
            "the name or address that is typed in the browser: --allowed-host NAME (repeatable), "
            f"like --allowed-host {'trader.lan' if is_loopback(host) else _example(host)}"
        )
    if not missing:
        return None
    where = f"listen on {host}" if not is_loopback(host) else "answer to other names than this machine's own"
    return f"will not {where} before there is " + "; and ".join(missing)


def _example(host: str) -> str:
    return "192.168.1.20" if host in ("0.0.0.0", "::") else host  # noqa: S104 - only named here
