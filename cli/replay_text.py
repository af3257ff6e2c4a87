"""The words of `replay`: what was compared, what differs side by side, and what could not be compared."""

from typing import TYPE_CHECKING, Any

from cli.output import coloured, say, to_the_second

if TYPE_CHECKING:
    from daemon.backtest.parity_day import DayParity
    from daemon.backtest.parity_found import Difference, RunParity, Uncovered

_SHOWN = 20
_NAMES = ("type", "order_ref", "side", "quantity", "price", "status", "reason", "state_code")
"""The fields that tell a reader which line it is."""
_WIDEST = 44
_DOCS = "docs/backtest.md, Replay"


def print_found(found: "DayParity", *, title: str, seconds: float) -> None:
    """The verdict first, then the first difference, then the runs and what is to be known of them."""
    verdict, colour = _verdict(found)
    say(f"{title}: {coloured(verdict, colour)}")
    numbers = (
        (found.events, "event"),
        (found.lines, "journal line"),
        (len(found.runs), "run"),
        (found.different, "difference"),
    )
    counted = ", ".join(f"{number:,} {name}{'' if number == 1 else 's'}" for number, name in numbers)
    say(f"{counted} ({seconds:.1f} s, {_pace(found, seconds):,} events/s)")
    first = found.first_difference
    if first is not None:
        _print_difference(first)
    for run in found.runs:
        _print_run(run)
    for run_id in found.unwritten:
        say(f"NOT COMPARED: run {run_id} has a tape, but the journal holds no line of it (a salvage put it aside?)")
    for each in found.all_uncovered:
        say(f"NOT COMPARED: {_uncovered_text(each)}")
    for note in found.notes:
        say(f"note: {note}")


def as_object(found: "DayParity", seconds: float) -> dict[str, Any]:
    """The same as data."""
    return {
        "identical": found.is_identical,
        "events": found.events,
        "journal_lines": found.lines,
        "differences": found.different,
        "first_difference": found.first_difference,
        "runs": found.runs,
        "not_compared": found.all_uncovered,
        "runs_without_journal": found.unwritten,
        "notes": found.notes,
        "events_per_s": _pace(found, seconds),
    }


def _verdict(found: "DayParity") -> tuple[str, str]:
    if found.different:
        return "DIFFERENT", "red"
    if found.is_identical:
        return "IDENTICAL, every recorded decision is reproduced", "green"
    if found.events == 0:
        return "NOTHING COMPARED", "yellow"
    return "NOT ALL COMPARED, and nothing differs in what was", "yellow"


def _pace(found: "DayParity", seconds: float) -> int:
    return round(found.events / seconds) if seconds > 0 else 0


def _print_difference(first: "Difference") -> None:
    from state.times import iso_from_us

    at = "before its first event" if not first.tape_seq else f"tape_seq {first.tape_seq}"
    event = "" if first.event is None else f", on {first.event}"
    say(f"first difference: run {first.run_id}, {at}, {iso_from_us(first.ts_us)}{event}")
    say(f"  {first.what}; see {_DOCS}")
    rows = _rows(first)
    _print_columns(rows[:_SHOWN])
    if len(rows) > _SHOWN:
        say(f"  and {len(rows) - _SHOWN} more fields; --json has them all")


def _rows(first: "Difference") -> list[tuple[str, str, str, str]]:
    """What names the line, then what differs, marked; of a line that only one side has, all is marked."""
    one, other = first.recorded or {}, first.replayed or {}
    differ = {each.path for each in first.fields}
    mark = " " if first.fields else "*"
    named = [name for name in _NAMES if name not in differ and (name in one or name in other)]
    rows = [(name, _short(one.get(name)), _short(other.get(name)), mark) for name in named]
    return rows + [(each.path, _short(each.recorded), _short(each.replayed), "*") for each in first.fields]


def _print_columns(rows: list[tuple[str, str, str, str]]) -> None:
    if not rows:
        return
    headed = [("field", "journal or tape", "replayed", " "), *rows]
    wide = [max(len(row[index]) for row in headed) for index in range(3)]
    for name, one, other, mark in headed:
        say(f"  {mark} {name:<{wide[0]}}  {one:<{wide[1]}}  {other}".rstrip())


def _short(value: object) -> str:
    if value is None:
        return "\N{EN DASH}"
    if isinstance(value, str):
        text = value
    else:
        import msgspec

        text = msgspec.json.encode(value).decode()
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def _print_run(run: "RunParity") -> None:
    from state.times import iso_from_us

    span = "no events"
    if run.first_us is not None and run.last_us is not None:
        span = " to ".join(to_the_second(iso_from_us(moment)) for moment in (run.first_us, run.last_us))
    lines = f"{run.lines:,} lines and {run.runtime_lines:,} of the runtime"
    say(f"run {run.run_id} ({run.profile}): {run.events:,} events, {lines}, {run.checkpoints:,} checkpoints, {span}")
    for note in run.notes:
        say(f"  note: {note}")


def _uncovered_text(each: "Uncovered") -> str:
    where = f"from seq {each.first_seq} on, {to_the_second(each.first_ts)}"
    return f"{each.lines:,} journal lines of run {each.run_id} ({where}): {each.why}"
