"""What Interactive Brokers' message codes mean: every code we know is declared, none is guessed.

A code about an order is terminal only if it stands in REJECTS or CANCELS; it leaves the order alone if it stands in
HARMLESS; anything else says nothing certain, so the venue asks the broker again (a reconciliation) instead of
believing it. ib_async 2.1 itself would mark an order cancelled for 10349 although it is live and then fills.
Codes: https://interactivebrokers.github.io/tws-api/message_codes.html
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

CLIENT_ID_TAKEN = 326
UPSTREAM_LOST = frozenset({1100, 2110})
"""TWS lost its own link to the broker's servers; our socket stays up and orders would silently wait."""
UPSTREAM_BACK_DATA_LOST = 1101
UPSTREAM_BACK_DATA_KEPT = 1102
SOCKET_PORT_RESET = 1300
FARM_STATES: Mapping[int, Literal["ok", "broken", "inactive"]] = {
    2103: "broken",  # market data
    2105: "broken",  # historical data
    2157: "broken",  # contract definitions
    2104: "ok",
    2106: "ok",
    2158: "ok",
    2107: "inactive",  # historical: "should be available upon demand"
    2108: "inactive",  # market data: likewise
}
"""Code -> what it says of the data farm that its text names. Orders do not pass through any of them."""
DEFINITIONS_AWAY: Mapping[int, bool] = {2157: True, 2158: False}
PACING = 100
DUPLICATE_ORDER_ID = 103

HARMLESS = frozenset(
    {
        104,  # a modification came too late, the order had filled: the executions tell
        105,  # a modification does not match its order
        165,  # historical data service notice
        329,  # a modification was refused, the order lives
        399,  # order message: "will not be placed at the exchange until ..."
        404,  # held while shares to borrow are located
        481,  # size was adjusted
        492,
        10089,  # market data not subscribed
        10167,  # delayed market data instead
        10168,  # market data not subscribed, delayed not enabled
        10197,  # a competing session takes the market data
        10349,  # time in force was set from a preset
    }
)
"""The order is as live as before. 2100..2199 are warnings of the same sort (2109: outsideRth ignored)."""

REJECTS = frozenset(
    {
        DUPLICATE_ORDER_ID,
        109,  # price out of range
        110,  # price off the tick: a new order dies of it
        111,  # time in force and order type do not fit
        116,  # the exchange does not take this order
        133,  # submitting failed
        200,  # no such contract, or an ambiguous one
        201,  # rejected; the text says why
        203,  # not available for this account
        321,  # validation failed
        383,  # size above the limit set in TWS
        387,  # order type not allowed here
        388,  # size below the exchange's minimum
        434,  # size zero
        435,  # no account given
        436,  # account not allowed
        460,  # no trading permission
        10052,  # invalid time in force
        10243,  # fractional size through the API
        10318,  # fractional size not supported
    }
)
CANCELS = frozenset({202})
"""202 acknowledges a cancel; it is not an error."""

DATA_REFUSED = frozenset({101, 200, 300, 321, 354, 420, 10089, 10090, 10168, 10182, 10186, 10187, 10189, 10190, 10197})
"""No quotes on this subscription: not subscribed, too many lines, a competing session, a failed line."""
DATA_DELAYED = frozenset({10167})
"""Not subscribed; delayed data come instead, which the line's data type then says too."""


MODIFY_REFUSED = frozenset({104, 105, 329, *REJECTS})
"""While a modification is unanswered these speak of it, and the order lives on as it was (or has filled: 104)."""


class OrderMeaning(StrEnum):
    """What a message that carries the id of an own order says about it."""

    HARMLESS = "harmless"
    REJECTED = "rejected"
    CANCELLED = "cancelled"
    UNCERTAIN = "uncertain"
    """Among others a cancel that did nothing: 135 and 10147 (not found), 136 (another client's), 161 and 10148 (not
    in this state). Where the order really stands is asked from the broker."""


def is_warning(code: int) -> bool:
    """IB's own warning range: connectivity of data farms, attributes ignored."""
    return 2100 <= code < 2200


def order_meaning(code: int) -> OrderMeaning:
    """The meaning of a code about an order; UNCERTAIN asks for a reconciliation, never for a new order."""
    if code in HARMLESS or is_warning(code):
        return OrderMeaning.HARMLESS
    if code in CANCELS:
        return OrderMeaning.CANCELLED
    if code in REJECTS:
        return OrderMeaning.REJECTED
    return OrderMeaning.UNCERTAIN
