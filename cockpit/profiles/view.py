"""A profile as tables: its keys, what is wrong with it, and whether the desk runs it as its file says. Pure."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cockpit.profiles.running import RunningProfile
from cockpit.reader import DASH, Reader
from cockpit.tables import Column, Row, Table
from config.keys import Key
from config.loader import LoadedProfile, ProfileError
from config.version import CHECKOUT

_SHORT_HASH: Final = 12
_PLACE_IN_LIST: Final = re.compile(r"\[\d+\]")


def place(file: Path | None, line: int | None = None) -> str:
    """`config/profiles/demo.yaml:12`; a file outside the checkout with its whole path; empty where none is meant."""
    if file is None:
        return ""
    whole = file.absolute()
    shown = whole.relative_to(CHECKOUT) if whole.is_relative_to(CHECKOUT) else whole
    return str(shown) if line is None else f"{shown}:{line}"


def meaning(key: Key, reader: Reader) -> str:
    """What the schema says of a key, in the reader's language; an item of a list means what its list does."""
    return reader.say_known("profile_keys", _PLACE_IN_LIST.sub("", key.path), key.meaning)


def matching(keys: Sequence[Key], wanted: str, reader: Reader, *, only_set: bool) -> tuple[Key, ...]:
    """The keys that hold every word anywhere (name, value, meaning); `only_set` leaves out what no file sets."""
    words = wanted.casefold().split()
    return tuple(
        key
        for key in keys
        if (key.file is not None or not only_set)
        and all(word in f"{key.path} {key.value} {key.unit} {meaning(key, reader)}".casefold() for word in words)
    )


def keys_table(found: Sequence[Key], of: int, reader: Reader) -> Table:
    """The effective profile, a key to a row."""
    return Table(
        title=reader.say("profiles.keys.title"),
        aside=reader.say("profiles.keys.aside", n=len(found), of=of),
        columns=(
            _column(reader, "key"),
            _column(reader, "value", wrap=True),
            _column(reader, "bounds", wrap=True),
            _column(reader, "place"),
            _column(reader, "meaning", wrap=True),
        ),
        rows=tuple(_key(key, reader) for key in found),
        empty=reader.say("profiles.keys.empty"),
    )


def _column(reader: Reader, name: str, *, wrap: bool = False) -> Column:
    return Column(name=name, label=reader.say(f"profiles.columns.{name}"), wrap=wrap)


def _key(key: Key, reader: Reader) -> Row:
    return Row(
        key=key.path,
        cells=(
            key.path,
            _value(key, reader),
            reader.phrase(key.bounds),
            place(key.file, key.line) or reader.say("profiles.keys.no_file"),
            meaning(key, reader),
        ),
    )


def _value(key: Key, reader: Reader) -> str:
    """`60 seconds (default)`, `200 (default 50)`, `TWX` where a file must give it."""
    is_number = key.value.replace(".", "", 1).removeprefix("-").isdigit()
    told = f"{key.value} {reader.phrase(key.unit)}" if is_number and key.unit else key.value
    if key.is_default:
        return reader.say("profiles.keys.default", value=told)
    return told if key.default is None else reader.say("profiles.keys.instead_of", value=told, default=key.default)


def problems_table(error: ProfileError, reader: Reader) -> Table:
    """What the loader refuses, as the command says it: file, line, column, key, and what to do."""
    rows = tuple(
        Row(
            cells=(
                place(each.file),
                str(each.line),
                str(each.column) if each.column else DASH,
                each.path,
                each.text,
            ),
            tone="bad",
        )
        for each in error.problems
    )
    if not rows:
        rows = (Row(cells=("", DASH, DASH, "", str(error)), tone="bad"),)
    return Table(
        title=reader.say("profiles.problems.title"),
        aside=reader.say("profiles.problems.aside", n=len(rows)),
        columns=(
            _column(reader, "file"),
            Column(name="line", label=reader.say("profiles.columns.line"), align="right"),
            Column(name="column", label=reader.say("profiles.columns.column"), align="right"),
            _column(reader, "key", wrap=True),
            _column(reader, "problem", wrap=True),
        ),
        rows=rows,
        empty="",
    )


def standing_table(loaded: LoadedProfile | None, running: RunningProfile | None, chosen: str, reader: Reader) -> Table:
    """What this profile is to the desk: whether it loads, whether it runs, and whether its file has changed since."""
    say = reader.say
    rows = [
        _fact(
            say("profiles.standing.check"),
            say("profiles.standing.valid") if loaded is not None else say("profiles.standing.refused"),
            "" if loaded is None else say("profiles.standing.desk", desk=loaded.profile.desk_name),
            is_bad=loaded is None,
        )
    ]
    if loaded is not None:
        chain = " → ".join(source.name for source in loaded.sources)
        rows.append(_fact(say("profiles.standing.file"), place(loaded.path), chain if len(loaded.sources) > 1 else ""))
        rows.append(_fact(say("profiles.standing.hash"), loaded.hash[:_SHORT_HASH]))
    if running is None:
        rows.append(_fact(say("profiles.standing.runs"), DASH, say("profiles.standing.never_ran")))
    elif not is_running(loaded, running, chosen):
        rows.append(_fact(say("profiles.standing.runs"), say("profiles.standing.another", name=running.name)))
    else:
        changed = loaded is not None and running.hash is not None and running.hash != loaded.hash
        rows.append(
            _fact(
                say("profiles.standing.runs"),
                DASH if running.hash is None else running.hash[:_SHORT_HASH],
                say("profiles.standing.changed" if changed else "profiles.standing.same")
                if loaded is not None and running.hash is not None
                else say("profiles.standing.unknown"),
                is_warning=changed,
            )
        )
    columns = tuple(_column(reader, name, wrap=True) for name in ("fact", "value", "note"))
    return Table(title=say("profiles.standing.title", name=chosen), columns=columns, rows=tuple(rows), empty="")


def is_running(loaded: LoadedProfile | None, running: RunningProfile, chosen: str) -> bool:
    """Whether the chosen profile is the one that the desk's daemon took."""
    if running.path is None or loaded is None:
        return chosen in (running.name, running.source)
    return loaded.path.resolve() == Path(running.path).resolve()


def _fact(name: str, value: str, note: str = "", *, is_bad: bool = False, is_warning: bool = False) -> Row:
    return Row(cells=(name, value, note), tone="bad" if is_bad else "warn" if is_warning else None, key=name)
