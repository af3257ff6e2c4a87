"""The light as a page shows it, and every desk's line: pure builders over records."""

from pathlib import Path

import msgspec
import pytest

from cockpit import light_view
from cockpit.desk_view import halt_in_force
from cockpit.fleet import fleet, look_at_desk
from cockpit.light_view import ShownLight
from cockpit.reader import DASH, Reader
from state.control import AssertedCommand, ControlRead
from state.layout import DeskPaths
from state.light import light
from state.records import Check, JournalType, Limit, Posture, SelfCheck, Snapshot
from state.times import iso_from_us
from tests.support.desk_player import DeskPlayer, wall_us

ANNA = AssertedCommand(name="pause", since_us=0, age_ms=0, by="anna", reason="lunch")


def shown(snapshot: Snapshot, control: ControlRead | None = None, *, language: str = "en") -> ShownLight:
    control = control or ControlRead()
    now_us = wall_us()
    verdict = light(snapshot, control, now_us)
    reader = Reader(language="zh" if language == "zh" else "en")
    return light_view.shown_light(
        snapshot, verdict, desk="demo", now_iso=iso_from_us(now_us), reader=reader, control=control
    )


def test_a_calm_light_names_posture_and_quote_ages_and_nothing_else(player: DeskPlayer) -> None:
    calm = shown(player.write())
    assert (calm.state, calm.word, calm.posture) == ("green", "OK", "ACTIVE")
    assert (calm.reasons, calm.standing) == ((), ())
    assert calm.headline.startswith("Watching TWX")
    assert [(feed.symbol, feed.age_ms) for feed in calm.feeds] == [("TWX", 310.0)]


def test_market_time_is_told_where_it_is_another_than_the_walls(player: DeskPlayer) -> None:
    snapshot = player.write()
    assert light_view.market_time(snapshot, Reader()).startswith("market 2014-06-05")
    assert light_view.market_time(msgspec.structs.replace(snapshot, ts=snapshot.wall_ts), Reader()) == ""
    assert light_view.market_time(msgspec.structs.replace(snapshot, ts="soon"), Reader()) == ""


def test_a_reason_has_numbers_a_remedy_and_its_place_in_the_runbook(player: DeskPlayer) -> None:
    player.mood = "red"
    stale = shown(player.write()).reasons[0]
    assert stale.code == "stale"
    assert stale.measured == "quote age 14 s, limit 5.0 s"
    assert stale.remedy
    assert stale.href == "/runbook?desk=demo&lang=en&tz=UTC#stale"
    assert shown(player.write()).feeds[0].limit_ms == 5000.0


def test_a_quote_that_the_self_check_does_not_trust_has_no_young_age(player: DeskPlayer) -> None:
    assert shown(player.write()).feeds[0].age_ms == 310.0
    player.mood = "red"  # its quote age check fails at 14 s, while the age in the market's own time stands still
    assert shown(player.write()).feeds[0].age_ms is None


def test_a_pause_stands_beside_the_light_by_whom_since_when_and_why(player: DeskPlayer) -> None:
    player.mood = "red"
    paused = shown(player.write(), ControlRead(files={"pause": ANNA}))
    assert paused.word == "STALE"
    (standing,) = paused.standing
    assert (standing.code, standing.word) == ("pause", "PAUSED")
    assert standing.text == "by anna since 1970-01-01 00:00:00Z: lunch"
    reason = next(reason for reason in paused.reasons if reason.code == "paused")
    assert reason.measured == "", "said once"


@pytest.mark.parametrize(("name", "code"), [("REDUCING", "reducing"), ("HALTED", "halted")])
def test_a_posture_that_is_not_active_stands_there_with_its_reason(player: DeskPlayer, name: str, code: str) -> None:
    player.posture = msgspec.convert({"name": name, "reason": "drawdown: 6.1 of 6"}, Posture)
    (standing,) = shown(player.write()).standing
    assert (standing.code, standing.word, standing.text) == (code, name, "drawdown: 6.1 of 6")


def test_the_posture_says_since_when_until_a_reset(player: DeskPlayer) -> None:
    halt = player.record(JournalType.HALT, reason="drawdown")
    assert halt_in_force([halt]) is halt
    assert halt_in_force([halt, player.record(JournalType.RESET)]) is None


