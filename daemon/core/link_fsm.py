"""The link to the broker, as a total table: one for the venue that moves it and the core that obeys it.

    DOWN -> UP_UNSYNCED -> SYNCED -> UPSTREAM_LOST -> UP_UNSYNCED ...
                 (any of them) -> DOWN

Two lines can break: ours to TWS (then DOWN), and TWS's own to the broker (then UPSTREAM_LOST: the socket lives, and an
order would silently wait in TWS). The venue moves along this table and says with every `Link` event which trigger
moved it; the core repeats the move, so that the two cannot disagree. Orders may leave in SYNCED alone.
"""

from enum import StrEnum

from daemon.core.fsm import Machine


class LinkState(StrEnum):
    """How far the broker is within reach."""

    DOWN = "DOWN"
    UP_UNSYNCED = "UP_UNSYNCED"
    SYNCED = "SYNCED"
    UPSTREAM_LOST = "UPSTREAM_LOST"


class LinkTrigger(StrEnum):
    """What can happen to it."""

    LOGGED_ON = "logged_on"
    """The logon is complete: account and positions came in."""
    RECONCILED = "reconciled"
    """Everything that the broker knows has been told."""
    UPSTREAM_LOST = "upstream_lost"
    """TWS lost the broker's servers (1100, 2110)."""
    UPSTREAM_BACK = "upstream_back"
    """TWS has them again (1101, 1102)."""
    LOST = "lost"
    """The socket ended, or an attempt to connect failed."""


_S, _T = LinkState, LinkTrigger

LINK = Machine(
    "LinkFSM",
    LinkState,
    LinkTrigger,
    {
        _S.DOWN: {
            _T.LOGGED_ON: _S.UP_UNSYNCED,
            # The next attempt failed too: the same state with a newer reason.
            _T.LOST: _S.DOWN,
            # TWS speaks of its servers as soon as a client says who it is, before the logon is complete. The venue
            # remembers it and tells it again right after LOGGED_ON.
            _T.UPSTREAM_LOST: _S.DOWN,
            _T.UPSTREAM_BACK: _S.DOWN,
        },
        _S.UP_UNSYNCED: {
            _T.RECONCILED: _S.SYNCED,
            _T.UPSTREAM_LOST: _S.UPSTREAM_LOST,
            # Said again while the first reconciliation still runs: what was read so far may be old, another follows.
            _T.UPSTREAM_BACK: _S.UP_UNSYNCED,
            _T.LOST: _S.DOWN,
        },
        _S.SYNCED: {
            _T.UPSTREAM_LOST: _S.UPSTREAM_LOST,
            # "Restored" without a "lost" before it (the loss fell into a reconnect): executions may be missing.
            _T.UPSTREAM_BACK: _S.UP_UNSYNCED,
            _T.LOST: _S.DOWN,
        },
        _S.UPSTREAM_LOST: {
            # In a nightly reset 1100 is repeated for a quarter of an hour: wait, the socket is still good.
            _T.UPSTREAM_LOST: _S.UPSTREAM_LOST,
            # Never straight to SYNCED: fills of the meantime are known only after a reconciliation.
            _T.UPSTREAM_BACK: _S.UP_UNSYNCED,
            _T.LOST: _S.DOWN,
        },
    },
)
