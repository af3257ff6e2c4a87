"""Rows of the tables: legs, positions, working orders, and the journal. Pure: records in, text out.

A table is `{title, aside, empty, columns, rows}`; a row is `{cells, tone}`; every cell is text that must be shown
as it is (instrument names, reasons and statuses come from the broker).
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from cockpit import wording
from state.query import Count, Counted, GroupBy
from state.records import GammaScalperState, JournalLine, JournalType, Leg, Snapshot

Tone = Literal["foreign", "bad", "warn", "good"]


class Column(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One column: its head, its unit, and how cells are set."""

    name: str
    label: str
    unit: str | None = None
    align: Literal["left", "right"] = "left"
    wrap: bool = False
    link: bool = False
    badge: bool = False


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of cells, as many as there are columns."""

    cells: tuple[str, ...]
    tone: Tone | None = None


class Table(msgspec.Struct, frozen=True, kw_only=True):
    """What a page's table component draws. `empty` is shown instead of a table without rows."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    empty: str
    aside: str = ""


def _right(name: str, label: str, unit: str | None = None) -> Column:
    return Column(name=name, label=label, unit=unit, align="right")


def strategy_state(snapshot: Snapshot) -> GammaScalperState | None:
    """The snapshot's strategy section, where it is a gamma scalper's; another desk's is not ours to read."""
    if snapshot.strategy is None:
        return None
    try:
        return msgspec.convert(snapshot.strategy, GammaScalperState)
    except msgspec.ValidationError:
        return None


LEG_COLUMNS = (
    Column(name="leg", label="Leg"),
    _right("quantity", "Quantity", "contracts"),
    _right("price", "Price", "USD"),
    _right("value", "Value", "USD"),
    _right("pnl", "P&L today", "USD"),
    _right("moneyness", "Moneyness", "%"),
    _right("volatility", "Volatility", "% a year"),
    Column(name="source", label="Source"),
    _right("delta", "Delta", "shares"),
    _right("gamma", "Gamma", "shares/USD"),
    _right("theta", "Theta", "USD/day"),
)


_SOURCES = {"fixed": "profile", "implied": "its quote", "ib": "IB's model"}


def _leg_name(leg: Leg) -> str:
    right = "call" if leg.right == "C" else "put"
    adopted = "  (adopted)" if leg.adopted else ""
    return f"{leg.expiry}  {leg.strike:g} {right}{adopted}"


def legs(snapshot: Snapshot | None) -> Table:
    """The options that the desk hedges."""
    state = None if snapshot is None else strategy_state(snapshot)
    rows = () if state is None else tuple(_leg_row(leg) for leg in state.legs)
    aside = ""
    if state is not None:
        greeks = state.greeks
        aside = (
            f"whole book: delta {wording.shares(greeks.net_delta_shares, signed=True)} shares · "
            f"gamma {wording.number(greeks.gamma, decimals=1)} · "
            f"theta {wording.number(greeks.theta_usd_day, decimals=2)} USD/day · "
            f"vega {wording.number(greeks.vega, decimals=1)}"
        )
    is_others = snapshot is not None and state is None
    return Table(
        title="Option legs",
        columns=LEG_COLUMNS,
        rows=rows,
        aside=aside,
        empty="This desk tells of no option legs."
        if is_others
        else "No option leg yet: the options that the profile names appear here once the account reports them.",
    )


def _leg_row(leg: Leg) -> Row:
    volatility = None if leg.implied_volatility is None else leg.implied_volatility * 100
    return Row(
        cells=(
            _leg_name(leg),
            wording.shares(leg.quantity, signed=True),
            wording.number(leg.price, decimals=3),
            wording.usd(leg.value_usd),
            wording.usd(leg.pnl_usd, signed=True),
            wording.number(leg.moneyness_pct, decimals=2, signed=True),
            wording.number(volatility, decimals=1),
            wording.DASH if leg.volatility_source is None else _SOURCES[leg.volatility_source],
            wording.number(leg.delta_shares, decimals=1, signed=True),
            wording.number(leg.gamma, decimals=1),
            wording.number(leg.theta_usd_day, decimals=2, signed=True),
        )
    )


PNL_COLUMNS = (
    _right("total", "Today", "USD"),
    _right("delta", "Delta", "USD"),
    _right("gamma", "Gamma", "USD"),
    _right("theta", "Theta", "USD"),
    _right("vega", "Vega", "USD"),
    _right("other", "Other", "USD"),
    _right("slippage", "Slippage", "USD"),
    _right("commission", "Commission", "USD"),
    _right("wear", "Wear", "USD per 10k"),
)


