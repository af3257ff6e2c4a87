"""Every word of the report that is not the run's own, in one place. Units stand with their numbers."""

from state.runs.records import Figures, VenueModel

ZONE = "America/New_York"
DASH = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"

TITLE = "Backtest"
STATUS = {
    "finished": "finished",
    "interrupted": "interrupted: the figures end where the run did",
    "failed": "failed",
    "running": "running",
}
NOTHING = "The run came to nothing, so there are no figures."
FOOT = (
    "Times are of the exchange (America/New_York). A moment is one time at which the strategy looked at the market. "
    "P&L is net of commissions, legs at their mids. The same decision core runs live; here its orders went to a "
    "simulated venue, and no order left this machine."
)

SECTIONS = {
    "equity": ("Equity", "What the account was worth, and how far it stood below its highest so far."),
    "attribution": ("Where the P&L came from", "Parts and costs add up to the total."),
    "hedges": ("Hedges over the price", "A tick upwards is a purchase, a tick downwards a sale."),
    "refusals": (
        "What refused a hedge",
        "Bars count the decision moments that a rule refused; beside them how often it began to refuse.",
    ),
    "delta": ("Net delta against its band", "Shares of the underlying that the whole book is worth, hedge included."),
    "days": ("Sessions", "P&L of each session."),
    "hours": ("By hour of the day", "Change of equity, hedges and refusals within each hour of the exchange's day."),
    "slippage": ("Slippage of the hedges", "Fills against the mid of the moment that decided them; more is worse."),
    "decisions": ("Decision moments, a sample", "The first refusal of each rule, the first hedges, the extremes."),
    "findings": ("What was odd", "Oddities of the data and of the run: flagged, never passed over."),
    "settings": ("Settings that decided", "Every key of the profile that was in force; changed ones are marked."),
}
EMPTY = {
    "equity": "The run has no equity: no session was open in the data.",
    "hedges": "No hedge was sent.",
    "refusals": "Nothing was refused.",
    "delta": "The net delta was never known: no leg had a price.",
    "slippage": "No hedge was filled.",
    "decisions": "Nothing was decided.",
    "findings": "Nothing odd was met.",
    "days": "No session has a P&L.",
}
PARTS = (
    ("delta_usd", "delta", "what the hedge left of the delta", 1),
    ("gamma_usd", "gamma", "curvature: what moves of the price earned", 1),
    ("theta_usd", "theta", "what time took", 1),
    ("vega_usd", "vega", "changes of the volatility used", 1),
    ("other_usd", "other", "what the greeks do not explain", 1),
    ("slippage_usd", "slippage", "fills against the decisions' mids", -1),
    ("commission_usd", "commission", "", -1),
)


def model_sentences(model: VenueModel) -> tuple[str, ...]:
    """How the simulated venue filled, in words."""
    spread = (
        "at the quoted bid and ask"
        if not model.extra_spread_usd
        else f"at a bid and ask {model.extra_spread_usd:g} USD further apart than quoted"
    )
    slip = "" if not model.slippage_bps else f", {model.slippage_bps:g} bps worse than that"
    wait = (
        "Orders meet the market in the moment that decided them."
        if not model.latency_ms
        else f"Orders meet the market {model.latency_ms:g} ms after their decision."
    )
    each = ", one each market step" if model.partial_fill_each_step else ""
    slices = (
        "Orders fill at once and whole."
        if model.partial_fill_shares is None
        else f"Orders fill in slices of at most {model.partial_fill_shares:g} shares{each}."
    )
    shown = " Limit orders get no more than the size shown." if model.fill_displayed_size else ""
    commission = (
        f"Commission {model.commission_usd_share:g} USD a share, at least {model.commission_minimum_usd:g} USD an "
        f"order; {model.commission_usd_contract:g} USD an option contract."
    )
    return (
        f"Market orders fill {spread}{slip}.",
        wait,
        slices + shown,
        commission,
    )


def tiles(found: Figures) -> tuple[tuple[str, str, str], ...]:
    """(name, value with unit, what it is of)."""
    days = f"{found.days} {'session' if found.days == 1 else 'sessions'}"
    bps = "no value traded" if found.slippage_bps is None else f"{found.slippage_bps:.2f} bps of the value traded"
    return (
        ("P&L", f"{money(found.pnl_usd)} USD", days),
        ("Return", f"{_percent(found)}", f"of {money(found.base_equity_usd, signed=False)} USD"),
        (
            "Deepest drawdown",
            f"{MINUS}{found.max_drawdown_pct:.3f} %",
            f"{money(found.max_drawdown_usd, signed=False)} USD",
        ),
        ("Sharpe", ratio(found.sharpe.value), f"annualised, n {_days(found.sharpe.n)}"),
        ("Sortino", ratio(found.sortino.value), f"annualised, n {_days(found.sortino.n)}"),
        ("Won", f"{found.won_days} of {found.days}", "sessions with a P&L above zero"),
        ("Hedges", f"{found.hedges:,}", f"{found.hedges_per_session:.1f} a session"),
        ("Traded", f"{found.shares_traded:,.0f} shares", f"{money(found.value_traded_usd, signed=False)} USD"),
        ("Slippage", f"{money(found.slippage_usd, signed=False)} USD", bps),
        ("Wear", f"{money(found.wear_per_10k_usd)} USD", "lost per 10,000 USD traded; negative: earned"),
        (
            "Mean |net delta|",
            shares(found.mean_abs_net_delta_shares),
            f"at most {shares(found.max_abs_net_delta_shares)}",
        ),
        ("Out of the band", percent(found.time_out_of_band_pct), "of the moments with a known delta"),
    )


def _days(n: int) -> str:
    return f"{n:,} day" if n == 1 else f"{n:,} days"


def _percent(found: Figures) -> str:
    if found.base_equity_usd <= 0:
        return DASH
    return f"{found.pnl_usd / found.base_equity_usd * 100:+.3f} %".replace("-", MINUS)


def money(value: float | None, *, signed: bool = True) -> str:
    """Dollars to the cent with a true minus; a dash where it is not known."""
    if value is None:
        return DASH
    text = f"{abs(value):,.2f}"
    sign = "" if float(text.replace(",", "")) == 0 else MINUS if value < 0 else "+" if signed else ""
    return sign + text


def shares(value: float | None) -> str:
    """Shares, with one decimal."""
    return DASH if value is None else f"{value:,.1f} shares"


def percent(value: float | None) -> str:
    """Percent, with one decimal."""
    return DASH if value is None else f"{value:.1f} %"


def ratio(value: float | None) -> str:
    """A ratio, or that it has too few days."""
    return "too few days" if value is None else f"{value:+.2f}".replace("-", MINUS)


def rule(name: str) -> str:
    """`min_price_move` -> `min price move`."""
    return name.replace("_", " ")
