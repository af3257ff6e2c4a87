r"""The flatten, as a total table: cancel, confirm, size from the own ledger, close, verify twice, pause.

    NONE -> WAITING -> CANCELLING -> SIZING -> CLOSING -> SIZING ... -> VERIFYING -> NONE
                 \__ from anywhere: REFUSED (until touched again or removed)

It works from the reconciled own position toward a target, so repeating any part never flips the book.
"""

from enum import StrEnum

from daemon.core.fsm import Machine


class FlattenState(StrEnum):
    """Where a flatten is."""

    NONE = "none"
    WAITING = "waiting"
    CANCELLING = "cancelling"
    SIZING = "sizing"
    CLOSING = "closing"
    VERIFYING = "verifying"
    REFUSED = "refused"


class FlattenTrigger(StrEnum):
    """What can happen to it."""

    ASSERTED = "asserted"
    REFUSED = "refused"
    RELEASED = "released"
    STARTED = "started"
    ORDERS_GONE = "orders_gone"
    ORDER_NEEDED = "order_needed"
    ORDER_ENDED = "order_ended"
    AT_TARGET = "at_target"
    OFF_TARGET = "off_target"
    VERIFIED = "verified"


_S, _T = FlattenState, FlattenTrigger

FLATTEN = Machine(
    "FlattenFSM",
    FlattenState,
    FlattenTrigger,
    {
        _S.NONE: {_T.ASSERTED: _S.WAITING},
        # Waiting for a synchronised link and an open market, within the time a command stays fresh.
        _S.WAITING: {
            _T.ASSERTED: _S.WAITING,
            _T.REFUSED: _S.REFUSED,
            _T.RELEASED: _S.NONE,
            _T.STARTED: _S.CANCELLING,
        },
        # A second touch while it runs changes nothing: it already does what was asked.
        _S.CANCELLING: {
            _T.ASSERTED: _S.CANCELLING,
            _T.RELEASED: _S.NONE,
            _T.REFUSED: _S.REFUSED,  # the session ended before the cancels were confirmed
            _T.ORDERS_GONE: _S.SIZING,
        },
        _S.SIZING: {
            _T.ASSERTED: _S.SIZING,
            _T.RELEASED: _S.NONE,
            _T.REFUSED: _S.REFUSED,  # the account contradicts the ledger, or the market is closed by now
            _T.ORDER_NEEDED: _S.CLOSING,
            _T.AT_TARGET: _S.VERIFYING,
            # An order found working by the report: cancel it first, then size again.
            _T.STARTED: _S.CANCELLING,
        },
        _S.CLOSING: {
            _T.ASSERTED: _S.CLOSING,
            _T.RELEASED: _S.NONE,
            _T.REFUSED: _S.REFUSED,  # the session ended with the closing order unresolved
            _T.ORDER_ENDED: _S.SIZING,
        },
        _S.VERIFYING: {
            _T.ASSERTED: _S.VERIFYING,
            _T.RELEASED: _S.NONE,
            _T.REFUSED: _S.REFUSED,  # a late fill moved it off the target, and the session is over
            _T.OFF_TARGET: _S.SIZING,  # the second read disagrees with the first: size again
            _T.VERIFIED: _S.NONE,
        },
        _S.REFUSED: {_T.ASSERTED: _S.WAITING, _T.RELEASED: _S.NONE},
    },
)

RUNNING = frozenset({_S.CANCELLING, _S.SIZING, _S.CLOSING, _S.VERIFYING})
"""States of a flatten that has started and is not over."""
