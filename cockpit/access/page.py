"""Who looks at a page, for its script. Ask at every run: rights end while a page stays open."""

from typing import Any

import streamlit as st

from cockpit.access import door
from cockpit.access.actor import Actor
from cockpit.access.addresses import is_loopback
from cockpit.access.door import Overview


def page_actor() -> Actor:
    """The one who looks at this page. Raises NotLoggedIn when his session has ended."""
    return door.current().actor_of(_session())


def page_token() -> str:
    """What the scripts of this page must send as `X-Bifrost-Token`; empty without a session."""
    session = _session()
    return "" if session is None else session.token


def facts() -> dict[str, Any]:
    """What the frame shows of it: name, role, whether there is a login at all, and whether a banner must warn.

    `plain_lan`: passwords and pages cross a network unencrypted.
    """
    here, session = door.current(), _session()
    actor = here.actor_of(session)
    return {
        "name": actor.name,
        "role": actor.role,
        "login": here.needs_login,
        "plain_lan": warns_plain_lan(),
        "logout": "/logout",
        "audit_failing": here.record.failing is not None,
    }


def warns_plain_lan() -> bool:
    """Whether this page came over a network without TLS, or the server invites others to do so."""
    here, session = door.current(), _session()
    if here.listening.behind_proxy is not None and session is not None:
        return not session.secure and not is_loopback(session.address or "")
    return here.listening.beyond_this_machine and not here.listening.tls


def overview() -> Overview:
    """Who may come in and who is in."""
    return door.current().overview()


def _session() -> Any:
    return door.current().session_of(st.context.cookies.to_dict())
