"""Everything the Now page shows, as one plain value made from the files' content. Pure.

The browser draws it as it is and adds only what it alone knows: how long ago it heard this.
"""

import msgspec

from cockpit import light_view, tables, tiles_view
from cockpit.control_panel import Controls, controls
from cockpit.light_view import Mode, ShownLight
from cockpit.reader import Reader
from cockpit.receipts import Receipt
from cockpit.tables import Table
from cockpit.tiles_view import Tile
from state.control import ControlRead
from state.light import Light
from state.records import JournalLine, Snapshot
from state.times import iso_from_us


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """The newest point of the chart, newer than the history's last."""

    x: str
    equity_usd: float | None
    drawdown_pct: float | None


class NowView(msgspec.Struct, frozen=True, kw_only=True):
    """The page. Each field is a part: the stream sends a part again only when it changed.

    `made_ms` is this machine's wall clock when it was made, since the epoch; `age_ms` how old the snapshot was then.
    """

    desk: str
    made_ms: float
    age_ms: float | None
    light: ShownLight
    mode: Mode
    session: str
    market_time: str
    tiles: tuple[Tile, ...]
    held: str
    """The desk's own shares of its underlying."""
    controls: Controls
    tables: dict[str, Table]
    point: Point | None
    history_version: str
    journal_seq: int | None
    """The number of the newest operation: a page that shows operations sees by it that there are new ones."""


def build(
    snapshot: Snapshot | None,
    light: Light,
    control: ControlRead,
    *,
    desk: str,
    now_us: int,
    receipts: tuple[Receipt, ...],
    history_version: str,
    reader: Reader,
    halt: JournalLine | None = None,
    command: str | None = None,
) -> NowView:
    """Put the page together. `now_us` is the wall clock at the look, `halt` the journal's newest one still in force.

    `command` is how a command in a sentence begins (`CockpitContext.beginning`).
    """
    now_iso = iso_from_us(now_us)
    return NowView(
        desk=desk,
        made_ms=now_us / 1000,
        age_ms=light.age_ms,
        light=light_view.shown_light(
            snapshot, light, desk=desk, now_iso=now_iso, reader=reader, control=control, halt=halt, command=command
        ),
        mode=light_view.mode(snapshot, reader),
        session=light_view.session(snapshot, reader),
        market_time=light_view.market_time(snapshot, reader),
        tiles=tiles_view.tiles(snapshot, reader),
        held=tiles_view.held(snapshot),
        controls=controls(snapshot, light, control, receipts, reader),
        tables=tables.present(snapshot, reader),
        point=None if snapshot is None else _point(snapshot, reader),
        history_version=history_version,
        journal_seq=None if snapshot is None else snapshot.journal_seq,
    )


def _point(snapshot: Snapshot, reader: Reader) -> Point:
    depth = snapshot.drawdown_pct
    return Point(
        x=reader.plot_time(snapshot.ts),
        equity_usd=snapshot.equity_usd,
        drawdown_pct=None if depth is None else -abs(depth),
    )
