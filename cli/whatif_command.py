"""`whatif`: what a changed threshold would have done on recorded days. Two backtests in memory, laid side by side."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.errors import CommandError, ExitCode
from cli.history_options import DataOption, PositionOption, SetOption
from cli.history_profile import load_for_history
from cli.history_run import INTERRUPTED, opened_feed, terminate_as_interrupt
from cli.option_groups import with_groups
from cli.options import JsonOption, ProfileOption, RootOption, settings
from cli.output import say_json
from cli.progress import share_shown
from cli.venue_options import VenueOptions
from cli.why_time import zone_of

if TYPE_CHECKING:
    from daemon.backtest.run import Result

MOST_VALUES = 24


def register(app: typer.Typer) -> None:
    """Add the command of this module."""
    app.command(
        "whatif",
        short_help="What a changed threshold would have done on recorded days",
        epilog="Example: ./bifrost whatif --profile demo --data synthetic:7 "
        "--set gates.intent.hedge.cooldown_seconds=300   or   ./bifrost whatif --profile demo --data tape:var/demo "
        "--vary gates.intent.hedge.min_price_move_pct=0.05,0.1,0.2",
    )(whatif)


@with_groups
def whatif(
    context: typer.Context,
    *,
    profile: ProfileOption,
    data: DataOption,
    set_: SetOption = None,
    vary: Annotated[
        str | None,
        typer.Option(
            "--vary", metavar="KEY=V1,V2,..", help="One run for each value: a table instead.", show_default=False
        ),
    ] = None,
    position: PositionOption = None,
    venue: VenueOptions,
    zone: Annotated[str, typer.Option("--zone", metavar="NAME", help="Of the times shown.")] = "America/New_York",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="FILE", help="Also write the whole comparison as JSON.", show_default=False),
    ] = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Run the profile as it is and as changed over the same days, and tell what changed.

    Which refusals vanish and appear, and what happened instead; which hedges; the P&L, by day and by where it came
    from; and the first moment at which the two decide differently, with its numbers. The model of the venue is the
    same for both. Nothing is written but --out, and no desk notices.
    """
    chosen = settings(context, None, root, as_json=as_json)
    where = zone_of(zone)
    if not set_ and vary is None:
        raise CommandError("nothing is changed: add --set KEY=VALUE or --vary KEY=V1,V2", ExitCode.USAGE)
    varied_key, values = (None, ()) if vary is None else _values(vary)
    _check_out(out)
    runs = _Runs(profile, data, position or (), venue, root=chosen.root, is_quiet=chosen.as_json)
    try:
        with terminate_as_interrupt():
            if varied_key is not None:
                told, shown = _vary(runs, set_ or (), varied_key, values)
            else:
                told, shown = _compare(runs, set_ or (), where.key)
    except KeyboardInterrupt:
        raise CommandError("interrupted; nothing was written", INTERRUPTED) from None
    if out is not None:
        _write(out, told)
    if chosen.as_json:
        say_json(told)
    else:
        shown()
    return ExitCode.DONE


class _Runs:
    """Backtests of one profile over one set of data, in memory, each with its own keys changed."""

    def __init__(
        self,
        profile: str,
        data: str,
        positions: Sequence[str],
        venue: VenueOptions,
        *,
        root: Path,
        is_quiet: bool,
    ) -> None:
        self._profile, self._data, self._positions, self._venue = profile, data, positions, venue
        self._root, self._is_quiet = root, is_quiet
        self.was: dict[str, str] = {}
        """Key -> value of the unchanged profile, once it has run."""

    def run(self, sets: Sequence[str], what: str) -> "Result":
        """One backtest. Raises CommandError (2) for a bad profile or bad data, KeyboardInterrupt."""
        from config.keys import settings_of
        from daemon.backtest.run import run_backtest
        from daemon.strategies.gamma_scalper.strategy import GammaScalper

        loaded, overrides = load_for_history(self._profile, sets, self._positions)
        if not sets:
            self.was = settings_of(loaded.profile)
        with share_shown(what, quiet=self._is_quiet) as progress:
            result = run_backtest(
                loaded,
                GammaScalper,
                opened_feed(self._data, loaded.profile, self._root),
                model=self._venue.model(loaded.profile),
                out=None,
                overrides=overrides,
                title=what,
                progress=progress,
            )
        if result.summary.status == "interrupted":
            raise KeyboardInterrupt
        return result


