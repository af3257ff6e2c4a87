"""Pauses between tries, the life of a session, and the audit's bound: all with a time that is given."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cockpit.access.actor import Actor, NotAllowed
from cockpit.access.addresses import guess_key, host_name, is_allowed, is_same_origin
from cockpit.access.record import BURST, GateRecord
from cockpit.access.sessions import MOST_OF_USER, CrowdedError, Limits, Link, Session, Sessions
from cockpit.access.tries import FORGET_AFTER_S, LONGEST_PAUSE_S, Tries
from state.audit import read_audit
from state.layout import CockpitPaths
from state.records import AuditLine

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
LIMITS = Limits(idle_us=30 * MINUTE_US, absolute_us=12 * HOUR_US)


# --- tries ---


def test_the_pause_doubles_up_to_a_minute_and_no_further() -> None:
    tries, now, pauses = Tries(), 1000.0, []
    for _ in range(10):
        assert tries.take(["a"], now) == 0
        pauses.append(tries.wait_s(["a"], now))
        now += pauses[-1]
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_a_try_too_soon_is_not_made_and_makes_nothing_longer() -> None:
    tries = Tries()
    tries.take(["a"], 0)
    assert tries.take(["a"], 0.4) == pytest.approx(0.6)
    assert tries.take(["a"], 0.9) == pytest.approx(0.1)
    assert tries.take(["a"], 1.0) == 0


def test_a_hundred_at_the_same_moment_are_one() -> None:
    tries = Tries()
    assert [tries.take(["a"], 5.0) for _ in range(100)].count(0.0) == 1


def test_the_right_password_and_a_quarter_of_an_hour_forget_everything() -> None:
    tries = Tries()
    now = 0.0
    for _ in range(7):
        now += tries.wait_s(["a"], now)
        tries.take(["a"], now)
    tries.right(["a"])
    assert tries.wait_s(["a"], now) == 0
    tries.take(["a"], now)
    assert tries.wait_s(["a"], now) == 1
    assert tries.wait_s(["a"], now + FORGET_AFTER_S) == 0
    tries.take(["a"], now + FORGET_AFTER_S)
    assert tries.wait_s(["a"], now + FORGET_AFTER_S) == 1


def test_what_is_remembered_is_bounded() -> None:
    tries = Tries(capacity=10)
    for number in range(1000):
        tries.take([f"a{number}"], float(number) / 1e6)
    assert sum(tries.wait_s([f"a{number}"], 0.001) > 0 for number in range(1000)) == 10


@settings(max_examples=40)
@given(st.lists(st.floats(0, 100), max_size=60))
def test_nobody_is_ever_locked_out_for_good(gaps: list[float]) -> None:
    tries, now = Tries(), 0.0
    for gap in gaps:
        now += gap
        assert 0 <= tries.take(["a", "b"], now) <= LONGEST_PAUSE_S + 1e-6
    assert tries.take(["a", "b"], now + LONGEST_PAUSE_S + 1e-6) == 0


def test_an_ipv6_site_guesses_as_one_and_this_machine_apart() -> None:
    assert guess_key("2001:db8::1") == guess_key("2001:db8::ffff:2") != guess_key("2001:db8:0:1::1")
    assert guess_key("::ffff:192.168.1.7") == guess_key("192.168.1.7")
    assert {guess_key(address) for address in ("127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1")} == {"loopback"}
    assert guess_key("fe80::1%eth0") == guess_key("fe80::2%eth1")


# --- addresses ---


@pytest.mark.parametrize(
    ("header", "peer", "good"),
    [
        ("trader.lan", "192.168.1.9", True),
        ("TRADER.LAN.:8501", "192.168.1.9", True),
        ("[fd00::5]:8501", "192.168.1.9", True),
        ("[FD00:0:0::5]", "192.168.1.9", True),
        ("localhost:8501", "127.0.0.1", True),
        ("127.0.0.1:8501", "::1", True),
        ("localhost:8501", "192.168.1.9", False),
        ("evil.example", "127.0.0.1", False),
        ("trader.lan.evil.example", "192.168.1.9", False),
        ("trader.lan@evil.example", "192.168.1.9", False),
        ("evil.example#trader.lan", "192.168.1.9", False),
        ("trader.lan:port", "192.168.1.9", False),
        ("", "127.0.0.1", False),
        (None, "127.0.0.1", False),
        ("localhost", None, False),
    ],
)
def test_only_listed_names_and_our_own_from_here(header: str | None, peer: str | None, good: bool) -> None:
    assert is_allowed(host_name(header), ("trader.lan", "fd00::5"), peer=peer) is good


def test_an_origin_is_ours_with_its_scheme_and_port_or_not_at_all() -> None:
    assert is_same_origin("http://trader.lan:8501", "trader.lan:8501", "http")
    for origin in (
        "https://trader.lan:8501",
        "http://trader.lan",
        "null",
        "",
        None,
        "http://trader.lan:8501/",
        "file://",
    ):
        assert not is_same_origin(origin, "trader.lan:8501", "http")


# --- sessions ---


def begun(sessions: Sessions, now_us: int = 0, name: str = "anna", user_print: str | None = "p") -> tuple[str, Session]:
    return sessions.begin(name, "operator", user_print=user_print, address="10.0.0.1", secure=False, now_us=now_us)


def test_a_session_is_found_by_its_token_alone() -> None:
    sessions = Sessions(LIMITS)
    token, session = begun(sessions)
    assert len(token) >= 43, "256 bits"
    assert sessions.find(token, 1) is session
    for other in (session.id, session.key, session.token, token[:-1], token + "x", "", None, "\udcff"):
        assert sessions.find(other, 1) is None
    assert begun(sessions)[0] != token


def test_rights_rest_when_nobody_touches_the_page_and_only_the_password_wakes_them() -> None:
    sessions = Sessions(LIMITS)
    token, session = begun(sessions)
    for minute in range(0, 60, 20):
        sessions.touch(session, minute * MINUTE_US)
    assert not sessions.find(token, 69 * MINUTE_US).actor().resting  # type: ignore[union-attr]
    assert sessions.find(token, 70 * MINUTE_US).actor().resting  # type: ignore[union-attr]
    sessions.touch(session, 70 * MINUTE_US)
    actor = sessions.find(token, 71 * MINUTE_US).actor()  # type: ignore[union-attr]
    assert actor.resting
    for safe in ("stop", "pause"):
        actor.require(safe)
    for action in ("resume", "start", "flatten", "reset", "adopt"):
        with pytest.raises(NotAllowed, match="password again"):
            actor.require(action)
    sessions.wake(session, 72 * MINUTE_US)
    sessions.find(token, 73 * MINUTE_US).actor().require("resume")  # type: ignore[union-attr]


def test_the_absolute_limit_ends_also_a_busy_session() -> None:
    sessions = Sessions(LIMITS)
    token, session = begun(sessions)
    ended = []
    sessions.join(
        session, Link(kind="page", since_us=0, end=lambda: ended.append(1)), most=9, most_of_user=9, most_of_session=9
    )
    for hour in range(12):
        sessions.touch(session, hour * HOUR_US)
        assert sessions.find(token, hour * HOUR_US) is session
    sessions.sweep(12 * HOUR_US, {"anna": "p"})
    assert (session.ended, ended) == ("expired", [1])
    assert sessions.find(token, 12 * HOUR_US) is None
    assert sessions.how_ended(token) == "expired"
    assert sessions.how_ended("forged") is None


def test_a_clock_that_is_set_back_makes_no_session_last_for_years() -> None:
    sessions, year_us = Sessions(LIMITS), 365 * 24 * HOUR_US
    token, session = begun(sessions, now_us=year_us)
    assert sessions.find(token, year_us - HOUR_US // 2) is session, "half an hour is only half an hour more"
    assert sessions.find(token, 0) is None
    assert session.ended == "expired"


def test_a_session_ends_when_its_user_changes_or_goes_and_not_when_nobody_can_tell() -> None:
    sessions = Sessions(LIMITS)
    anna, bob = begun(sessions)[1], begun(sessions, name="bob")[1]
    for prints in (None, {"anna": "p", "bob": "p"}):
        sessions.sweep(1, prints)
        assert (anna.ended, bob.ended) == (None, None)
    sessions.sweep(1, {"anna": "another"})
    assert (anna.ended, bob.ended) == ("changed", "changed")


def test_the_local_operator_stays_for_weeks_and_leaves_when_users_come() -> None:
    sessions = Sessions(LIMITS)
    token, session = begun(sessions, user_print=None)
    actor = sessions.find(token, 1000 * HOUR_US).actor()  # type: ignore[union-attr]
    assert (actor.resting, actor.must_confirm) == (False, False)
    sessions.sweep(1000 * HOUR_US, {"anna": "p"})
    assert session.ended is None
    sessions.end_local()
    assert session.ended == "changed"


def test_a_full_table_ends_the_longest_unused_and_refuses_when_all_have_pages() -> None:
    sessions = Sessions(LIMITS, capacity=3)
    found = [begun(sessions, now_us=number) for number in range(3)]
    for _, session in found[:2]:
        sessions.join(
            session, Link(kind="page", since_us=7, end=lambda: None), most=9, most_of_user=9, most_of_session=9
        )
    newest = begun(sessions, now_us=9)[1]
    assert found[2][1].ended == "crowded_out"
    sessions.join(newest, Link(kind="page", since_us=9, end=lambda: None), most=9, most_of_user=9, most_of_session=9)
    with pytest.raises(CrowdedError) as refused:
        begun(sessions, now_us=10)
    assert (refused.value.limit, refused.value.oldest_us) == (3, 0)
    assert sessions.counts() == (3, 3, 0)


def test_pages_and_streams_are_bounded_each() -> None:
    sessions = Sessions(LIMITS)
    one, other = begun(sessions)[1], begun(sessions)[1]

    def join(session: Session, since_us: int) -> Link:
        link = Link(kind="stream", since_us=since_us, end=lambda: None)
        sessions.join(session, link, most=3, most_of_user=9, most_of_session=2)
        return link

    first = join(one, 5)
    join(one, 6)
    with pytest.raises(CrowdedError) as refused:
        join(one, 7)
    assert (refused.value.limit, refused.value.oldest_us) == (2, 5)
    join(other, 8)
    with pytest.raises(CrowdedError) as refused:
        join(other, 9)
    assert refused.value.limit == 3
    sessions.leave(one, first)
    join(other, 10)


def test_one_user_fills_neither_the_table_nor_the_pages_for_the_others() -> None:
    sessions = Sessions(LIMITS)

    def enter(name: str, now_us: int) -> Session:
        return sessions.begin(name, "viewer", user_print="p", address=None, secure=False, now_us=now_us)[1]

    many = [enter("bob", number) for number in range(MOST_OF_USER)]
    for session in many[1:]:
        sessions.join(
            session, Link(kind="page", since_us=3, end=lambda: None), most=99, most_of_user=99, most_of_session=9
        )
    enter("bob", 100)
    assert many[0].ended == "crowded_out", "one without a page first"
    enter("bob", 101)
    assert sessions.counts()[0] == MOST_OF_USER
    anna = enter("anna", 102)
    assert anna.ended is None

    link = Link(kind="page", since_us=4, end=lambda: None)
    with pytest.raises(CrowdedError) as refused:
        sessions.join(many[1], link, most=99, most_of_user=MOST_OF_USER - 1, most_of_session=9)
    assert refused.value.limit == MOST_OF_USER - 1
    sessions.join(anna, link, most=99, most_of_user=MOST_OF_USER - 1, most_of_session=9)


def test_what_opens_as_its_session_ends_is_closed_at_once() -> None:
    sessions, ended = Sessions(LIMITS), []
    session = begun(sessions)[1]
    sessions.end(session, "logged_out")
    sessions.join(
        session, Link(kind="page", since_us=0, end=lambda: ended.append(1)), most=9, most_of_user=9, most_of_session=9
    )
    assert ended == [1]


def test_a_viewer_may_do_nothing() -> None:
    for action in ("stop", "pause", "resume", "flatten", "adopt"):
        with pytest.raises(NotAllowed, match="bob is a viewer"):
            Actor(name="bob", role="viewer").require(action)


# --- the gate's audit ---


def lines_of(record: GateRecord, root: Path) -> list[AuditLine]:
    record.wait()
    return read_audit(CockpitPaths(root).audit)


def test_the_same_refusal_is_written_once_a_minute_with_its_count(tmp_path: Path) -> None:
    record = GateRecord(CockpitPaths(tmp_path))
    for number in range(500):
        record.refused("foreign origin", address="10.0.0.9", now_us=number, by="", path=f"POST /api/{number}")
    assert [line.data for line in lines_of(record, tmp_path)] == [{"count": 1, "paths": ["POST /api/0"]}]
    record.flush(MINUTE_US + 1)
    last = lines_of(record, tmp_path)[-1]
    assert (last.action, last.outcome, last.address, last.data["count"]) == (  # type: ignore[index]
        "refused",
        "foreign origin",
        "10.0.0.9",
        499,
    )
    assert len(last.data["paths"]) == 5  # type: ignore[index]
    record.close(MINUTE_US + 2)


def test_a_page_that_was_left_open_is_told_ever_more_rarely(tmp_path: Path) -> None:
    record = GateRecord(CockpitPaths(tmp_path))
    for minute in range(24 * 60):
        record.refused("session ended: expired", address="10.0.0.9", now_us=minute * MINUTE_US)
    counts = [line.data["count"] for line in lines_of(record, tmp_path) if line.data]
    assert counts[:7] == [1, 1, 2, 4, 8, 16, 32]
    assert set(counts[7:]) == {60}
    record.close(24 * 60 * MINUTE_US)


def test_a_flood_from_everywhere_cannot_fill_the_disk(tmp_path: Path) -> None:
    record = GateRecord(CockpitPaths(tmp_path))
    for number in range(20_000):
        record.refused("forged or old session", address=f"10.{number // 256}.0.{number % 256}", now_us=number * 3000)
    written = lines_of(record, tmp_path)
    assert len(written) <= BURST + 7
    record.close(MINUTE_US)
    everything = read_audit(CockpitPaths(tmp_path).audit)
    assert sum(line.data["count"] for line in everything if line.data) == 20_000, "none is lost"
    assert everything[-1].outcome == "others"


def test_others_text_is_data_and_cut(tmp_path: Path) -> None:
    record = GateRecord(CockpitPaths(tmp_path))
    name = "<script>alert(1)</script>\n" + "x" * 10_000
    record.refused("login failed", address="10.0.0.9", now_us=1, by=name, path=name)
    line = lines_of(record, tmp_path)[-1]
    assert line.by == name[:120]
    assert len(next(CockpitPaths(tmp_path).audit.glob("*.jsonl")).read_bytes()) < 1000
    record.close(2)


def test_what_cannot_be_written_is_said_and_stops_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    CockpitPaths(tmp_path).create()
    CockpitPaths(tmp_path).audit.write_text("a file where the folder should be")
    record = GateRecord(CockpitPaths(tmp_path))
    for number in range(3):
        record.event("login", by="anna", outcome="ok", address=None, now_us=number)
    record.wait()
    assert record.failing is not None
    record.close(9)
    assert capsys.readouterr().err.count("cannot be audited") == 1
