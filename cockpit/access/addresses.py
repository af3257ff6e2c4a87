"""Host names, origins and addresses as requests bring them. Pure.

A browser sends `Origin` with every POST and WebSocket, and `Host` names what the user typed. A page of a foreign site
fails on the first; a foreign name that resolves to this machine (DNS rebinding) fails on the second.
"""

import ipaddress
import re
from collections.abc import Iterable
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}(\.[a-z0-9-]{1,63})*)?")
_IPV6_SITE_BITS: Final = 64
"""One machine may take any address of its /64, so guesses are counted for all of them together."""


def is_loopback(host: str) -> bool:
    """Whether a bare host name or address reaches this machine only."""
    if host.lower().rstrip(".") == "localhost":
        return True
    try:
        return _address(host).is_loopback
    except ValueError:
        return False


def is_everywhere(host: str) -> bool:
    """Whether a bind address means every address of this machine (0.0.0.0, ::)."""
    try:
        return _address(host).is_unspecified
    except ValueError:
        return False


def host_name(header: str | None) -> str | None:
    """The name in a `Host` header, lower case, without port and brackets. None for a missing or an odd one."""
    if not header or any(odd in header for odd in "@/?#\\ \t"):
        return None
    try:
        parts = urlsplit(f"//{header}")
        _ = parts.port  # raises for one that is no number
    except ValueError:
        return None
    return parts.hostname.lower().rstrip(".") if parts.hostname else None


def is_same_origin(origin: str | None, host: str | None, scheme: str) -> bool:
    """Whether a request comes from one of our own pages. One without `Origin` does not.

    `scheme` is http or https, as the browser used it.
    """
    return bool(origin) and bool(host) and origin == f"{scheme}://{host}"


def checked_name(text: str) -> str:
    """A host name or address for the allow-list, lower case. Raises ValueError saying what is wrong."""
    name = text.strip().lower().rstrip(".").strip("[]")
    with suppress(ValueError):
        return str(ipaddress.ip_address(name))
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{text!r} is no host name: give it as it is typed in the browser, without http:// and port")
    return name


def is_allowed(name: str | None, allowed: Iterable[str], *, peer: str | None) -> bool:
    """Whether a `Host` name is one that this cockpit answers to: a listed one, or a loopback one from this machine."""
    if name is None:
        return False
    if is_loopback(name):
        return peer is not None and is_loopback(peer)
    with suppress(ValueError):
        name = str(ipaddress.ip_address(name))
    return name in allowed


def guess_key(address: str | None) -> str:
    """What wrong passwords from an address are counted under: the address, an IPv6 one's site."""
    if address is None:
        return "unknown"
    try:
        found = _address(address)
    except ValueError:
        return "unknown"
    if found.is_loopback:
        return "loopback"
    if found.version == 6:
        return str(ipaddress.ip_network((found, _IPV6_SITE_BITS), strict=False))
    return str(found)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    found = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return found if mapped is None else mapped
