"""Reads a tape back: the book of its checkpoint, and its events as the core consumed them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from daemon.core.book import Book, OptionQuoteState, QuoteState
from daemon.core.events import AnyEvent
from daemon.core.strategy import Strategy
from state.records import TapeCheckpoint
from state.tape import TapeError, read_events

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


def read_core_events(path: Path) -> Iterator[tuple[int, AnyEvent]]:
    """(tape_seq, event) of one file, in order. Raises TapeError with the line's tape_seq."""
    for line in read_events(path):
        try:
            event = _event_decoder.decode(line.event)
        except msgspec.MsgspecError as error:
            raise TapeError(f"{path}, tape_seq {line.tape_seq}: not an event of this program's: {error}") from error
        yield line.tape_seq, event
