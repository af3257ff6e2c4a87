"""The one registry of reasons: why a desk is not green, what to do about it, and who ends it.

Self check, light, runbook and tests all read it. The order is the order of showing: worst first. Pure data.
"""

from typing import Literal

import msgspec

Severity = Literal["yellow", "red", "not_live"]
ClearedBy = Literal["itself", "operator", "resume", "reset"]
"""Who ends it: it goes when its cause does; the operator acts as the sentence says; `bifrost resume` (or removing
the control file); `bifrost reset`, once the cause measures clear."""


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """One reason code. `word` is what the light shows large, `sentence` what is wrong and what to do."""

    code: str
    severity: Severity
    word: str
    sentence: str
    cleared_by: ClearedBy
    only_when_open: bool = False
    """A closed session suppresses it: no quotes, wide spreads and old data are normal then."""

    @property
    def runbook(self) -> str:
        """Where the runbook speaks of it."""
        return f"docs/runbook.md#{self.code}"


def _not_live(code: str, word: str, cleared_by: ClearedBy, sentence: str) -> Reason:
    return Reason(code=code, severity="not_live", word=word, cleared_by=cleared_by, sentence=sentence)


def _red(code: str, word: str, cleared_by: ClearedBy, sentence: str, *, only_when_open: bool = False) -> Reason:
    return Reason(
        code=code, severity="red", word=word, cleared_by=cleared_by, sentence=sentence, only_when_open=only_when_open
    )


def _yellow(code: str, word: str, cleared_by: ClearedBy, sentence: str, *, only_when_open: bool = False) -> Reason:
    return Reason(
        code=code, severity="yellow", word=word, cleared_by=cleared_by, sentence=sentence, only_when_open=only_when_open
    )


