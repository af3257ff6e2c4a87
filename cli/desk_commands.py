"""`bifrost status`: the light of one desk in a line, for people and for scripts."""

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import CommandError
from cli.journal_table import is_market_time
from cli.options import DeskOption, JsonOption, RootOption, Settings, settings
from cli.output import coloured, say, say_json, to_the_second

if TYPE_CHECKING:
    from state.layout import DeskPaths
    from state.light import Light
    from state.look import Look
    from state.records import Snapshot

EXIT_OF_LIGHT = {"green": 0, "yellow": 1, "red": 2, "not_live": 3}
NOT_LIVE = 3
FRESH_WITHIN_S = 5.0
"""How long `--fresh` waits; a desk with a slow heartbeat gets three periods."""
_POLL_S = 0.05


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        "status", short_help="The light and why, in one line", epilog="Example: ./bifrost status --desk demo --fresh"
    )(status)


def status(
    context: typer.Context,
    *,
    fresh: Annotated[bool, typer.Option("--fresh", help="Wait for a self check made after this call.")] = False,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say the light and why: exit 0 green, 1 yellow, 2 red, 3 not live."""
    chosen = settings(context, desk, root, as_json=as_json)
    paths = chosen.existing_paths()
    try:
        seen = look(paths, fresh=fresh)
    except OSError as error:
        raise CommandError(f"cannot tell the state of {chosen.desk}: {error}", NOT_LIVE) from error
    if chosen.as_json:
        say_json(_as_object(chosen.desk, seen))
    else:
        _print(chosen, seen.snapshot, seen.light)
    return EXIT_OF_LIGHT[seen.light.state]


def look(paths: "DeskPaths", *, fresh: bool = False) -> "Look":
    """The desk as it is now. Raises CommandError (3) when `fresh` was asked for and no new self check came."""
    from daemon.runtime.clocks import wall_us
    from state.look import look_at
    from state.times import us_from_iso

    asked_us, started = wall_us(), time.monotonic()
    while True:
        seen = look_at(paths, wall_us())
        snapshot = seen.snapshot
        if not fresh:
            return seen
        # A stopped desk writes no more, so its last word is the answer.
        if snapshot is not None and (snapshot.daemon_state == "stopped" or us_from_iso(snapshot.wall_ts) > asked_us):
            return seen
        limit_s = FRESH_WITHIN_S if snapshot is None else max(FRESH_WITHIN_S, 3 * snapshot.period_ms / 1000)
        if time.monotonic() - started > limit_s:
            why = seen.problem if seen.problem is not None else "the daemon does not write; is it running?"
            raise CommandError(f"NOT LIVE: no self check within {limit_s:g} s of the call: {why}", NOT_LIVE)
        time.sleep(_POLL_S)


def _as_object(desk: str, seen: "Look") -> dict[str, Any]:
    verdict = seen.light
    return {
        "desk": desk,
        "light": verdict.state,
        "word": verdict.word,
        "exit_code": EXIT_OF_LIGHT[verdict.state],
        "age_ms": verdict.age_ms,
        "reasons": verdict.reasons,
        "snapshot": seen.snapshot,
    }


def _print(chosen: Settings, snapshot: "Snapshot | None", verdict: "Light") -> None:
    colour = {"green": "GREEN", "yellow": "YELLOW", "red": "RED", "not_live": "NOT LIVE"}[verdict.state]
    # The colour is a word first: a log, a colour-blind eye and a pipe read the same.
    lead = colour if verdict.word == colour else f"{colour} {verdict.word}"
    say(f"{coloured(lead, verdict.state)}  {chosen.desk}{_facts(snapshot)}{_age(verdict.age_ms)}")
    numbers = _numbers(snapshot)
    for reason in verdict.reasons:
        told = numbers.get(reason.code, reason.detail)
        detail = f" [{to_the_second(told)}]" if told else ""
        # A command that is copied from here must reach this desk and not the default one.
        sentence = reason.sentence.replace("./bifrost ", f"{chosen.shell()} ")
        say(f"  {coloured(reason.severity, reason.severity)}  {reason.code}{detail}: {sentence}")


def _numbers(snapshot: "Snapshot | None") -> dict[str, str]:
    """By reason, what a failed check measured and its limit, with the unit: `quote_age 14 s, limit 10 s`."""
    failed = [] if snapshot is None else [each for each in snapshot.self_check.checks if not each.ok and each.reason]
    found: dict[str, str] = {}
    for check in failed:
        if not isinstance(check.measured, int | float) and not isinstance(check.limit, int | float):
            continue  # the light's own detail says it as well
        from cockpit.reader import Reader
        from cockpit.wording import with_unit

        text = f"{check.name} {with_unit(check.name, check.measured, Reader())}"
        limit = "" if check.limit is None else f", limit {with_unit(check.name, check.limit, Reader())}"
        found.setdefault(check.reason or "", text + limit)
    return found


def _facts(snapshot: "Snapshot | None") -> str:
    """`  simulated DU0000001  hedges 4  net delta +3.0 shares  own -181 shares  P&L -12.50 USD`, as far as it says."""
    if snapshot is None:
        return ""
    known = [word for word in (snapshot.account_kind, snapshot.account) if word]
    parts = [" ".join(known) if known else "account unknown"]
    hedges = (snapshot.counters or {}).get("hedges_today")
    if hedges is not None:
        parts.append(f"hedges {hedges}")
    greeks = (snapshot.strategy or {}).get("greeks")
    delta = greeks.get("net_delta_shares") if isinstance(greeks, dict) else None
    if isinstance(delta, int | float):
        parts.append(f"net delta {delta:+.1f} shares")
    if snapshot.own_shares is not None:
        parts.append(f"own {snapshot.own_shares:+g} shares")
    if snapshot.daily_pnl_usd is not None:
        parts.append(f"P&L {snapshot.daily_pnl_usd:+,.2f} USD")
    if is_market_time(snapshot.ts, snapshot.wall_ts):
        parts.append(f"market time {snapshot.ts[:19].replace('T', ' ')}Z")
    return "  " + "  ".join(parts)


def _age(age_ms: float | None) -> str:
    return "" if age_ms is None else f"  ({age_ms / 1000:.1f} s old)"
