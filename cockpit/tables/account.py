"""Tables of the account: its summary, whose shares it holds and why, and the delta of desk and account. Pure."""

from collections.abc import Mapping

from cockpit import wording
from cockpit.reader import Reader
from cockpit.tables.model import Columns, Row, Table, Tone
from state.records import Check, GammaScalperState, Snapshot

_SUMMARY_FIRST = (
    "NetLiquidation",
    "TotalCashValue",
    "SettledCash",
    "StockMarketValue",
    "OptionMarketValue",
    "GrossPositionValue",
    "EquityWithLoanValue",
    "InitMarginReq",
    "MaintMarginReq",
    "AvailableFunds",
    "ExcessLiquidity",
    "BuyingPower",
    "RealizedPnL",
    "UnrealizedPnL",
)
"""The venue's tags in the order in which a margin call is judged; any other follows by its name."""
_RATIOS = frozenset({"Cushion", "Leverage"})
"""Tags that are no amount of money."""


def account(snapshot: Snapshot | None, reader: Reader) -> Table:
    """Net liquidation, cash, margin: the venue's own values, under the venue's own tags in words."""
    summary = {} if snapshot is None or snapshot.account_summary is None else snapshot.account_summary
    order = {tag: place for place, tag in enumerate(_SUMMARY_FIRST)}
    tags = sorted(summary, key=lambda tag: (order.get(tag, len(order)), tag))
    to = Columns(reader, "account")
    return Table(
        title=reader.say("tables.account.title"),
        aside=_account_aside(snapshot, reader),
        columns=(to.left("item"), to.right("value"), to.left("unit")),
        rows=tuple(
            Row(
                key=tag,
                cells=(
                    reader.say_known("tables.account.items", tag, tag),
                    wording.number(summary[tag], decimals=4 if tag in _RATIOS else 2),
                    "" if tag in _RATIOS else "USD",
                ),
            )
            for tag in tags
        ),
        empty=reader.say(
            "tables.account.no_account" if snapshot is not None and snapshot.account is None else "tables.account.empty"
        ),
    )


def _account_aside(snapshot: Snapshot | None, reader: Reader) -> str:
    """Whose account, and how old the venue's values are."""
    if snapshot is None or snapshot.account is None:
        return ""
    kind = reader.say(f"tables.account.kinds.{wording.account_kind(snapshot.account_kind)}")
    parts = [snapshot.account, kind]
    if snapshot.account_summary:
        parts.append(reader.say("tables.account.refreshed", age=wording.age(snapshot.account_summary_age_ms)))
        parts.append(f"n = {len(snapshot.account_summary)}")
    return " · ".join(parts)


def book(snapshot: Snapshot | None, reader: Reader) -> Table:
    """Own shares, foreign ones that were acknowledged, and others' executions: together what the account holds."""
    to = Columns(reader, "book")
    found = None if snapshot is None else _Shares(snapshot)
    return Table(
        title=reader.say("tables.book.title"),
        aside="" if found is None or not found.known else found.verdict(reader),
        columns=(to.left("part"), to.right("quantity", "shares"), to.left("meaning", wrap=True)),
        rows=() if found is None or not found.known else found.rows(reader),
        empty=reader.say("tables.book.empty"),
    )


class _Shares:
    """Whose shares of the underlying the account holds, as far as the snapshot says."""

    def __init__(self, snapshot: Snapshot) -> None:
        counters: Mapping[str, object] = snapshot.counters or {}
        traded = counters.get("foreign_traded_shares")
        self.own = snapshot.own_shares
        self.foreign = snapshot.foreign_shares
        self.traded = float(traded) if isinstance(traded, int | float) else None
        self.known = self.own is not None and self.foreign is not None
        checks = {check.name: check for check in snapshot.self_check.checks}
        self.unexplained = _failed(checks.get("positions"), "position_unexplained")
        self.unacknowledged = _failed(checks.get("foreign_shares"), "foreign_unacknowledged")

    @property
    def held(self) -> float | None:
        """What the account holds."""
        return None if self.own is None or self.foreign is None else self.own + self.foreign

    def rows(self, reader: Reader) -> tuple[Row, ...]:
        """The sum, one part per line; without others' executions foreign shares stay in one piece."""
        rows = [self._row("own", self.own, reader)]
        if self.unacknowledged is not None:
            rows.append(self._row("unacknowledged", self.foreign, reader, tone="warn"))
        elif self.unexplained is not None:
            rows.append(self._row("unexplained", self.foreign, reader, tone="bad"))
        elif self.traded is not None and self.foreign is not None:
            rows.append(self._row("acknowledged", self.foreign - self.traded, reader))
            rows.append(self._row("others", self.traded, reader))
        else:
            rows.append(self._row("foreign", self.foreign, reader))
        rows.append(self._row("account", self.held, reader))
        return tuple(rows)

    def verdict(self, reader: Reader) -> str:
        """Whether the parts account for the whole."""
        if self.unexplained is not None:
            return reader.say("tables.book.not_explained", measured=wording.measured(self.unexplained.measured, reader))
        if self.unacknowledged is not None:
            return reader.say("tables.book.not_acknowledged")
        return reader.say("tables.book.reconciled")

    def _row(self, part: str, quantity: float | None, reader: Reader, *, tone: Tone | None = None) -> Row:
        return Row(
            key=part,
            cells=(
                reader.say(f"tables.book.parts.{part}"),
                wording.shares(quantity, signed=part != "account"),
                reader.say(f"tables.book.meanings.{part}"),
            ),
            tone=tone,
        )


def _failed(check: Check | None, reason: str) -> Check | None:
    return check if check is not None and not check.ok and check.reason == reason else None


def delta(snapshot: Snapshot | None, state: GammaScalperState | None, reader: Reader) -> Table:
    """What the desk's net delta is made of, and the account's whole net delta beside it."""
    to = Columns(reader, "delta")
    rows: list[Row] = []

    def add(part: str, shares: float | None) -> None:
        meaning = reader.say(f"tables.delta.meanings.{part}")
        cells = (reader.say(f"tables.delta.parts.{part}"), wording.number(shares, decimals=1, signed=True), meaning)
        rows.append(Row(key=part, cells=cells))

    if snapshot is not None and (state is not None or snapshot.account_net_delta_shares is not None):
        if state is not None:
            add("options", _sum_of_legs(state))
            add("own", snapshot.own_shares)
            add("desk", state.greeks.net_delta_shares)
        add("account", snapshot.account_net_delta_shares)
    return Table(
        title=reader.say("tables.delta.title"),
        aside="" if state is None else reader.say("tables.delta.aside", n=len(state.legs)),
        columns=(to.left("part"), to.right("delta", "shares"), to.left("meaning", wrap=True)),
        rows=tuple(rows),
        empty=reader.say("tables.delta.empty"),
    )


def _sum_of_legs(state: GammaScalperState) -> float | None:
    """None where one leg has no delta: a sum that leaves one out would mislead."""
    deltas = [leg.delta_shares for leg in state.legs if leg.quantity != 0]
    return None if not deltas or any(each is None for each in deltas) else sum(each for each in deltas if each)