def day_pnl(snapshot: Snapshot | None) -> Table:
    """Where the day's P&L came from: costs with their minus, so that the row adds up to the day's total."""
    parts = None if snapshot is None else snapshot.pnl_parts
    rows: tuple[Row, ...] = ()
    if parts is not None and parts.other_usd is not None:
        slippage = None if parts.slippage_usd is None else -parts.slippage_usd
        earned = (parts.delta_usd, parts.gamma_usd, parts.theta_usd, parts.vega_usd, parts.other_usd)
        figures = (parts.total_usd, *earned, slippage, -parts.commission_usd)
        cells = tuple(wording.usd(figure, signed=True) for figure in figures)
        rows = (Row(cells=(*cells, wording.number(parts.wear_per_10k, decimals=2, signed=True))),)
    return Table(
        title="P&L today",
        aside="since the previous close, by where it came from",
        columns=PNL_COLUMNS,
        rows=rows,
        empty="The desk's P&L by where it came from appears here once everything it holds has a price.",
    )


POSITION_COLUMNS = (
    Column(name="instrument", label="Instrument"),
    _right("own", "Own"),
    _right("foreign", "Foreign"),
    _right("price", "Price", "USD"),
    _right("value", "Value", "USD"),
    _right("pnl", "P&L today", "USD"),
)


def positions(snapshot: Snapshot | None) -> Table:
    """The account's positions, this desk's share of each apart from everybody else's."""
    found = () if snapshot is None else snapshot.positions
    rows = tuple(
        Row(
            cells=(
                position.instrument,
                wording.shares(position.own, signed=True),
                wording.shares(position.foreign, signed=True),
                wording.number(position.price, decimals=3),
                wording.usd(position.value_usd),
                wording.usd(position.pnl_usd, signed=True),
            ),
            tone="foreign" if position.own == 0 and position.foreign != 0 else None,
        )
        for position in found
    )
    return Table(
        title="Positions",
        aside="shares or contracts; foreign is shown and never touched",
        columns=POSITION_COLUMNS,
        rows=rows,
        empty="This desk tells of no account."
        if snapshot is not None and snapshot.account is None
        else "No position in this account.",
    )


ORDER_COLUMNS = (
    Column(name="order", label="Order"),
    Column(name="instrument", label="Instrument"),
    Column(name="side", label="Side"),
    _right("quantity", "Quantity", "shares"),
    _right("filled", "Filled", "shares"),
    _right("limit", "Limit", "USD"),
    Column(name="status", label="Status"),
    _right("age", "Age"),
    Column(name="owner", label="Owner"),
)


def working_orders(snapshot: Snapshot | None) -> Table:
    """Orders at the venue, ours first."""
    found = () if snapshot is None else snapshot.working_orders
    rows = tuple(
        Row(
            cells=(
                order.order_ref or wording.DASH,
                order.instrument,
                order.side,
                wording.shares(order.quantity),
                wording.shares(order.filled),
                wording.number(order.limit_price, decimals=2),
                order.status,
                wording.age(order.age_ms),
                "own" if order.own else "foreign",
            ),
            tone=None if order.own else "foreign",
        )
        for order in sorted(found, key=lambda order: not order.own)
    )
    return Table(
        title="Working orders",
        columns=ORDER_COLUMNS,
        rows=rows,
        empty="None. A hedge appears here from the moment it is sent until it is filled or cancelled.",
    )


_BAD = {
    JournalType.REJECTED,
    JournalType.UNKNOWN_OUTCOME,
    JournalType.HALT,
    JournalType.CONTROL_REFUSED,
    JournalType.FLATTEN_ABORTED,
    JournalType.FLATTEN_STUCK,
}
_WARN = {JournalType.REFUSED, JournalType.REPAIRED, JournalType.BOOK_FOREIGN, JournalType.RESET}
_GOOD = {JournalType.FILL, JournalType.PARTIAL_FILL, JournalType.FLATTEN_VERIFIED}

JOURNAL_COLUMNS = (
    Column(name="time", label="Time", unit="UTC"),
    Column(name="type", label="Type"),
    Column(name="intent", label="Intent", link=True),
    Column(name="instrument", label="Instrument"),
    Column(name="side", label="Side"),
    _right("quantity", "Quantity"),
    _right("price", "Price", "USD"),
    Column(name="status", label="Status"),
    Column(name="reason", label="What and why", wrap=True),
    Column(name="code", label="State"),
    _right("latency", "Latency", "ms"),
    _right("seq", "No."),
)