def test_a_stopped_desk_says_by_whom_when_and_why_in_large(player: DeskPlayer) -> None:
    player.stopped = True
    stop = msgspec.structs.replace(ANNA, name="stop")
    stopped = shown(player.write(), ControlRead(files={"stop": stop}))
    assert (stopped.state, stopped.word) == ("not_live", "STOPPED")
    assert stopped.headline == "by anna since 1970-01-01 00:00:00Z: lunch"
    assert "demo start" in stopped.reasons[0].remedy
    alone = shown(player.write()).reasons[0].remedy  # no stop file: to take one away would start nothing
    assert alone.startswith("No stop stands, so nothing restarts it by itself: ./bifrost --desk demo start")
    assert stopped.standing == ()
    assert "by a signal" in shown(player.write()).headline


def test_a_near_limit_says_used_limit_and_what_the_next_order_would_use(player: DeskPlayer) -> None:
    limit = Limit(name="max_position_shares", used=1600, limit=2000, projected=1750)
    near = shown(msgspec.structs.replace(player.write(), limits=(limit,))).reasons[0]
    assert near.code == "limit_near"
    assert near.measured == "max position 1,600 shares of 2,000 shares, 1,750 shares with the next order"


def test_the_light_speaks_chinese(player: DeskPlayer) -> None:
    player.mood = "red"
    red = shown(player.write(), ControlRead(files={"pause": ANNA}), language="zh")
    assert red.word == "行情陈旧"
    assert red.standing[0].word == "已暂停"
    assert "lang=zh" in red.reasons[0].href
    assert "14 s" in red.reasons[0].measured


def test_every_desk_has_a_line_worst_first_and_those_that_stand_on_purpose_last(player: DeskPlayer) -> None:
    root = player.paths.root
    hurt, stopped = DeskPlayer(root, "hurt", minutes=1), DeskPlayer(root, "rests", minutes=1)
    hurt.mood, stopped.stopped = "red", True
    (root / "empty").mkdir()
    (root / "broken").mkdir()
    (root / "broken" / "snapshot.json").write_text("{")
    for each in (player, hurt, stopped):
        each.write()
    now_us = wall_us()
    names = ("broken", "demo", "empty", "hurt", "rests")
    looks = [look_at_desk(DeskPaths(root, name), now_us) for name in names]
    view = fleet(looks, now_us=now_us, left_out=0, reader=Reader())
    assert [line.desk for line in view.desks] == ["hurt", "broken", "demo", "empty", "rests"]
    lines = {line.desk: line for line in view.desks}
    assert lines["hurt"].detail.endswith("quote age 14 s, limit 5.0 s")
    assert lines["hurt"].more == 1
    assert lines["demo"].equity != DASH
    assert lines["empty"].equity == DASH
    assert "never started" in lines["empty"].detail
    assert "cannot be read" in lines["broken"].detail
    assert [line.deliberate for line in view.desks] == [False, False, False, True, True]
    assert len(view.ages_ms) == 5
    hurt.close()
    stopped.close()


def test_another_bots_desk_is_a_line_too(tmp_path: Path) -> None:
    """Only what the contract asks of any desk."""
    bare = Snapshot(
        schema=1, desk="theirs", run_id="r", pid=1, seq=1, ts=iso_from_us(0), wall_ts=iso_from_us(wall_us()),
        period_ms=1000, daemon_state="trading", self_check=SelfCheck(status="ok", checks=(
            Check(name="feed", ok=True, severity="red"),
        )),
    )  # fmt: skip
    folder = tmp_path / "theirs"
    folder.mkdir()
    (folder / "control").mkdir()
    (folder / "snapshot.json").write_bytes(msgspec.json.encode(bare))
    now_us = wall_us()
    seen = look_at_desk(DeskPaths(tmp_path, "theirs"), now_us)
    view = fleet([seen], now_us=now_us, left_out=3, reader=Reader())
    (line,) = view.desks
    assert (line.state, line.word, line.net_delta, line.mode.word) == ("green", "OK", DASH, "ACCOUNT UNKNOWN")
    assert line.detail == "The one check passes"
    assert view.left_out == 3