def _finished(result: "Result", what: str) -> "Result":
    if result.summary.figures is None:
        raise CommandError(f"the {what} run came to nothing: {result.summary.problem or result.summary.status}")
    return result


Told = tuple[dict[str, Any], Callable[[], None]]
"""The answer as plain values, and what prints it."""


def _compare(runs: _Runs, sets: Sequence[str], zone: str) -> Told:
    from cli.whatif_text import Asked, print_whatif
    from daemon.backtest.whatif import compare

    base = _finished(runs.run((), "as it is"), "unchanged")
    changed = _finished(runs.run(sets, "as changed"), "changed")
    found = compare(base, changed)
    over = {key: value for key, value in changed.summary.profile.overrides.items() if key != "simulator.positions"}
    keys = {key: (runs.was.get(key, "nothing"), value) for key, value in over.items()}
    told = {
        "profile": base.summary.profile.name,
        "profile_hash": base.summary.profile.hash,
        "changed_profile_hash": changed.summary.profile.hash,
        "data": base.summary.data,
        "venue": base.summary.venue,
        "set": over,
        "was": {key: was for key, (was, _) in keys.items()},
        "findings": {"base": base.summary.findings, "changed": changed.summary.findings},
        "whatif": found,
    }
    asked = Asked(base=base.summary, changed=changed.summary, keys=keys)
    return told, lambda: print_whatif(found, asked, zone=zone)


def _vary(runs: _Runs, sets: Sequence[str], key: str, values: Sequence[str]) -> Told:
    from cli.whatif_table import print_varied
    from daemon.backtest.whatif import varied

    base = _finished(runs.run((), "as it is"), "unchanged")
    summary = base.summary
    rows, summaries = [varied(runs.was.get(key, "nothing"), base, is_base=True)], [summary]
    for number, value in enumerate(values, start=1):
        result = runs.run([*sets, f"{key}={value}"], f"{key.rpartition('.')[2]}={value} ({number} of {len(values)})")
        rows.append(varied(result.summary.profile.overrides[key], result))
        summaries.append(result.summary)
    told = {
        "profile": summary.profile.name,
        "profile_hash": summary.profile.hash,
        "data": summary.data,
        "venue": summary.venue,
        "set": list(sets),
        "key": key,
        "rows": rows,
    }
    return told, lambda: print_varied(key, rows, summaries, sets)


def _values(text: str) -> tuple[str, Sequence[str]]:
    """`KEY=1,2,3` -> the key and its values. Raises CommandError (2)."""
    key, _, listed = text.partition("=")
    parts = [part.strip() for part in listed.split(",")]
    if not 1 <= len(parts) <= MOST_VALUES or not all(parts):
        line = f"--vary {text!r}: write KEY=V1,V2,V3, at most {MOST_VALUES} values; for more: ./bifrost sweep"
        raise CommandError(line, ExitCode.USAGE)
    if len(set(parts)) < len(parts):
        raise CommandError(f"--vary {text!r}: a value stands there twice", ExitCode.USAGE)
    return key.strip(), parts


def _check_out(out: Path | None) -> None:
    """Two backtests are not run for a file that then cannot be written."""
    if out is not None and not out.absolute().parent.is_dir():
        raise CommandError(f"--out {out}: its folder does not exist; make it first", ExitCode.USAGE)


def _write(out: Path, told: dict[str, Any]) -> None:
    import msgspec

    from state.atomic import replace_file

    try:
        replace_file(out, msgspec.json.format(msgspec.json.encode(told)) + b"\n", sync=False)
    except OSError as error:
        raise CommandError(f"--out {out}: {error.strerror or error}; name a file that can be written") from error