def tone_of(kind: JournalType) -> Tone | None:
    """How loud a kind of operation is: what went wrong, what was held back, what was done."""
    if kind in _BAD:
        return "bad"
    if kind in _WARN:
        return "warn"
    return "good" if kind in _GOOD else None


def journal(lines: Sequence[JournalLine], *, title: str, aside: str, empty: str) -> Table:
    """Operations in the order given."""
    return Table(
        title=title, aside=aside, empty=empty, columns=JOURNAL_COLUMNS, rows=tuple(_journal_row(line) for line in lines)
    )


def _journal_row(line: JournalLine) -> Row:
    quantity = wording.shares(line.quantity) if line.quantity is not None else ""
    unit = f" {line.unit}{'s' if line.quantity not in (1, -1) else ''}" if line.unit and quantity else ""
    return Row(
        cells=(
            f"{line.ts[:10]} {line.ts[11:23]}",
            line.type.value.replace("_", " "),
            line.intent_id or "",
            line.instrument or "",
            line.side or "",
            quantity + unit,
            wording.number(line.price, decimals=4) if line.price is not None else "",
            line.status or "",
            what_and_why(line),
            line.state_code or "",
            wording.number(line.latency_ms, decimals=1) if line.latency_ms is not None else "",
            str(line.seq),
        ),
        tone=tone_of(line.type),
    )


def counts(counted: Counted, by: GroupBy, *, quantity: bool) -> Table:
    """Operations counted in groups; their `quantity` adds up only where the operations are of one kind."""
    columns = [
        Column(name="group", label=by.capitalize(), unit="UTC" if by in _CALENDAR else None),
        _right("count", "Operations"),
    ]
    if quantity:
        columns.append(_right("quantity", "Quantity"))
    total, groups = sum(each.count for each in counted.counts), len(counted.counts)
    return Table(
        title=f"Operations by {by}",
        aside=f"{wording.shares(total)} operations in {groups} {'group' if groups == 1 else 'groups'}",
        columns=tuple(columns),
        rows=tuple(Row(cells=_count_cells(each)[: len(columns)]) for each in counted.counts),
        empty="No operation matches these filters.",
    )


def _count_cells(count: Count) -> tuple[str, str, str]:
    (group,) = count.key
    name = wording.DASH if group is None else group.replace("_", " ")
    return name, wording.shares(count.count), "" if count.quantity is None else wording.shares(count.quantity)


_CALENDAR = ("day", "week", "month")


def what_and_why(line: JournalLine) -> str:
    """The reason and, for a refusal or a command, the numbers and words that belong to it."""
    data: dict[str, Any] = line.data if line.data is not None else {}
    rules = _failed_rules(data)
    command, detail, by = (data.get(key) for key in ("command", "detail", "by"))
    # A refusal's reason is the name of its first rule, which the rules say again with numbers.
    reason = line.reason if line.reason and not any(rule.startswith(line.reason) for rule in rules) else None
    parts = [command, reason, *rules, detail, f"by {by}" if isinstance(by, str) else None]
    return " · ".join(dict.fromkeys(part for part in parts if isinstance(part, str) and part))


def _failed_rules(data: dict[str, Any]) -> list[str]:
    """The rules of a guard's verdict that refused: `rule -> {ok, measured, limit, unit}`, under `rules` or bare."""
    rules = data.get("rules", data)
    if not isinstance(rules, dict):
        return []
    return [
        _rule_words(name, rule)
        for name, rule in rules.items()
        if isinstance(rule, dict) and rule.get("ok") is False and rule.get("waived") is not True
    ]


def _rule_words(name: str, rule: dict[str, Any]) -> str:
    measured, limit, unit = rule.get("measured"), rule.get("limit"), rule.get("unit")
    text = name
    if isinstance(measured, str | int | float):
        text += f" {wording.measured(measured)}"
    if isinstance(limit, str | int | float):
        text += f", limit {wording.measured(limit)}"
    return f"{text} {unit}" if isinstance(unit, str) and unit else text


def plain(table: Table) -> dict[str, Any]:
    """The table as plain values, for a component's data."""
    found: dict[str, Any] = msgspec.to_builtins(table)
    return found
