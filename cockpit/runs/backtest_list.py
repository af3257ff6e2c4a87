"""The list of backtests: which of them are asked for, and a row for each. Pure."""

from collections.abc import Sequence

import msgspec

from cockpit import wording
from cockpit.reader import Reader
from cockpit.runs import wordings
from cockpit.runs.columns import RunColumns
from cockpit.tables import Row, Table
from state.runs.reading import RunLook
from state.runs.records import Summary

PAGE = 100
"""Rows of one page."""
MOST_COMPARED = 5


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """The filter of the address. An empty part asks for nothing."""

    text: str = ""
    profile: str = ""
    standing: str = ""

    def fits(self, run: RunLook) -> bool:
        """Whether a run is asked for; a text is looked for in title, name, profile, data and overrides."""
        if self.standing and run.standing != self.standing:
            return False
        if self.profile and profile_of(run) != self.profile:
            return False
        return not self.text or self.text.casefold() in _searched(run)


def profile_of(run: RunLook) -> str:
    """The profile's name; empty where the run does not tell it."""
    told = run.summary if run.summary is not None else run.plan
    return "" if told is None else told.profile.name


def _searched(run: RunLook) -> str:
    told = run.summary if run.summary is not None else run.plan
    parts = [run.run_id, run.title]
    if told is not None:
        parts += [told.profile.name, told.data.spec, told.data.description]
        parts += [f"{key}={value}" for key, value in told.profile.overrides.items()]
    return "\n".join(parts).casefold()


def list_table(
    found: Sequence[RunLook], total: int, reader: Reader, *, compared: Sequence[str], start: str, page: int = 0
) -> Table:
    """One page of the runs, newest first. `total`: before the filter; `start` is the command that makes one."""
    to = RunColumns(lambda name: reader.say(f"backtests.columns.{name}"))
    shown = found[page * PAGE : (page + 1) * PAGE]
    aside = reader.say("backtests.list.aside", n=len(found), total=total)
    empty = reader.say("backtests.list.none_fit") if total else reader.say("backtests.list.empty", command=start)
    return Table(
        title=reader.say("backtests.list.title"),
        aside=aside if total else "",
        columns=(
            to.left("run", link=True),
            msgspec.structs.replace(to.left("standing"), two_lines=True),
            to.right("pnl", "USD", sort=True),
            to.right("drawdown", "%", sort=True),
            to.right("sharpe", sort=True, two_lines=True),
            to.right("hedges", "n", sort=True),
            to.right("refused", "n", sort=True),
            msgspec.structs.replace(to.left("profile", wrap=True), two_lines=True),
            msgspec.structs.replace(to.left("data", wrap=True), two_lines=True),
            to.left("when", unit=reader.zone_name, sort=True),
            to.left("compare", link=True),
        ),
        rows=tuple(_row(run, reader, compared) for run in shown),
        empty=empty,
    )


def _row(run: RunLook, reader: Reader, compared: Sequence[str]) -> Row:
    told = run.summary
    figures = None if told is None else told.figures
    picked = reader.say("backtests.list.taken") if run.run_id in compared else reader.say("backtests.list.take")
    return Row(
        key=run.run_id,
        tone=wordings.tone(run),
        cells=(
            run.title,
            wordings.standing(run, reader),
            wording.DASH if figures is None else wording.usd(figures.pnl_usd, signed=True),
            wording.DASH if figures is None else wording.number(-abs(figures.max_drawdown_pct), decimals=2),
            wording.DASH if figures is None else wordings.ratio(figures.sharpe, reader),
            wording.DASH if figures is None else wording.shares(float(figures.hedges)),
            wording.DASH if told is None else wording.shares(float(sum(told.refused.values()))),
            wording.DASH if told is None else wordings.profile(told.profile),
            wordings.trouble(run, reader) if told is None else _data(told, reader),
            reader.day_and_time(run.created_ts or None),
            picked if figures is not None else "",
        ),
    )


def _data(told: Summary, reader: Reader) -> str:
    """What was asked for and, below, from when to when that was."""
    return f"{told.data.spec}\n{span(told, reader)}" if told.data.first_ts else told.data.spec


def span(told: Summary, reader: Reader) -> str:
    """`2026-01-05 … 2026-01-06 · sessions 2`: what a run has played."""
    first, last = ((ts or wording.DASH)[:10] for ts in (told.data.first_ts, told.data.last_ts))
    sessions = reader.say("backtests.sessions", n=wording.shares(float(told.data.sessions)))
    return f"{first if first == last else f'{first} … {last}'} · {sessions}"


def toggled(compared: Sequence[str], run_id: str) -> tuple[str, ...]:
    """The compared runs with one more or one less; of more than five the oldest choice gives way."""
    if run_id in compared:
        return tuple(each for each in compared if each != run_id)
    return (*compared, run_id)[-MOST_COMPARED:]
