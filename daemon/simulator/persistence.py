"""What the simulator keeps in the desk's `simulator/` folder, so that a restart continues the same day.

book.json    the exchange's book and market clock, and which market it is of; replaced atomically
port         the bound port while it runs, for those who started it with port 0
finished     present when a replay has come to its end; holds the market's last time
script.json  what of the fault script was carried out (`script_file`)
"""

import os
from pathlib import Path

import msgspec

from daemon.venues.simulated.exchange import SimulatedExchange
from daemon.venues.simulated.saved_book import SavedBookError
from state.times import iso_from_us

BOOK = "book.json"
PORT = "port"
FINISHED = "finished"


class _BookFile(msgspec.Struct, frozen=True, kw_only=True):
    """The file: what market the book is of, and the exchange's own saved values."""

    schema: int
    source: str
    exchange: dict[str, object]


class BookStore:
    """The folder of one desk's simulator. `source` names the market (seed or recorded day) the book belongs to."""

    def __init__(self, folder: Path, source: str) -> None:
        self.folder = folder
        self._source = source

    def restore(self, exchange: SimulatedExchange) -> bool:
        """Continue the saved book; False when there is none. Raises SavedBookError with file and remedy."""
        path = self.folder / BOOK
        try:
            found = msgspec.json.decode(path.read_bytes(), type=_BookFile)
        except FileNotFoundError:
            # a finished replay that is continued stays finished; a new book is not
            (self.folder / FINISHED).unlink(missing_ok=True)
            return False
        except (msgspec.DecodeError, OSError) as error:
            raise SavedBookError(f"{path}: damaged ({error}); remove it or start with --fresh") from None
        if found.source != self._source:
            raise SavedBookError(
                f"{path}: belongs to the market {found.source}, not {self._source}; start with --fresh"
            )
        try:
            exchange.restore(found.exchange)
        except SavedBookError as error:
            raise SavedBookError(f"{path}: {error}") from None
        return True

    def save(self, exchange: SimulatedExchange, *, sync: bool) -> None:
        """Replace the saved book. Raises OSError."""
        content = msgspec.json.encode(_BookFile(schema=1, source=self._source, exchange=exchange.save()))
        self._replace(BOOK, content, sync=sync)

    def write_port(self, port: int) -> None:
        """Say where the simulator listens."""
        self._replace(PORT, f"{port}\n".encode(), sync=False)

    def remove_port(self) -> None:
        """Nobody listens any more."""
        (self.folder / PORT).unlink(missing_ok=True)

    def mark_finished(self, market_us: int) -> None:
        """The replay is over."""
        self._replace(FINISHED, f"{iso_from_us(market_us)}\n".encode(), sync=False)

    def _replace(self, name: str, content: bytes, *, sync: bool) -> None:
        replace_file(self.folder / name, content, sync=sync)


def replace_file(path: Path, content: bytes, *, sync: bool = False) -> None:
    """Put a file in place of another at once; its folder is made where it is missing. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.parent / f".{path.name}.new"
    with temporary.open("wb") as file:
        file.write(content)
        if sync:
            file.flush()
            os.fsync(file.fileno())
    temporary.replace(path)
