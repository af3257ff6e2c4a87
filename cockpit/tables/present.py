"""Tables of the present: quotes, positions, working orders and the day's P&L. Pure: the snapshot in, text out."""

from cockpit import wording
from cockpit.reader import Reader
from cockpit.tables.account import account, book, delta
from cockpit.tables.legs import legs, legs_full, strategy_state
from cockpit.tables.model import Columns, Row, Table, sortable
from state.records import Snapshot


def present(snapshot: Snapshot | None, reader: Reader) -> dict[str, Table]:
    """Every table that pages show live, by the name that a page's element asks for."""
    return {
        "legs": legs(snapshot, reader),
        "legs_full": legs_full(snapshot, reader),
        "underlying": underlying(snapshot, reader),
        "positions": positions(snapshot, reader),
        "day_pnl": day_pnl(snapshot, reader),
        "orders": working_orders(snapshot, reader),
        "account": account(snapshot, reader),
        "book": book(snapshot, reader),
        "delta": delta(snapshot, strategy_state(snapshot), reader),
    }


def underlying(snapshot: Snapshot | None, reader: Reader) -> Table:
    """What the desk's underlying is quoted at, and every other instrument that has a price."""
    to = Columns(reader, "underlying")
    found = () if snapshot is None else snapshot.instruments
    return Table(
        title=reader.say("tables.underlying.title"),
        aside=reader.say("tables.underlying.aside", n=len(found)) if found else "",
        columns=(
            to.left("instrument"),
            to.right("bid", "usd"),
            to.right("ask", "usd"),
            to.right("last", "usd"),
            to.right("spread", "pct"),
            to.right("age"),
        ),
        rows=tuple(
            Row(
                key=quote.symbol,
                cells=(
                    quote.symbol,
                    wording.number(quote.bid, decimals=2 if quote.kind == "stock" else 3),
                    wording.number(quote.ask, decimals=2 if quote.kind == "stock" else 3),
                    wording.number(quote.last, decimals=2 if quote.kind == "stock" else 3),
                    wording.number(quote.spread_pct, decimals=3),
                    wording.age(quote.quote_age_ms),
                ),
            )
            for quote in found
        ),
        empty=reader.say("tables.underlying.empty"),
    )


def day_pnl(snapshot: Snapshot | None, reader: Reader) -> Table:
    """Where the day's P&L came from: costs with their minus, so that the row adds up to the day's total."""
    parts = None if snapshot is None else snapshot.pnl_parts
    rows: tuple[Row, ...] = ()
    if parts is not None and parts.other_usd is not None:
        slippage = None if parts.slippage_usd is None else -parts.slippage_usd
        earned = (parts.delta_usd, parts.gamma_usd, parts.theta_usd, parts.vega_usd, parts.other_usd)
        figures = (parts.total_usd, *earned, slippage, -parts.commission_usd)
        cells = tuple(wording.usd(figure, signed=True) for figure in figures)
        rows = (Row(key="today", cells=(*cells, wording.number(parts.wear_per_10k, decimals=2, signed=True))),)
    to = Columns(reader, "day_pnl")
    names = ("total", "delta", "gamma", "theta", "vega", "other", "slippage", "commission")
    return Table(
        title=reader.say("tables.day_pnl.title"),
        aside=reader.say("tables.day_pnl.aside"),
        columns=(*(to.right(name, "usd") for name in names), to.right("wear", "usd_per_10k")),
        rows=rows,
        empty=reader.say("tables.day_pnl.empty"),
    )


def positions(snapshot: Snapshot | None, reader: Reader) -> Table:
    """The account's positions, this desk's share of each apart from everybody else's."""
    to = Columns(reader, "positions")
    found = () if snapshot is None else snapshot.positions
    rows = tuple(
        Row(
            key=position.instrument,
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
    is_without_account = snapshot is not None and snapshot.account is None
    return Table(
        title=reader.say("tables.positions.title"),
        aside=reader.say("tables.positions.aside", n=len(rows)),
        columns=sortable(
            (
                to.left("instrument"),
                to.right("own"),
                to.right("foreign"),
                to.right("price", "usd"),
                to.right("value", "usd"),
                to.right("pnl", "usd"),
            )
        ),
        rows=rows,
        empty=reader.say("tables.positions.no_account" if is_without_account else "tables.positions.empty"),
    )


def working_orders(snapshot: Snapshot | None, reader: Reader) -> Table:
    """Orders at the venue, ours first."""
    to = Columns(reader, "orders")
    found = () if snapshot is None else snapshot.working_orders
    rows = tuple(
        Row(
            key=order.order_ref,
            cells=(
                order.order_ref or wording.DASH,
                order.instrument,
                order.side,
                wording.shares(order.quantity),
                wording.shares(order.filled),
                wording.number(order.limit_price, decimals=2),
                wording.status(order.status, reader),
                wording.age(order.age_ms),
                reader.say("tables.orders.own" if order.own else "tables.orders.foreign"),
            ),
            tone=None if order.own else "foreign",
        )
        for order in sorted(found, key=lambda order: not order.own)
    )
    return Table(
        title=reader.say("tables.orders.title"),
        aside=f"n = {len(rows)}" if rows else "",
        columns=(
            to.left("order"),
            to.left("instrument"),
            to.left("side"),
            to.right("quantity", "shares"),
            to.right("filled", "shares"),
            to.right("limit", "usd"),
            to.left("status"),
            to.right("age"),
            to.left("owner"),
        ),
        rows=rows,
        empty=reader.say("tables.orders.empty"),
    )
