"""Re-authentication: the password again before what is dangerous."""

from cockpit.access import door
from cockpit.access.actor import Actor


def confirm_password(actor: Actor, password: str, now_us: int) -> Actor:
    """Give the actor back, awake, when the password is his; as he is when none needs to be asked.

    Raises WrongPassword, TooManyTries, or NotLoggedIn when his session has ended meanwhile. Waits for the hash
    (about 0.2 s), so not for an event loop.
    """
    return door.current().confirm(actor, password, now_us)
