"""TradingFSM: what the desk is doing, as a total table.

    BOOT -> SYNC -> IDLE | ARMED | MONITOR | ... -> NEED_HEDGE -> HEDGING -> ARMED ...

Every look at the book gives exactly one trigger, the first that holds in the order of `TradingTrigger`; so the state
always says what is true now. NEED_HEDGE cannot outlive its need, and SAFE is left by the first look that finds
nothing unsafe. What the table forbids is what would be a defect of ours: an order in flight that nobody wished for,
and anything before the first synchronisation.
"""

from enum import StrEnum

from daemon.core.fsm import Machine


class TradingState(StrEnum):
    """What the desk is doing."""

    BOOT = "BOOT"
    SYNC = "SYNC"
    IDLE = "IDLE"
    ARMED = "ARMED"
    MONITOR = "MONITOR"
    NO_TRADE = "NO_TRADE"
    PAUSE_COST = "PAUSE_COST"
    PAUSE_LIQ = "PAUSE_LIQ"
    NEED_HEDGE = "NEED_HEDGE"
    HEDGING = "HEDGING"
    SAFE = "SAFE"


class TradingTrigger(StrEnum):
    """What one look at the book finds; the first that holds wins."""

    OFFLINE = "offline"
    """The link is down, or the broker has lost its own."""
    SYNCING = "syncing"
    """The link is up; broker, journal and book do not agree yet."""
    UNSAFE = "unsafe"
    """M5, E4, S1 to S3, D4, a broken journal or an unexplained position."""
    ORDER_IN_FLIGHT = "order_in_flight"
    """An own hedge may still trade."""
    ORDER_REVIVED = "order_revived"
    """An order that had ended is in flight again."""
    NO_LEGS = "no_legs"
    """O0."""
    FORBIDDEN = "forbidden"
    """Closed market, the operator's command, or a rule that no waiting of seconds will change."""
    IN_BAND = "in_band"
    """D0."""
    MINOR = "minor"
    """D1, or a hedge smaller than the smallest order."""
    ILLIQUID = "illiquid"
    """A hedge is needed; the quote is missing or too wide."""
    COST_GATE = "cost_gate"
    """A hedge is needed; cooldown or price move make it wait."""
    HEDGE_NEEDED = "hedge_needed"
    """A hedge is needed and everything allows it."""


_S, _T = TradingState, TradingTrigger

_LOOKS = {
    _T.SYNCING: _S.SYNC,
    _T.UNSAFE: _S.SAFE,
    _T.ORDER_REVIVED: _S.HEDGING,
    _T.NO_LEGS: _S.IDLE,
    _T.FORBIDDEN: _S.NO_TRADE,
    _T.IN_BAND: _S.ARMED,
    _T.MINOR: _S.MONITOR,
    _T.ILLIQUID: _S.PAUSE_LIQ,
    _T.COST_GATE: _S.PAUSE_COST,
    _T.HEDGE_NEEDED: _S.NEED_HEDGE,
}
_LOSES_LINK = {_T.OFFLINE: _S.SAFE}
_WATCHED_ORDER = {_T.ORDER_IN_FLIGHT: _S.HEDGING}

TRADING = Machine(
    "TradingFSM",
    TradingState,
    TradingTrigger,
    {
        # Nothing may be concluded before a first synchronisation.
        _S.BOOT: {_T.OFFLINE: _S.BOOT, _T.SYNCING: _S.SYNC},
        # A link lost before the first reconciliation is not an emergency yet, only a longer start. An order in
        # flight is one that outlived a restart or a lost link.
        _S.SYNC: {**_LOOKS, **_WATCHED_ORDER, _T.OFFLINE: _S.BOOT},
        _S.IDLE: {**_LOOKS, **_LOSES_LINK},
        _S.ARMED: {**_LOOKS, **_LOSES_LINK},
        _S.MONITOR: {**_LOOKS, **_LOSES_LINK},
        _S.NO_TRADE: {**_LOOKS, **_LOSES_LINK},
        _S.PAUSE_COST: {**_LOOKS, **_LOSES_LINK},
        _S.PAUSE_LIQ: {**_LOOKS, **_LOSES_LINK},
        # The only way from rest to an order leads through here.
        _S.NEED_HEDGE: {**_LOOKS, **_LOSES_LINK, **_WATCHED_ORDER},
        # HEDGE_NEEDED straight from here is the remainder of a capped or partly filled hedge.
        _S.HEDGING: {**_LOOKS, **_LOSES_LINK, **_WATCHED_ORDER},
        # Every look but another unsafe one leads out; an order may have lived through the trouble.
        _S.SAFE: {**_LOOKS, **_LOSES_LINK, **_WATCHED_ORDER},
    },
)
