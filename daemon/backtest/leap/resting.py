"""Why a book is not one to leap from: anything under way, in doubt, or simply not foreseen here."""

from daemon.backtest.leap.rows import REFUSALS
from daemon.backtest.leap.state import CLEAN, EXTREME, WIDE
from daemon.core.book import Book, QuoteState, embargoes
from daemon.core.daemon_fsm import DaemonState
from daemon.core.flatten_fsm import FlattenState
from daemon.core.link_fsm import LinkState
from daemon.strategies.gamma_scalper.classifier import ExecutionCode, OptionCode, SystemCode
from daemon.strategies.gamma_scalper.hedge_fsm import HedgeState
from daemon.strategies.gamma_scalper.legs import two_sided_mid
from daemon.strategies.gamma_scalper.scalper_state import ScalperState
from daemon.strategies.gamma_scalper.trading_fsm import TradingState

STANDING = {(): CLEAN, ("spread_wide",): WIDE, ("spread_extreme",): EXTREME}
"""What `LastBad.standing` says -> how the kernel counts it."""
_QUIET_STATES = frozenset(
    {
        TradingState.ARMED,
        TradingState.MONITOR,
        TradingState.PAUSE_COST,
        TradingState.PAUSE_LIQ,
        TradingState.NO_TRADE,
    }
)


def is_at_rest(book: Book) -> bool:
    """Whether nothing is under way that any event but a plain quote could be waited for."""
    ledger, day = book.ledger, book.day
    return (
        book.daemon_state is DaemonState.RUNNING
        and book.link.state == LinkState.SYNCED
        and not ledger.halts
        and not ledger.foreign_fills
        and book.flatten.state == FlattenState.NONE
        and not book.control.any_asserted
        and not book.stop_started
        and book.synced_once
        and not book.restart_windows
        and not book.unknown_orders
        and not book.ack_overdue
        and not book.feed_probe_failed
        and day.loss_since_us is None
        and day.drawdown_since_us is None
        and (ledger.reject_until_us is None or ledger.reject_until_us <= book.ts_us)
        and not embargoes(book)
        and not book.in_flight()
    )


def is_settled(state: ScalperState, book: Book) -> bool:
    """Whether the strategy has nothing half done, and its codes are those of an ordinary market."""
    codes = state.codes
    return (
        state.trading in _QUIET_STATES
        and state.hedge is HedgeState.EXEC_IDLE
        and state.session is not None
        and state.session.date == book.ledger.day
        and state.session == book.session_now()
        and state.doubt is None
        and not state.unpaired
        and not state.found
        and state.spot is not None
        and state.market.mid == state.spot
        and state.market.start_us != 0
        and codes.o is not OptionCode.NONE
        and codes.e is ExecutionCode.IDLE
        and codes.s is SystemCode.OK
        and state.refused in REFUSALS
        and state.last_bad.standing in STANDING
        and (book.ledger.adopted_legs is state.adopted or book.ledger.adopted_legs == state.adopted)
    )


def is_plain(quote: QuoteState | None, mid: float | None) -> bool:
    """Whether this is an ordinary quote with that mid: both sides, at once, from a market that trades."""
    return (
        quote is not None
        and two_sided_mid(quote) == mid
        and not quote.halted
        and not quote.delayed
        and quote.queue_delay_ms == 0.0
    )


def reports_quietly(book: Book) -> bool:
    """Whether the account's next periodic report tells nothing new, as long as nothing happens.

    The simulated venue tells what happens as it happens, and a book at rest has taken it in: a report says it again. It
    would end a wait for a report, forget orders of others, and let go of adopted legs: none of these may be there.
    """
    return (
        book.awaited_report is None
        and not book.ledger.adopted_legs
        and not book.foreign_orders
        and not book.mismatched
        and not book.parked_commissions
        and not book.second_look_due
        and book.explanation is None
    )
