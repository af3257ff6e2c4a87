"""Columns and one-line facts of the tables of runs. Pure."""

from collections.abc import Callable

from cockpit.tables import Column


class RunColumns:
    """Makes columns whose heads come from one place of the catalogue; `say` takes the column's name."""

    def __init__(self, say: Callable[[str], str]) -> None:
        self._say = say

    def left(
        self, name: str, *, unit: str | None = None, wrap: bool = False, link: bool = False, sort: bool = False
    ) -> Column:
        """A column of text."""
        return Column(name=name, label=self._say(name), unit=unit, wrap=wrap, link=link, sort=sort)

    def right(self, name: str, unit: str | None = None, *, sort: bool = False, two_lines: bool = False) -> Column:
        """A column of numbers of one unit."""
        return Column(name=name, label=self._say(name), unit=unit, align="right", sort=sort, two_lines=two_lines)
