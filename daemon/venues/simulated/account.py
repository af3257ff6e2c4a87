"""The simulated account: cash, holdings by average cost, marks, and the figures that a broker shows of them.

Average cost and realised P&L exclude commissions; commissions leave the cash and the day's P&L. So at any moment

    net liquidation = cash + sum(quantity x multiplier x mark)
    day's P&L       = sum over holdings (value now + cash of today's trades - value at the day's opening) - commissions
"""

import msgspec

from daemon.venues.simulated.model import DailyPnl, SimContract, SimPosition, SimQuote
from daemon.venues.simulated.saved_book import SavedBookError

ACCOUNT_TYPE = "BIFROST-SIMULATOR"
"""The account value `AccountType` by which everybody tells this account from a real one."""

STOCK_INITIAL_MARGIN = 0.50
STOCK_MAINTENANCE_MARGIN = 0.25
SHORT_OPTION_MARGIN = 0.20
"""Of the underlying's value, for each short option; a long option is paid in full."""


class _Holding(msgspec.Struct, kw_only=True):
    """One instrument of the account, today. Prices are per unit of quotation; `multiplier` makes them USD."""

    quantity: float = 0.0
    average_price: float = 0.0
    mark: float | None = None
    realised_usd: float = 0.0
    opening_quantity: float = 0.0
    opening_mark: float | None = None
    traded_cash_usd: float = 0.0
    """Cash that today's trades in it brought (sales) or cost (buys), commissions apart."""

    @property
    def price(self) -> float:
        """The mark, or the average price before the first mark."""
        return self.average_price if self.mark is None else self.mark

    def value_usd(self, multiplier: float) -> float:
        """What it is worth now."""
        return self.quantity * self.price * multiplier

    def unrealised_usd(self, multiplier: float) -> float:
        """What it has earned since it was bought, by average cost."""
        return self.quantity * (self.price - self.average_price) * multiplier


class _Saved(msgspec.Struct, kw_only=True):
    """The account as plain values."""

    cash_usd: float
    commissions_usd: float
    holdings: dict[str, _Holding]


