"""What this desk owns and what it has done: the part of the book that survives a restart.

The journal is its only source: `ledger_checkpoint` lines hold a whole ledger, later lines are folded on top
(`core.recovery`). Everything here is in shares and USD; executions are keyed by `exec_key`.
"""

import msgspec

from daemon.core.events import Side


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """One own execution in the stock, with its commission when that has arrived."""

    exec_key: str
    revision: int
    order_ref: str
    side: Side
    quantity: float
    price: float
    executed_us: int
    commission_usd: float | None = None

    @property
    def signed_quantity(self) -> float:
        """Shares, negative for a sale."""
        return self.quantity if self.side == "BUY" else -self.quantity


class ForeignFill(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody else's execution in an instrument of the book, seen after the opening was acknowledged."""

    exec_key: str
    instrument: str
    signed_quantity: float


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """A latched refusal to trade; only `bifrost reset` ends it."""

    code: str
    since_us: int
    detail: str


class Ledger(msgspec.Struct, frozen=True, kw_only=True):
    """The durable half of the book.

    Keys: `fills` by exec_key (today's, older ones are folded into the sums at the day roll), `leg_quantities`
    by instrument, `opening_marks` by instrument.
    """

    ledger_id: str
    """Random at the ledger's birth; part of every order_ref."""
    next_order: int = 1
    day: str = ""
    """The session date that the daily counters belong to."""

    own_shares: float = 0.0
    average_cost: float = 0.0
    realised_usd: float = 0.0
    """Since the previous session's closing mark, by average cost."""
    commission_usd: float = 0.0
    fills: dict[str, Fill] = {}
    foreign_fills: dict[str, ForeignFill] = {}

    foreign_acknowledged: float | None = None
    """Shares of the opening balance that the operator declared foreign; None until decided (a new desk pauses)."""
    leg_quantities: dict[str, float] = {}
    """The account's contracts per leg, as last explained."""

    hedges_today: int = 0
    refused_today: dict[str, int] = {}
    last_hedge_sent_us: int | None = None
    """Where the cooldown runs from."""
    last_hedge_price: float | None = None
    """Average fill price of the last hedge: the anchor of the cost gate."""

    opening_marks: dict[str, float] = {}
    """Price per share at which today's P&L starts, legs and (under the symbol) the stock."""
    base_equity_usd: float | None = None
    """The account's net liquidation when this ledger was born."""
    earlier_pnl_usd: float = 0.0
    """Desk P&L of all closed days."""
    peak_equity_usd: float | None = None
    halts: tuple[Halt, ...] = ()
