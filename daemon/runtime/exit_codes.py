"""How a daemon's process can end, for the supervisor and the operator."""

from enum import IntEnum


class ExitCode(IntEnum):
    """The design's table of `bifrost daemon`."""

    STOPPED = 0
    CRASHED = 1
    CANNOT_RUN = 2
    """Folder, profile, or a refusal by the venue."""
    STOP_STANDS = 3
    """A stop stood at the start; own orders are confirmed cancelled."""
    IN_USE = 4
    """Desk, account or client id."""
    JOURNAL_DAMAGED = 5
    STOP_UNCONFIRMED = 6
