"""Reads a tape back: the book of its checkpoint, and its events as the core consumed them."""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from daemon.core.book import Book, OptionQuoteState, QuoteState
from daemon.core.events import AnyEvent
from daemon.core.strategy import Strategy
from state.archive import archive_path
from state.journal_reader import raw_lines_backwards
from state.records import TapeCheckpoint, TapeEvent
from state.tape import TapeError, read_events

_line_decoder = msgspec.json.Decoder(TapeEvent)
_event_decoder: msgspec.json.Decoder[AnyEvent] = msgspec.json.Decoder(AnyEvent)


def read_book(checkpoint: TapeCheckpoint, strategy: Strategy) -> Book:
    """The book that a tape file starts with. Raises TapeError where another version or strategy wrote it."""
    try:
        book = msgspec.json.decode(checkpoint.checkpoint, type=Book)
        plain: dict[str, Any] = msgspec.json.decode(checkpoint.checkpoint)
        # Two things of a book have no type of their own in JSON: the strategy's state, and which quotes are options'.
        state = msgspec.convert(plain["strategy"], strategy.state_type, str_keys=True)
        quotes = {name: _quote(quote) for name, quote in plain["quotes"].items()}
    except (msgspec.MsgspecError, KeyError, AttributeError) as error:
        raise TapeError(f"the checkpoint of run {checkpoint.run_id} is not one of this program's: {error}") from error
    return msgspec.structs.replace(book, strategy=state, quotes=quotes)


def _quote(plain: dict[str, Any]) -> QuoteState:
    return msgspec.convert(plain, OptionQuoteState if "model_volatility" in plain else QuoteState)


def read_core_events(path: Path, *, torn: Callable[[int], None] = lambda _: None) -> Iterator[tuple[int, AnyEvent]]:
    """(tape_seq, event) of one file, in order. Raises TapeError with the line's tape_seq.

    An unfinished last line is left out; `torn` is told how many bytes it has.
    """
    for line in read_events(path, torn=torn):
        try:
            event = _event_decoder.decode(line.event)
        except msgspec.MsgspecError as error:
            raise TapeError(f"{path}, tape_seq {line.tape_seq}: not an event of this program's: {error}") from error
        yield line.tape_seq, event


def newest_event(path: Path) -> tuple[int, AnyEvent] | None:
    """(tape_seq, event) of the last whole line; None where no event follows the checkpoint. Raises TapeError.

    Of a plain file only the end is read; a compressed one has to be unpacked from its start.
    """
    if path.suffix == ".gz":
        return deque(read_core_events(path), maxlen=1).pop() if _has_events(path) else None
    try:
        last = next(raw_lines_backwards(path), b"")
        line = _line_decoder.decode(last)
        return line.tape_seq, _event_decoder.decode(line.event)
    except FileNotFoundError:
        return newest_event(archive_path(path))
    except (OSError, msgspec.MsgspecError) as error:
        if not _has_events(path):
            return None  # the last line is the checkpoint
        raise TapeError(f"{path}: its last line cannot be read: {error}") from error


def _has_events(path: Path) -> bool:
    return next(read_events(path), None) is not None
