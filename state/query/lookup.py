"""What the engine asks of the cache, in SQL: where matching lines are, and how many there are."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from state.query.aggregates import MAX_GROUPS, Basis
from state.query.filters import EQUAL_FIELDS, ROUTINE, Filter
from state.query.parquet import BETWEEN_WORDS, CacheFailed, ask

Place = tuple[int, int]
"""Where a line is: its segment's number, and the byte at which it begins."""

_ROUTINE = [kind.value for kind in sorted(ROUTINE)]


def nearest_places(
    files: Sequence[Path], wanted: Filter, limit: int, *, routine: bool, newest: bool
) -> tuple[list[Place], int]:
    """The first `limit` matching lines from the end (`newest`) or from the start, in that order.

    Without `routine`, how many of those lie between them as well. Raises CacheFailed.
    """
    where, values = _where(wanted)
    way, nearer = ("DESC", ">") if newest else ("ASC", "<")
    order = f"ORDER BY number {way}, byte_at {way} LIMIT ?"
    if routine:
        return list(ask("number, byte_at", files, where, [*values, limit], order)), 0
    others = f"{where} AND NOT list_contains(?, type)"
    found: list[Place] = list(ask("number, byte_at", files, others, [*values, _ROUTINE, limit], order))
    between = f"{where} AND list_contains(?, type)"
    values.append(_ROUTINE)
    if len(found) == limit:
        between += f" AND (number, byte_at) {nearer} (?, ?)"
        values += found[-1]
    [(left_out,)] = ask("count(*)", files, between, values)
    return found, left_out


def counts_by_segment(files: Sequence[Path], wanted: Filter, *, routine: bool) -> dict[int, int]:
    """How many lines match in each segment, by its number; segments without any are left out. Raises CacheFailed."""
    where, values = _where(wanted)
    if not routine:
        where += " AND NOT list_contains(?, type)"
        values.append(_ROUTINE)
    return dict(ask("number, count(*)", files, where, values, "GROUP BY number"))


def places_of_life(files: Sequence[Path], intent_id: str, order_refs: set[str]) -> list[Place]:
    """Where lines of the intent, of these orders or of the intent's own orders are, oldest first. Raises CacheFailed.

    Asked one after the other: DuckDB skips what it need not read for "this" and for "one of these", not for "or".
    """
    orders = set(order_refs)
    places: set[Place] = set()
    for number, byte_at, order_ref in ask("number, byte_at, order_ref", files, "intent_id = ?", [intent_id]):
        places.add((number, byte_at))
        if order_ref is not None:
            orders.add(order_ref)
    if orders:
        marks = ", ".join("?" * len(orders))
        places.update(ask("number, byte_at", files, f"order_ref IN ({marks})", sorted(orders)))
    return sorted(places)


def tallied(files: Sequence[Path], wanted: Filter, columns: Sequence[str]) -> Iterator[tuple[Basis, int, float | None]]:
    """Every group of matching lines: its basis, how many, and the sum of their quantities. Raises CacheFailed."""
    where, values = _where(wanted)
    names = ", ".join(columns)
    rest = f"GROUP BY {names} LIMIT {MAX_GROUPS + 1}" if columns else ""
    for row in ask(f"{names}{', ' if names else ''}count(*), sum(quantity)", files, where, values, rest):
        if row[-2]:
            yield row[:-2], row[-2], row[-1]


def _where(wanted: Filter) -> tuple[str, list[Any]]:
    """The filter in SQL, never empty, with its values in order. Raises CacheFailed for what the cache cannot tell."""
    clauses, values = ["true"], []

    def also(clause: str, value: Any) -> None:
        if value is not None:
            clauses.append(clause)
            values.append(value)

    also("ts_us >= ?", wanted.since_us)
    also("ts_us < ?", wanted.until_us)
    also("seq > ?", wanted.after_seq)
    also("seq < ?", wanted.before_seq)
    also("list_contains(?, type)", None if wanted.types is None else sorted(kind.value for kind in wanted.types))
    for name in EQUAL_FIELDS:
        also(f"{name} = ?", getattr(wanted, name))
    if wanted.text is not None:
        if BETWEEN_WORDS in wanted.text:
            raise CacheFailed("a text with a unit separator in it")
        also("contains(said, ?)", wanted.text.casefold())
    return " AND ".join(clauses), values
