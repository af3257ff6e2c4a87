"""`whatif --vary` as text: a row of figures for each value, and each rule's refusals for each value."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cli.output import coloured, say
from cli.plain_tables import DASH, add, show, table, usd
from cli.whatif_grounds import print_grounds

if TYPE_CHECKING:
    from daemon.backtest.whatif import Varied
    from state.runs.records import Summary


def print_varied(key: str, rows: "Sequence[Varied]", runs: "Sequence[Summary]", sets: Sequence[str]) -> None:
    """Two tables: what each value came to, and which rule refused how often. `runs` are those of the rows."""
    say(coloured(f"{key}: one run for each value", "bold"))
    say(f"profile {runs[0].profile.name}, {runs[0].data.description}")
    if sets:
        say(f"in every run but the first also {', '.join(sets)}")
    print_grounds([(_name(row), run) for row, run in zip(rows, runs, strict=True)])
    say()
    _figures(rows)
    _refusals(rows)
    for row in rows:
        if row.problem is not None:
            say(coloured(f"{_name(row)}: {row.problem}", "yellow"))


def _name(row: "Varied") -> str:
    text = (
        f"{row.value:g}" if isinstance(row.value, int | float) and not isinstance(row.value, bool) else str(row.value)
    )
    return f"{text} (as it is)" if row.is_base else text


def _figures(rows: "Sequence[Varied]") -> None:
    shown = table(
        ("value", "l"), ("P&L USD", "r"), ("difference", "r"), ("hedges", "r"), ("costs USD", "r"),
        ("drawdown USD", "r"), ("mean |delta|", "r"), ("days", "r"),
    )  # fmt: skip
    base = rows[0].figures
    for row in rows:
        found = row.figures
        if found is None:
            add(shown, _name(row), *[DASH] * 7)
            continue
        costs = found.attribution.slippage_usd + found.attribution.commission_usd
        delta = found.mean_abs_net_delta_shares
        cells = (
            _name(row),
            usd(found.pnl_usd),
            "" if row.is_base or base is None else usd(found.pnl_usd - base.pnl_usd),
            f"{found.hedges:,}",
            usd(costs, signed=False),
            usd(found.max_drawdown_usd, signed=False),
            DASH if delta is None else f"{delta:.1f}",
            found.days,
        )
        add(shown, *cells)
    show(shown)


def _refusals(rows: "Sequence[Varied]") -> None:
    rules = sorted({rule for row in rows for rule in row.refused})
    say()
    if not rules:
        say("no rule refused anything with any value")
        return
    say(coloured("Refusals by rule: stretches as a journal would count them (decision moments in brackets)", "bold"))
    shown = table(("rule", "w"), *((_name(row), "r") for row in rows))
    for rule in rules:
        counts = (f"{row.refused.get(rule, 0):,} ({row.refused_moments.get(rule, 0):,})" for row in rows)
        add(shown, rule, *counts)
    show(shown)