_ALL = (
    _not_live(
        "snapshot_missing",
        "NOT LIVE",
        "operator",
        "There is no snapshot: the daemon was never started here. Start it: ./bifrost up or ./bifrost supervise.",
    ),
    _not_live(
        "snapshot_damaged",
        "NOT LIVE",
        "operator",
        "The snapshot cannot be read, so nothing is known. Check that the daemon runs and writes, and the disk.",
    ),
    _not_live(
        "snapshot_old",
        "NOT LIVE",
        "operator",
        "The daemon has written nothing for more than three periods: it hangs, died, or its disk is full (df -h). "
        "Look at its log; restart it.",
    ),
    _not_live(
        "snapshot_future",
        "NOT LIVE",
        "operator",
        "The snapshot comes from the future: the clock of this machine or of the daemon's is wrong. Set it right.",
    ),
    _not_live(
        "page_link_lost",
        "NOT LIVE",
        "itself",
        "This page lost its server, so what it shows may be old. Use the shell: touch control/stop still works.",
    ),
    _not_live(
        "stopped",
        "STOPPED",
        "operator",
        "The daemon ended on purpose. Run ./bifrost start, or where nothing runs any more ./bifrost up --profile P.",
    ),
    _red(
        "journal_failed",
        "JOURNAL FAILED",
        "reset",
        "The journal could not be written: no new risk. Mend it, restart, ./bifrost reset --by NAME --reason TEXT.",
    ),
    _red(
        "journal_damaged",
        "JOURNAL DAMAGED",
        "operator",
        "The journal does not hold together; no daemon starts (exit 5). Run ./bifrost verify, then ./bifrost salvage.",
    ),
    _red(
        "stop_unconfirmed",
        "STOP UNCONFIRMED",
        "itself",
        "A stop could not be confirmed: the listed orders may still work. Look in TWS and cancel them there.",
    ),
    _red(
        "stop_not_obeyed",
        "STOP NOT OBEYED",
        "itself",
        "Stop stands for longer than the daemon may take to obey it. End the daemon by hand, then look in TWS.",
    ),
    _red(
        "crash_loop",
        "CRASH LOOP",
        "operator",
        "The daemon crashed five times in ten minutes and was stopped. Read its log before ./bifrost start.",
    ),
    _red(
        "daily_loss",
        "HALTED",
        "reset",
        "The day's loss reached its limit. Judge the position, then ./bifrost reset --by NAME --reason TEXT.",
    ),
    _red(
        "drawdown",
        "HALTED",
        "reset",
        "The drawdown reached its limit. Judge the position, then ./bifrost reset --by NAME --reason TEXT.",
    ),
    _red(
        "orphan_execution",
        "HALTED",
        "reset",
        "An execution carries our order_ref, but the journal holds no intent. Compare with TWS, then ./bifrost reset.",
    ),
    _red(
        "journal_salvaged",
        "HALTED",
        "reset",
        "Own shares come from a damaged journal. Compare them with TWS, then ./bifrost flatten, or ./bifrost reset.",
    ),
    _red(
        "overfill",
        "HALTED",
        "reset",
        "An order filled more than it asked for. Compare with TWS, then ./bifrost reset --by NAME --reason TEXT.",
    ),
    _red(
        "repeated_rejects",
        "HALTED",
        "reset",
        "The venue rejected three orders running. Read its reason under Operations, mend it, then ./bifrost reset.",
    ),
    _red(
        "illegal_transition",
        "HALTED",
        "reset",
        "The program reached a step that its own tables forbid and froze. Keep the journal and tape; ./bifrost reset.",
    ),
    _red(
        "internal_error",
        "HALTED",
        "reset",
        "The program failed inside a decision and froze. Keep the journal, tape and log; then ./bifrost reset.",
    ),
    _red(
        "reconciliation_mismatch",
        "HALTED",
        "reset",
        "Broker, journal and book do not agree. Compare the positions with TWS, then ./bifrost reset.",
    ),
    _red(
        "risk_halt",
        "HALTED",
        "reset",
        "A halt stands: hedging is frozen, or only reduces. Find the cause; ./bifrost reset --by NAME --reason TEXT.",
    ),
    _red(
        "halted",
        "HALTED",
        "reset",
        "A halt is latched and hedging is frozen. Find the cause, then ./bifrost reset --by NAME --reason TEXT.",
    ),
    _red(
        "unknown_outcome",
        "ORDER UNKNOWN",
        "itself",
        "Nobody can tell yet what became of an order; it is reconciled, never sent again. Look in TWS if it lasts.",
    ),
    _red(
        "position_unexplained",
        "UNEXPLAINED",
        "operator",
        "A position changed without an execution. Find out why, then ./bifrost book acknowledge --shares N --reason.",
    ),
    _red(
        "flatten_conflict",
        "FLATTEN CONFLICT",
        "operator",
        "The account holds less than the desk's own shares. Confirm a number: ./bifrost flatten --confirm-shares N.",
    ),
    _red(
        "flatten_unconfirmed",
        "FLATTEN UNCONFIRMED",
        "operator",
        "The number of own shares is missing or another than was confirmed: ./bifrost flatten --confirm-shares N.",
    ),
    _red(
        "flatten_refused",
        "FLATTEN REFUSED",
        "operator",
        "Flatten was refused; the reason stands in its receipt. Mend it and touch control/flatten again, or remove it.",
    ),
    _red(
        "stale_flatten",
        "STALE FLATTEN",
        "operator",
        "A flatten could not start within 60 s and will not fire by surprise. Touch it again, or remove it.",
    ),
    _red(
        "flatten_stuck",
        "NOT CLOSING",
        "itself",
        "A flatten cannot close the own shares and tries on every 8 s. Read why; if it must be now, close them in TWS.",
    ),
    _red(
        "disk_low",
        "DISK LOW",
        "itself",
        "The desk's disk is nearly full, so no new hedge leaves; flatten still works. Make room: see the runbook.",
    ),
    _red(
        "force_hedge_refused",
        "UNHEDGED",
        "itself",
        "Net delta is past its hard limit and the hedge is refused. See which rule, and hedge by hand if it lasts.",
    ),
    _red(
        "order_overdue",
        "ORDER OVERDUE",
        "itself",
        "An own order is not filled within its deadline. Look at it in TWS; stop cancels it.",
    ),
    _red(
        "broker_error",
        "BROKER ERROR",
        "itself",
        "The broker answers with errors, so a hedge may not be achieved. Read them in the log; look at TWS.",
    ),
    _red(
        "link_down",
        "LINK DOWN",
        "itself",
        "There is no connection to IB; the daemon keeps trying. Check that TWS or Gateway runs and accepts the API.",
    ),
    _red(
        "client_id_taken",
        "CLIENT ID TAKEN",
        "itself",
        "Another program holds this desk's client id at TWS, so the daemon cannot log on. End that program.",
    ),
    _red(
        "waiting_ib_overdue",
        "NO IB",
        "itself",
        "IB has not come back within its deadline. Check TWS or Gateway, its login dialog, the port and the client id.",
    ),
    _red(
        "trading_halted",
        "HALTED BY EXCHANGE",
        "itself",
        "The exchange has halted trading in the underlying, so no hedge leaves. Read why; be there when it resumes.",
        only_when_open=True,
    ),
    _red(
        "data_delayed",
        "DELAYED DATA",
        "itself",
        "The venue sends prices late, and nothing is hedged on those. Check the market data subscription in TWS.",
        only_when_open=True,
    ),
    _red(
        "stale",
        "STALE",
        "itself",
        "No tick of the underlying within its threshold. Check the market data subscription and the data farms in TWS.",
        only_when_open=True,
    ),
    _red(
        "data_lag",
        "DATA LAG",
        "itself",
        "Prices reach the decision too late. Check the load of this machine and the line to IB.",
    ),
    _red(
        "greeks_bad",
        "GREEKS BAD",
        "itself",
        "A leg's sensitivities cannot be computed, so net delta is unknown. Check its quotes and volatility.",
    ),
    _red(
        "no_quote",
        "NO QUOTE",
        "itself",
        "The underlying has no two-sided quote: halted, or its data is missing. Look at it in TWS.",
        only_when_open=True,
    ),
    _red(
        "spread_extreme",
        "EXTREME SPREAD",
        "itself",
        "The spread is too wide to hedge at any sane price. Wait, or hedge by hand.",
        only_when_open=True,
    ),
    _red(
        "instrument_constraints_missing",
        "NO CONTRACT",
        "itself",
        "The venue has not told tick and size steps, so orders are refused. Check the contract in the profile.",
    ),
    _red(
        "loop_slow",
        "LOOP SLOW",
        "itself",
        "The daemon's loop was blocked for more than 3 s. Check the load and disk of this machine; keep its log.",
    ),
    _red(
        "safe",
        "SAFE",
        "itself",
        "The strategy went to SAFE: a halt, or data, link or an order it cannot trust. The other reasons say which.",
    ),
    _red(
        "self_check_blocked",
        "BLOCKED",
        "itself",
        "The desk says that it is blocked without naming a reason. Look at its log.",
    ),
    _yellow(
        "stop_asserted",
        "STOPPING",
        "operator",
        "Stop is asserted: no order leaves; a daemon that runs cancels its own and ends. Back with ./bifrost start.",
    ),
    _yellow(
        "flatten_asserted",
        "FLATTENING",
        "operator",
        "Flatten is asserted: own shares are being closed, unless a red reason says why not. "
        "Removing control/flatten takes it back and pauses.",
    ),
    _yellow(
        "paused", "PAUSED", "resume", "Paused: no new hedge is sent, all else goes on. End it with ./bifrost resume."
    ),
    _yellow(
        "control_unreadable",
        "PAUSED",
        "operator",
        "The control folder is missing or unreadable, which counts as a pause. Make it again with its permissions.",
    ),
    _yellow(
        "control_unknown_name",
        "ODD FILE",
        "operator",
        "A file in the control folder is no command. The commands are stop, pause and flatten; remove the other.",
    ),
    _yellow(
        "foreign_unacknowledged",
        "PAUSED",
        "operator",
        "The account held shares before this desk did. Run ./bifrost book acknowledge (or adopt) --shares N --reason.",
    ),
    _yellow(
        "leg_settlement",
        "PAUSED",
        "operator",
        "A leg has expired; the desk pauses until its settlement is acknowledged: ./bifrost book acknowledge.",
    ),
    _yellow("waiting_ib", "WAITING FOR IB", "itself", "Waiting for IB, still within its deadline. Nothing to do yet."),
    _yellow(
        "restart_window",
        "RESTART WINDOW",
        "itself",
        "A scheduled restart of TWS or IB is near or under way; no hedge leaves until it ends. Nothing to do.",
        only_when_open=True,
    ),
    _yellow(
        "link_not_synced",
        "SYNCING",
        "itself",
        "Connected, but orders and positions are not read completely yet. No order leaves until they are.",
    ),
    _yellow(
        "not_reconciled",
        "SYNCING",
        "itself",
        "Broker, journal and book are being compared. No order leaves until they agree.",
    ),
    _yellow(
        "data_farm_broken",
        "FARM BROKEN",
        "itself",
        "TWS lost one of IB's data farms; orders still pass. Wait, or look at TWS's data connections.",
        only_when_open=True,
    ),
    _yellow(
        "market_data_refused",
        "NO LIVE DATA",
        "operator",
        "IB gives no live quotes of an instrument. Check the subscription, and whether another login takes the data.",
        only_when_open=True,
    ),
    _yellow(
        "pacing",
        "PACED",
        "itself",
        "Requests to IB queue, or IB complained about their rate; orders wait for the queue, cancels do not.",
    ),
    _yellow(
        "reject_backoff",
        "BACKING OFF",
        "itself",
        "The venue rejected an order; the next try waits. Read its reason under Operations.",
    ),
    _yellow(
        "unhedged_until_open",
        "UNHEDGED",
        "itself",
        "The market is closed with net delta above the threshold. It is hedged after the open, or by hand.",
    ),
    _yellow(
        "flatten_dust",
        "DUST",
        "operator",
        "Flatten left less than the smallest order. Close it by hand in TWS, or keep it.",
    ),
    _yellow(
        "loss_unmeasured",
        "LOSS UNKNOWN",
        "itself",
        "The day's result cannot be computed, so the loss limits watch nothing. Check the quotes of stock and legs.",
        only_when_open=True,
    ),
    _yellow(
        "limit_near",
        "LIMIT NEAR",
        "itself",
        "A limit is used to 85 % or more, or is reached already. Decide now what to do about it.",
    ),
    _yellow(
        "leg_outside_gates",
        "LEG OUTSIDE",
        "operator",
        "A leg lies outside the structure gates. It is still hedged; roll or close it when it suits.",
    ),
    _yellow(
        "option_not_hedged",
        "UNHEDGED OPTION",
        "operator",
        "The account holds an option of the underlying that is no leg. Declare it, let gates adopt it, or close it.",
    ),
    _yellow(
        "data_slightly_old",
        "DATA OLD",
        "itself",
        "The newest price is older than usual, but still within its threshold. Nothing to do yet.",
        only_when_open=True,
    ),
    _yellow(
        "spread_wide",
        "WIDE SPREAD",
        "itself",
        "The spread is wider than usual; hedges still leave. Nothing to do.",
        only_when_open=True,
    ),
    _yellow(
        "slow_disk",
        "SLOW DISK",
        "itself",
        "Writing the journal takes long, and every order waits for it. Check the disk and what else uses it.",
    ),
    _yellow(
        "wall_clock_off",
        "CLOCK SET",
        "itself",
        "The machine's clock was set while the daemon runs, which keeps the time it began with. Restart it when quiet.",
    ),
    _yellow(
        "tape_failed",
        "NO TAPE",
        "operator",
        "The tape cannot be written, so this day cannot be replayed. Check the disk; restart at a quiet time.",
    ),
    _yellow(
        "history_failed",
        "NO HISTORY",
        "operator",
        "History cannot be written, so statistics will have a gap. Check the disk; restart at a quiet time.",
    ),
    _yellow(
        "self_check_degraded",
        "DEGRADED",
        "itself",
        "The desk says that it is degraded without naming a reason. Look at its log.",
    ),
)

REASONS: dict[str, Reason] = {reason.code: reason for reason in _ALL}
"""code -> reason, worst first."""
