"""What the tables of the History page share: the heads of their columns, and how many rows the page shows."""

from cockpit.reader import Reader
from cockpit.tables import Column

MOST_ROWS = 30
"""On the page; a CSV holds all."""


class Columns:
    """Columns whose heads are under `history.columns`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def left(self, name: str, *, link: bool = False, wrap: bool = False) -> Column:
        """A column of words."""
        return Column(name=name, label=self._reader.say(f"history.columns.{name}"), link=link, wrap=wrap)

    def right(self, name: str, unit: str | None = None) -> Column:
        """A column of numbers, and their unit."""
        return Column(name=name, label=self._reader.say(f"history.columns.{name}"), unit=unit, align="right")
