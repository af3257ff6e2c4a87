"""What of a desk's folder is replayed: which runs have a tape of the day, from which of its files on, by which profile.

Nothing is written, and a running daemon does not notice: of its tape, what was there at the first look is read.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.run_profile import RunProfile
    from daemon.backtest.parity_day import RunTape
    from daemon.backtest.parity_input import Day, TapeStretch
    from daemon.core.events import AnyEvent
    from daemon.core.step import Core
    from state.layout import DeskPaths
    from state.records import JournalLine
    from state.tape_at import TapePart


@dataclass
class Recorded:
    """The runs of a day, and what was wrong with their files."""

    tapes: "dict[str, RunTape]" = field(default_factory=dict)
    """Oldest run first."""
    problems: list[str] = field(default_factory=list)
    span: str = ""
    """The days that the tape tells of, in words."""


def recorded_on(paths: "DeskPaths", day: "Day", *, run_id: str | None, profile: str | None) -> Recorded:
    """Find every run whose tape reaches into the day. Raises CommandError (2), OSError."""
    from state.tape_at import tape_parts

    found = tape_parts(paths.tape)
    recorded = Recorded(problems=[f"tape damaged: {problem}" for problem in found.problems])
    by_run: dict[str, list[TapePart]] = {}
    for part in found.parts:
        by_run.setdefault(part.checkpoint.run_id, []).append(part)
    recorded.span = _span(found.parts)
    running = _running_run(paths, found.parts)
    loads = _Loads(paths, profile)
    for name, of_run in by_run.items():
        parts = sorted(of_run, key=lambda part: part.checkpoint.tape_seq)
        if run_id in (None, name) and (kept := _reaching_into(parts, day, recorded)):
            core, notes = loads.core_of(name)
            tape = run_tape(kept, core, recorded.problems, is_running=name == running, notes=notes)
            loads.require_symbol(name, tape.first.book.underlying)
            recorded.tapes[name] = tape
    return recorded


def journal_from(paths: "DeskPaths", tapes: "dict[str, RunTape]") -> "Iterator[JournalLine]":
    """The journal's lines, from a ledger before the first of these runs on. Raises JournalDamaged, OSError."""
    from state.journal_reader import read_since
    from state.times import us_from_iso

    first = next(iter(tapes.values())).first
    begins_us, tape_seq = first.book.ts_us, first.tape_seq

    def is_early_enough(line: "JournalLine") -> bool:
        if line.run_id == first.book.run_id:
            return line.tape_seq is not None and line.tape_seq <= tape_seq
        return line.run_id not in tapes and us_from_iso(line.ts) <= begins_us

    return read_since(paths.journal, is_early_enough)


def _running_run(paths: "DeskPaths", parts: "tuple[TapePart, ...]") -> str | None:
    """The run that goes on right now: the newest one, while a daemon holds the desk."""
    from cli.desk_runners import runners

    if not parts or runners(paths).daemon_pid is None:
        return None
    return max(parts, key=lambda part: part.checkpoint.wall_ts).checkpoint.run_id


def _span(parts: "tuple[TapePart, ...]") -> str:
    """`2026-01-05 to 2026-01-07`; a market's clock that has not been stamped yet stands at 1970."""
    from daemon.venues.feeds.tape import newest_event
    from state.tape import TapeError
    from state.times import iso_from_us

    moments = [part.begins_us for part in parts]
    for part in parts[-1:]:
        with suppress(TapeError):
            newest = newest_event(part.path)
            moments += [] if newest is None else [newest[1].ts_us]
    told = [iso_from_us(moment)[:10] for moment in moments if moment > 0]
    if not told:
        return ""
    return min(told) if min(told) == max(told) else f"{min(told)} to {max(told)}"


def _reaching_into(parts: "list[TapePart]", day: "Day", recorded: Recorded) -> "list[TapePart]":
    """The files of a run from the newest one on that begins before the day; none where the run did not live then."""
    from daemon.venues.feeds.tape import newest_event
    from state.tape import TapeError

    early = [index for index, part in enumerate(parts) if part.begins_us <= day.since_us]
    kept = [part for part in parts[early[-1] if early else 0 :] if part.begins_us < day.until_us]
    if not kept or kept[-1].begins_us >= day.since_us:
        return kept
    try:
        newest = newest_event(kept[-1].path)
    except TapeError as error:
        recorded.problems.append(f"tape damaged: {error}")
        return kept
    return kept if newest is not None and newest[1].ts_us >= day.since_us else []


