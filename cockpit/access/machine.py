"""Who sits at this machine."""

import getpass


def machine_user() -> str:
    """The machine's user: who acts where the cockpit has no users of its own."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "operator"
