"""The daemon as a whole, as a total table.

    idle -> connecting -> waiting_ib <-> connected -> running <-> running_suspended
                                  (any of them) -> stopping -> stopped

The connection states are computed from the link: the core asks `trigger_for` after every event.
"""

from enum import StrEnum

from daemon.core.fsm import Machine


class DaemonState(StrEnum):
    """What the daemon as a process is doing."""

    IDLE = "idle"
    CONNECTING = "connecting"
    WAITING_IB = "waiting_ib"
    CONNECTED = "connected"
    RUNNING = "running"
    RUNNING_SUSPENDED = "running_suspended"
    STOPPING = "stopping"
    STOPPED = "stopped"


class DaemonTrigger(StrEnum):
    """What can happen to it."""

    STARTED = "started"
    LINK_LOST = "link_lost"
    LINK_UP = "link_up"
    READY = "ready"
    SUSPENDED = "suspended"
    STOP = "stop"
    EXITED = "exited"


_S, _T = DaemonState, DaemonTrigger

_LINK = {
    _T.LINK_LOST: _S.WAITING_IB,
    _T.LINK_UP: _S.CONNECTED,
    _T.READY: _S.RUNNING,
    _T.SUSPENDED: _S.RUNNING_SUSPENDED,
    _T.STOP: _S.STOPPING,
}

DAEMON = Machine(
    "DaemonFSM",
    DaemonState,
    DaemonTrigger,
    {
        # A stop that stands at the very start still goes through the venue: own orders must be cancelled first.
        _S.IDLE: {_T.STARTED: _S.CONNECTING, _T.STOP: _S.STOPPING},
        _S.CONNECTING: _LINK,
        _S.WAITING_IB: _LINK,
        _S.CONNECTED: _LINK,
        _S.RUNNING: _LINK,
        # Suspended: connected and watching, but a command, a halt or an open question forbids new hedges.
        _S.RUNNING_SUSPENDED: _LINK,
        # While stopping the link may come and go; only the exit ends it.
        _S.STOPPING: {
            _T.LINK_LOST: _S.STOPPING,
            _T.LINK_UP: _S.STOPPING,
            _T.READY: _S.STOPPING,
            _T.SUSPENDED: _S.STOPPING,
            _T.STOP: _S.STOPPING,
            _T.EXITED: _S.STOPPED,
        },
        _S.STOPPED: {},
    },
)
