"""The checklist as a dialog shows it: what blocks, what holds besides, and, folded, what is in order."""

from html import escape

from cockpit.checklist import Checklist, Line
from cockpit.pages.dialogs import parts
from cockpit.reader import Reader

_SHAPES = {"blocks": "■", "note": "▲", "ok": "●"}


def show(found: Checklist, reader: Reader) -> None:
    """Every line with measured value, limit, and who ends it."""
    if found.as_of:
        parts.html(f"<small>{escape(reader.say('checklist.as_of', age=found.as_of))}</small>")
    is_reset = found.command == "reset"
    blocking = found.blocking
    if blocking:
        head = "checklist.blocking_reset" if is_reset else "checklist.blocking"
        parts.html(_listed(reader.say(head, count=len(blocking)), blocking, reader))
    else:
        nothing = {
            "resume": "checklist.nothing",
            "start": "checklist.nothing_start",
            "reset": "checklist.nothing_reset",
        }
        parts.html(f"<p>{escape(reader.say(nothing[found.command]))}</p>")
    notes = tuple(line for line in found.lines if line.state == "note")
    if notes:
        head = "checklist.notes_reset" if is_reset else "checklist.notes"
        parts.html(_listed(reader.say(head), notes, reader))
    if found.passing:
        parts.html(_folded(found.passing, reader))


def _listed(head: str, lines: tuple[Line, ...], reader: Reader) -> str:
    items = "".join(f"<li style='margin: 0.25rem 0'>{_item(line, reader)}</li>" for line in lines)
    return f"<p style='margin-bottom: 0'><b>{escape(head)}</b></p><ul style='list-style: none; padding: 0'>{items}</ul>"


def _item(line: Line, reader: Reader) -> str:
    mark = f"{_SHAPES[line.state]} <b>{escape(reader.say(f'checklist.mark.{line.state}'))}</b>"
    facts = [f"{reader.say('checklist.measured')} {line.measured}"] if line.measured else []
    facts += [f"{reader.say('checklist.limit')} {line.limit}"] if line.limit else []
    facts += [f"{reader.say('checklist.ends')}: {line.clears}"] if line.clears else []
    small = f"<br><small>{escape(' · '.join(facts))}</small>" if facts else ""
    text = escape(line.text)
    if line.href:
        text = f'<a href="{escape(line.href)}" target="_blank" rel="noopener" style="color: inherit">{text}</a>'
    return f"{mark} {text}{small}"


def _folded(lines: tuple[Line, ...], reader: Reader) -> str:
    heads = "".join(
        f"<th scope='col' style='text-align: left; padding-right: 1rem'>{escape(reader.say(f'checklist.{name}'))}</th>"
        for name in ("what", "measured", "limit")
    )
    rows = "".join(
        f"<tr><td>● {escape(line.text)}</td><td>{escape(line.measured)}</td><td>{escape(line.limit)}</td></tr>"
        for line in lines
    )
    summary = escape(reader.say("checklist.passing", count=len(lines)))
    return f"<details><summary>● {summary}</summary><table><tr>{heads}</tr>{rows}</table></details>"
