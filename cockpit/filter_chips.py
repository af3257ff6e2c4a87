"""What a page of operations is narrowed down to, a chip for each part that can be taken away by itself. Pure."""

import msgspec

from cockpit import wording
from cockpit.journal_times import write_time
from cockpit.journal_view import ALL_TIME, Asked
from cockpit.reader import Reader


class Chip(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the filter: the field of the page that it stands in, its value there, and how it reads."""

    name: str
    value: str
    label: str


def chips(asked: Asked, reader: Reader, *, span: str | None = None) -> tuple[Chip, ...]:
    """In the order of the fields. `span` is the span that was chosen, if any: it then stands for `since`."""
    wanted = asked.wanted
    found: list[Chip] = []

    def add(name: str, value: str | None, shown: str | None = None) -> None:
        if value:
            label = reader.say(f"operations.chips.{name}", value=shown if shown is not None else value)
            found.append(Chip(name=name, value=value, label=label))

    if span is not None and span != ALL_TIME:
        add("span", span)
    elif wanted.since_us is not None:
        add("since", write_time(wanted.since_us, reader))
    if wanted.until_us is not None:
        add("until", write_time(wanted.until_us, reader))
    for kind in sorted(wanted.types or ()):
        add("type", kind.value, wording.operation(kind.value, reader))
    add("side", wanted.side)
    add("reason", wanted.reason)
    add("text", wanted.text)
    add("intent", asked.intent)
    add("order", wanted.order_ref)
    add("count", asked.count_by, None if asked.count_by is None else reader.say(f"tables.counts.by.{asked.count_by}"))
    add("routine", "true" if asked.routine else None)
    return tuple(found)
