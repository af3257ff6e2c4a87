"""A log's newest lines as a table. Pure."""

from cockpit.health.cells import left
from cockpit.health.logs import LogEnd, LogLine
from cockpit.reader import Reader
from cockpit.tables import Row, Table


def log_table(name: str, found: LogEnd, reader: Reader) -> Table:
    """Newest first; every cell is what the file holds, to be shown as it is."""
    aside = reader.say("health.logs.aside", n=len(found.lines))
    if found.is_cut:
        aside += f" · {reader.say('health.logs.cut')}"
    return Table(
        title=f"{reader.say('health.logs.title')} {name}",
        aside=aside,
        columns=(
            left(reader, "time"),
            left(reader, "level"),
            left(reader, "event", wrap=True),
            left(reader, "detail", wrap=True),
        ),
        rows=tuple(_row(line, reader) for line in found.lines),
        empty=reader.say("health.logs.empty"),
    )


def _row(line: LogLine, reader: Reader) -> Row:
    time = reader.day_and_time(line.wall_ts, milliseconds=True) if line.wall_ts else ""
    return Row(
        cells=(time, line.level, line.event, line.detail),
        tone="bad" if line.level in ("error", "critical") else "warn" if line.level == "warning" else None,
    )