class SimulatedAccount:
    """Cash and holdings. The one rule: every fill passes `apply_fill` exactly once."""

    def __init__(self, account: str, cash_usd: float, contracts: dict[str, SimContract]) -> None:
        self.account = account
        self._contracts = contracts
        self._cash_usd = cash_usd
        self._commissions_usd = 0.0
        self._holdings: dict[str, _Holding] = {}

    @property
    def cash_usd(self) -> float:
        """Cash in USD."""
        return self._cash_usd

    def quantity(self, instrument: str) -> float:
        """Shares or contracts held, negative when short."""
        holding = self._holdings.get(instrument)
        return 0.0 if holding is None else holding.quantity

    def open_with(self, instrument: str, quantity: float, average_price: float) -> None:
        """Put a position into the account that no trade of this exchange explains; price 0 takes the first mark."""
        holding = self._holdings.setdefault(instrument, _Holding())
        holding.quantity = holding.opening_quantity = quantity
        holding.average_price = average_price

    def apply_fill(self, instrument: str, signed_quantity: float, price: float, commission_usd: float) -> float | None:
        """Book one fill; returns the realised P&L in USD of the part that closed, None when nothing closed."""
        holding = self._holdings.setdefault(instrument, _Holding())
        multiplier = self._contracts[instrument].multiplier
        held = holding.quantity
        closing = min(abs(held), abs(signed_quantity)) if held * signed_quantity < 0 else 0.0
        realised: float | None = None
        if closing > 0:
            direction = 1.0 if held > 0 else -1.0
            realised = direction * closing * (price - holding.average_price) * multiplier
            holding.realised_usd += realised
        after = held + signed_quantity
        if after == 0:
            holding.average_price = 0.0
        elif held * after < 0 or held == 0:
            holding.average_price = price
        elif closing == 0:
            holding.average_price = (held * holding.average_price + signed_quantity * price) / after
        holding.quantity = after
        traded_usd = signed_quantity * price * multiplier
        holding.traded_cash_usd -= traded_usd
        self._cash_usd -= traded_usd + commission_usd
        self._commissions_usd += commission_usd
        return realised

    def transfer(self, instrument: str, quantity: float) -> None:
        """Hold so much more (negative: less) without a trade, at the mark: neither cash nor the day's P&L change."""
        holding = self._holdings.setdefault(instrument, _Holding())
        if holding.quantity == 0:
            holding.average_price = holding.price
        holding.quantity += quantity
        holding.opening_quantity += quantity

    def pay(self, usd: float) -> None:
        """Receive cash (negative: pay it) that no trade brought."""
        self._cash_usd += usd

    def mark(self, quote: SimQuote) -> None:
        """Value one holding at the mid of a two-sided quote; a one-sided quote leaves the last mark standing."""
        holding = self._holdings.get(quote.instrument)
        if holding is None or quote.bid is None or quote.ask is None:
            return
        holding.mark = (quote.bid + quote.ask) / 2
        if holding.opening_mark is None:
            holding.opening_mark = holding.mark
            if holding.average_price == 0 and holding.quantity != 0:
                holding.average_price = holding.mark

    def unmarked(self) -> tuple[str, ...]:
        """What is held and never had a price: the account's values leave it out."""
        return tuple(name for name, held in self._holdings.items() if held.quantity != 0 and held.mark is None)

    def roll_day(self) -> None:
        """Begin a new trading day: today's marks become the opening, day figures start at zero, empty rows go."""
        self._holdings = {name: held for name, held in self._holdings.items() if held.quantity != 0}
        for holding in self._holdings.values():
            holding.opening_quantity = holding.quantity
            holding.opening_mark = holding.mark
            holding.realised_usd = 0.0
            holding.traded_cash_usd = 0.0
        self._commissions_usd = 0.0

    def settle(self, instrument: str, underlying: str, intrinsic_usd_unit: float) -> None:
        """Exercise or expire an option holding: it ends at intrinsic value, shares change hands at the strike."""
        contract = self._contracts[instrument]
        contracts_held = self._holdings[instrument].quantity
        self.apply_fill(instrument, -contracts_held, intrinsic_usd_unit, 0.0)
        if intrinsic_usd_unit <= 0 or contract.strike is None:
            return
        sign = 1.0 if contract.right == "C" else -1.0
        # The option was closed at intrinsic value in cash, so the shares come at the price that makes both legs
        # together cost exactly the strike: strike plus (call) or minus (put) the intrinsic value.
        share_price = contract.strike + sign * intrinsic_usd_unit
        self.apply_fill(underlying, sign * contracts_held * contract.multiplier, share_price, 0.0)

    def holdings(self) -> tuple[str, ...]:
        """The instruments with a row today, in the order first seen."""
        return tuple(self._holdings)

    def position(self, instrument: str) -> SimPosition:
        """One position as the broker shows it; all zero when there is none."""
        holding = self._holdings.get(instrument, _Holding())
        multiplier = self._contracts[instrument].multiplier
        return SimPosition(
            instrument=instrument,
            quantity=holding.quantity,
            average_cost=holding.average_price * multiplier,
            market_price=holding.price,
            market_value_usd=holding.value_usd(multiplier),
            unrealised_usd=holding.unrealised_usd(multiplier),
            realised_usd=holding.realised_usd,
        )

    def daily_pnl(self, instrument: str | None = None) -> DailyPnl:
        """Today's P&L in USD of one instrument (commissions apart) or of the account (after commissions)."""
        names = self.holdings() if instrument is None else (instrument,)
        daily = unrealised = realised = 0.0
        for name in names:
            holding = self._holdings.get(name, _Holding())
            multiplier = self._contracts[name].multiplier
            opening_price = holding.price if holding.opening_mark is None else holding.opening_mark
            opening_usd = holding.opening_quantity * opening_price * multiplier
            daily += holding.value_usd(multiplier) + holding.traded_cash_usd - opening_usd
            unrealised += holding.unrealised_usd(multiplier)
            realised += holding.realised_usd
        commissions_usd = self._commissions_usd if instrument is None else 0.0
        return DailyPnl(daily_usd=daily - commissions_usd, unrealised_usd=unrealised, realised_usd=realised)

    def values(self) -> dict[str, float | str]:
        """The account's figures in USD by the broker's tag; `AccountType` and `Currency` are words."""
        stock_usd = option_usd = gross_usd = initial_usd = maintenance_usd = 0.0
        unrealised_usd = realised_usd = 0.0
        for name, holding in self._holdings.items():
            contract = self._contracts[name]
            value_usd = holding.value_usd(contract.multiplier)
            unrealised_usd += holding.unrealised_usd(contract.multiplier)
            realised_usd += holding.realised_usd
            gross_usd += abs(value_usd)
            if contract.kind == "stock":
                stock_usd += value_usd
                initial_usd += STOCK_INITIAL_MARGIN * abs(value_usd)
                maintenance_usd += STOCK_MAINTENANCE_MARGIN * abs(value_usd)
                continue
            option_usd += value_usd
            if holding.quantity < 0:
                covered_usd = self._underlying_price(contract) * contract.multiplier * -holding.quantity
                margin_usd = SHORT_OPTION_MARGIN * covered_usd - value_usd
                initial_usd += margin_usd
                maintenance_usd += margin_usd
        net_usd = self._cash_usd + stock_usd + option_usd
        loanable_usd = self._cash_usd + stock_usd
        return {
            "AccountType": ACCOUNT_TYPE,
            "Currency": "USD",
            "NetLiquidation": net_usd,
            "TotalCashValue": self._cash_usd,
            "TotalCashBalance": self._cash_usd,
            "SettledCash": self._cash_usd,
            "AccruedCash": 0.0,
            "StockMarketValue": stock_usd,
            "OptionMarketValue": option_usd,
            "GrossPositionValue": gross_usd,
            "EquityWithLoanValue": loanable_usd,
            "InitMarginReq": initial_usd,
            "MaintMarginReq": maintenance_usd,
            "AvailableFunds": loanable_usd - initial_usd,
            "ExcessLiquidity": loanable_usd - maintenance_usd,
            "BuyingPower": max(0.0, loanable_usd - initial_usd) / STOCK_INITIAL_MARGIN,
            "Cushion": (loanable_usd - maintenance_usd) / net_usd if net_usd > 0 else 0.0,
            "UnrealizedPnL": unrealised_usd,
            "RealizedPnL": realised_usd,
        }

    def _underlying_price(self, contract: SimContract) -> float:
        """The underlying's mark where the account holds it, else the option's strike, in USD a share."""
        held = self._holdings.get(contract.symbol)
        if held is not None and held.mark is not None:
            return held.mark
        return 0.0 if contract.strike is None else contract.strike

    def save(self) -> dict[str, object]:
        """Plain JSON values from which `restore` continues exactly."""
        saved = _Saved(cash_usd=self._cash_usd, commissions_usd=self._commissions_usd, holdings=self._holdings)
        plain: dict[str, object] = msgspec.to_builtins(saved)
        return plain

    def restore(self, saved: object) -> None:
        """Continue from what `save` gave. Raises SavedBookError on anything else."""
        try:
            found = msgspec.convert(saved, _Saved)
        except msgspec.ValidationError as error:
            raise SavedBookError(f"the saved account is damaged: {error}; start with --fresh") from None
        self._cash_usd = found.cash_usd
        self._commissions_usd = found.commissions_usd
        self._holdings = found.holdings