def run_tape(
    parts: "list[TapePart]", core: "Core", problems: list[str], *, is_running: bool = False, notes: tuple[str, ...] = ()
) -> "RunTape":
    """A run's files, in order, for `compare_day`; what is wrong with them is added to `problems` as they are read.

    Of a run that goes on, what lies there now is read. Raises CommandError (2) where another version wrote the book.
    """
    from daemon.backtest.parity_day import RunTape
    from daemon.venues.feeds.tape import newest_event

    until_seq = None
    if is_running:
        newest = newest_event(parts[-1].path)
        until_seq = parts[-1].checkpoint.tape_seq if newest is None else newest[0]
        notes = (*notes, f"the run goes on: it is compared up to tape_seq {until_seq}")
    first = _stretch(parts[0], core, problems, until_seq)
    rest = (_stretch(part, core, problems, until_seq) for part in parts[1:])
    return RunTape(core=core, first=first, rest=rest, is_running=is_running, notes=notes)


def _stretch(part: "TapePart", core: "Core", problems: list[str], until_seq: int | None) -> "TapeStretch":
    """Raises CommandError (2) where another version of this program wrote the book."""
    from daemon.backtest.parity_input import TapeStretch
    from daemon.venues.feeds.tape import read_book
    from state.tape import TapeError

    try:
        book = read_book(part.checkpoint, core.strategy)
    except TapeError as error:
        line = f"{part.path.name}: {error}; replay it with the version that ran (run_started in the journal names it)"
        raise CommandError(line, ExitCode.USAGE) from error
    events = _events(part, problems.append, until_seq)
    return TapeStretch(tape_seq=part.checkpoint.tape_seq, book=book, events=events)


def _events(part: "TapePart", say: "Callable[[str], None]", until_seq: int | None) -> "Iterator[tuple[int, AnyEvent]]":
    """What can be read of a file; where it breaks off is said."""
    from daemon.venues.feeds.tape import read_core_events
    from state.tape import TapeError

    def torn(size: int) -> None:
        say(f"{part.path.name} ends with an unfinished line of {size} bytes, as a kill leaves it; it is left out")

    try:
        for tape_seq, event in read_core_events(part.path, torn=torn):
            if until_seq is not None and tape_seq > until_seq:
                return
            yield tape_seq, event
    except TapeError as error:
        say(f"tape damaged: {error}")


class _Loads:
    """Profiles and cores by run; several runs of one profile share them."""

    def __init__(self, paths: "DeskPaths", asked: str | None) -> None:
        from state.query import JournalIndex

        self._index = JournalIndex.of(paths)
        self._asked = asked
        self._of_run: dict[str, RunProfile] = {}
        self._cores: dict[str, Core] = {}

    def core_of(self, run_id: str) -> "tuple[Core, tuple[str, ...]]":
        """The core around the run's own profile, and what is to be said about it. Raises CommandError (2)."""
        from cli.run_profile import profile_of_run
        from config.version import version
        from daemon.core.step import Core
        from daemon.strategies.gamma_scalper.strategy import GammaScalper

        of_run = self._of_run[run_id] = profile_of_run(self._index, run_id, self._asked)
        loaded = of_run.loaded
        notes = []
        if not of_run.is_that_of_the_run:
            changed = f"{loaded.path} has hash {loaded.hash[:12]}, run {run_id} had {str(of_run.recorded_hash)[:12]}"
            if self._asked is None:
                line = f"the profile has changed since: {changed}"
                raise CommandError(f"{line}; give the file as it was then with --profile", ExitCode.USAGE)
            notes.append(f"NOT THE PROFILE OF THE RUN: {changed}")
        if of_run.version is not None and of_run.version != version():
            notes.append(f"the run was of version {of_run.version}, this is {version()}")
        if loaded.hash not in self._cores:
            self._cores[loaded.hash] = Core(loaded.profile, GammaScalper(loaded.profile))
        return self._cores[loaded.hash], tuple(notes)

    def require_symbol(self, run_id: str, underlying: str) -> None:
        """Raises CommandError (2)."""
        from cli.run_profile import require_symbol

        require_symbol(self._of_run[run_id].loaded, run_id, underlying)
