"""`whatif` as text: what changed, in the order in which it is asked at 3 a.m.: money, hedges, refusals, why."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import msgspec

from cli.output import coloured, say
from cli.plain_tables import add, plural, section, show, table, usd
from cli.whatif_grounds import print_grounds
from state.runs.records import Summary
from state.statistics.days import signed

if TYPE_CHECKING:
    from daemon.backtest.hedge_changes import HedgeRow
    from daemon.backtest.outcomes import Stretch
    from daemon.backtest.whatif import Divergence, WhatIf

MOST = 20


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """The question: key -> (what it is, what it would be); and the two runs, as it is and as changed."""

    base: Summary
    changed: Summary
    keys: dict[str, tuple[str, Any]]


def print_whatif(found: "WhatIf", asked: Asked, *, zone: str) -> None:
    """The whole answer; times are of `zone`."""
    where = ZoneInfo(zone)
    changes = " and ".join(f"{key} were {_value(new)} instead of {was}" for key, (was, new) in asked.keys.items())
    say(coloured(f"What if {changes}?", "bold"))
    profile, data = asked.base.profile, asked.base.data
    say(f"profile {profile.name}, {data.description}; {found.moments:,} decision moments; times {zone}")
    print_grounds((("as it is", asked.base), ("as changed", asked.changed)))
    if not found.same_data:
        say(coloured("The changed key makes other data: this compares two markets, not two decisions.", "yellow"))
    if found.first is None:
        say()
        say("Nothing changes: every moment was decided alike, with the same hedges and the same P&L.")
        return
    _money(found)
    _first(found.first, where)
    _hedges(found, where)
    _rules(found)
    _stretches("Refusals that vanish", found.refusals_vanished, where, is_gone=True)
    _stretches("Refusals that appear", found.refusals_appeared, where, is_gone=False)
    _days(found)


def _value(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _money(found: "WhatIf") -> None:
    base, changed = found.base, found.changed
    if base is None or changed is None:
        return
    section("What it comes to")
    rows = table(("", "l"), ("as it is", "r"), ("as changed", "r"), ("difference", "r"), ("unit", "l"), ("n", "r"))
    add(rows, "P&L", usd(base.pnl_usd), usd(changed.pnl_usd), usd(found.pnl_difference_usd), "USD", base.days)
    for name, difference in (found.attribution_difference_usd or {}).items():
        old, new = (signed(name, getattr(each.attribution, name)) for each in (base, changed))
        add(rows, f"  {name.removesuffix('_usd')}", usd(old), usd(new), usd(signed(name, difference)), "USD", base.days)
    fields = (
        ("deepest drawdown", "max_drawdown_usd", "USD"),
        ("hedges", "hedges", ""),
        ("shares traded", "shares_traded", "shares"),
        ("mean |net delta|", "mean_abs_net_delta_shares", "shares"),
        ("wear per 10,000 USD", "wear_per_10k_usd", "USD"),
    )
    for words, name, unit in fields:
        old, new = getattr(base, name), getattr(changed, name)
        add(rows, words, _number(old), _number(new), _difference(old, new), unit, base.days)
    show(rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f}" if float(value).is_integer() else f"{value:,.2f}"


def _difference(old: float | None, new: float | None) -> str:
    if old is None or new is None:
        return "-"
    return "0" if new == old else f"{new - old:+,.0f}" if float(new - old).is_integer() else f"{new - old:+,.2f}"


def _first(first: "Divergence", zone: ZoneInfo) -> None:
    section(f"First decided differently at {_moment(first.ts_us, zone)}, after {first.alike_before:,} moments alike")
    rows = table(("", "l"), ("as it is", "w"), ("as changed", "w"))
    sides = (first.base, first.changed)
    add(rows, "came of it", *(outcome(row) for row in sides))
    for words, name in (
        ("measured", "measured"),
        ("limit", "limit"),
        ("net delta, shares", "net_delta_shares"),
        ("own shares", "own_shares"),
        ("spot, USD", "spot"),
        ("state code", "state_code"),
    ):
        values = [_field(row, name) for row in sides]
        if any(value != "-" for value in values):
            add(rows, words, *values)
    show(rows)


def outcome(row: dict[str, Any] | None) -> str:
    """`SELL 49 at 70.525`, `refused by cooldown`, `nothing to hedge`."""
    if row is None:
        return "no decision then"
    if row.get("hedged"):
        price = row.get("price")
        return f"{row['side']} {row['quantity_shares']:g}" + ("" if price is None else f" at {price:.10g}")
    if row.get("refused") is not None and row.get("needed"):
        return f"refused by {row['refused']}"
    return "wanted, not sent" if row.get("needed") else "nothing to hedge"


def _field(row: dict[str, Any] | None, name: str) -> str:
    if row is None:
        return "-"
    value = row.get(name)
    value = row.get(f"{name}_text") if value is None else value
    return "-" if value is None else f"{value:.6g}" if isinstance(value, float) else str(value)


def _hedges(found: "WhatIf", zone: ZoneInfo) -> None:
    gone, come, altered = found.hedges_vanished, found.hedges_appeared, found.hedges_changed
    counts = f"{found.hedges_same} the same, {len(altered)} changed, {len(gone)} vanish, {len(come)} appear"
    section(f"Hedges: {counts}")
    told = [(row.ts_us, "vanishes", _hedge(row), "") for row in gone]
    told += [(row.ts_us, "appears", "", _hedge(row)) for row in come]
    told += [(each.base.ts_us, "changes", _hedge(each.base), _hedge(each.changed)) for each in altered]
    if told:
        rows = table(("time", "l"), ("", "l"), ("as it is", "w"), ("as changed", "w"))
        for ts_us, what, old, new in sorted(told)[:MOST]:
            add(rows, _moment(ts_us, zone), what, old, new)
        show(rows)
        _more(len(told))


def _hedge(row: "HedgeRow") -> str:
    quantity = "?" if row.quantity_shares is None else f"{row.quantity_shares:g}"
    return f"{row.side} {quantity}" + (" not filled" if row.price is None else f" at {row.price:.10g}")


def _rules(found: "WhatIf") -> None:
    if not found.rules:
        section("Refusals: none in either run")
        return
    section("Refusals by rule: stretches as a journal would count them, and decision moments")
    rows = table(
        ("rule", "w"), ("as it is", "r"), ("changed", "r"), ("moments", "r"), ("changed", "r"), ("vanish", "r"),
        ("appear", "r"),
    )  # fmt: skip
    for each in found.rules:
        stretches = (f"{each.base_stretches:,}", f"{each.changed_stretches:,}")
        moments = (each.base_moments, each.changed_moments, each.vanished_moments, each.appeared_moments)
        add(rows, each.rule, *stretches, *(f"{count:,}" for count in moments))
    show(rows)


def _stretches(words: str, found: "Sequence[Stretch]", zone: ZoneInfo, *, is_gone: bool) -> None:
    if not found:
        return
    runs = _without_gaps(found, is_gone=is_gone)
    moments = sum(each.moments for each in found)
    section(f"{words}: {len(runs):,} {plural(len(runs), 'stretch', 'stretches')}, {moments:,} moments")
    rows = table(("from", "l"), ("to", "l"), ("moments", "r"), ("rule", "w"), ("instead" if is_gone else "before", "w"))
    for run in runs[:MOST]:
        rule = run[0].base if is_gone else run[0].changed
        others: dict[str, int] = {}
        for each in run:
            other = each.changed if is_gone else each.base
            others[other] = others.get(other, 0) + each.moments
        told = ", ".join(name if len(others) == 1 else f"{name} ({n:,})" for name, n in others.items())
        count = f"{sum(others.values()):,}"
        add(rows, _moment(run[0].first_us, zone), _clock(run[-1].last_us, zone), count, rule, told)
    show(rows)
    _more(len(runs))


def _without_gaps(found: "Sequence[Stretch]", *, is_gone: bool) -> "list[list[Stretch]]":
    """Stretches of one rule that follow each other without a gap, taken together: what else changed is told beside."""
    runs: list[list[Stretch]] = []
    for each in found:
        last = runs[-1][-1] if runs else None
        rule = each.base if is_gone else each.changed
        follows = (
            last is not None
            and last.first + last.moments == each.first
            and last.session == each.session
            and (last.base if is_gone else last.changed) == rule
        )
        if follows:
            runs[-1].append(each)
        else:
            runs.append([each])
    return runs


def _days(found: "WhatIf") -> None:
    if len(found.days) < 2:
        return
    worse = sum((day.difference_usd or 0.0) < 0 for day in found.days)
    better = sum((day.difference_usd or 0.0) > 0 for day in found.days)
    section(f"By day: {better} better, {worse} worse, {len(found.days) - better - worse} the same")
    rows = table(("day", "l"), ("as it is USD", "r"), ("changed USD", "r"), ("difference USD", "r"), ("hedges", "r"))
    for day in found.days[-MOST:]:
        hedges = f"{day.base_hedges} -> {day.changed_hedges}"
        add(rows, day.day, usd(day.base_pnl_usd), usd(day.changed_pnl_usd), usd(day.difference_usd), hedges)
    show(rows)
    _more(len(found.days), "earlier ")


def _more(of: int, which: str = "") -> None:
    if of > MOST:
        say(coloured(f"{of - MOST:,} {which}more: --json or --out FILE has them all", "dim"))


def _moment(time_us: int, zone: ZoneInfo) -> str:
    return dt.datetime.fromtimestamp(time_us / 1e6, zone).strftime("%Y-%m-%d %H:%M:%S")


def _clock(time_us: int, zone: ZoneInfo) -> str:
    return dt.datetime.fromtimestamp(time_us / 1e6, zone).strftime("%H:%M:%S")
