"""What a desk recorded, as a market: over files and runs, prices alone, whatever became of the files."""

import gzip
from pathlib import Path

import pytest

from daemon.backtest.feeds.opening import open_feed, session_days
from daemon.core.events import AnyEvent, Clock, Execution, OptionQuote, Quote, Sessions
from daemon.venues.exchange_hours import sessions_from
from daemon.venues.feeds.errors import FeedError
from state.tape import TapeWriter
from state.times import iso_from_us, us_from_iso
from tests.backtest.feeds.stepping import counts, refusal, steps
from tests.support.scalper import profile as scalper_profile

OPEN = us_from_iso("2014-06-05T09:30:00-04:00")
SECOND = 1_000_000
DAY = 86_400 * SECOND
CALL = "TWX 20140719 C 70"


def quote(ts_us: int, bid: float | None = 70.0, ask: float | None = 70.02, *, halted: bool = False) -> Quote:
    return Quote(ts_us=ts_us, instrument="TWX", bid=bid, ask=ask, halted=halted)


def record(folder: Path, run_id: str, events: list[AnyEvent], *, start_us: int = OPEN, symbol: str = "TWX") -> Path:
    """One file; gives its path."""
    writer = TapeWriter(folder, desk="desk", run_id=run_id)
    writer.start({"underlying": symbol}, ts=iso_from_us(start_us), wall_ts=iso_from_us(start_us))
    writer_sessions = Sessions(ts_us=start_us, sessions=sessions_from(start_us, 5))
    for event in (writer_sessions, *events):
        writer.append(event)
    writer.close()
    return folder / f"{run_id}-0001.jsonl"


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    return tmp_path / "desk" / "tape"


def test_quotes_of_one_moment_are_one_step_and_the_broker_is_left_out(tape: Path, tmp_path: Path) -> None:
    at = OPEN + 3 * SECOND
    fill = Execution(
        ts_us=at,
        exec_key="1",
        revision=1,
        order_ref="desk.L.1",
        venue_order_id=1,
        perm_id=1,
        instrument="TWX",
        side="BUY",
        quantity=100.0,
        price=70.0,
        executed_us=at,
    )
    option = OptionQuote(ts_us=at, instrument=CALL, bid=1.0, ask=1.1, model_volatility=0.3)
    path = record(tape, "a", [option, quote(at), fill, Clock(ts_us=at + 1), quote(at + SECOND, 70.1, 70.12)])
    feed = open_feed(f"tape:{path}", scalper_profile(), base=tmp_path)
    first, second = steps(feed)
    assert [each.instrument for each in first.quotes] == [CALL, "TWX"]
    assert first.quotes[0].model_volatility == 0.3
    assert (second.ts_us, second.quotes[0].bid) == (at + SECOND, 70.1)
    assert counts(feed) == {}
    assert feed.clock_every_ms == 500


def test_runs_are_joined_in_the_order_of_their_market(tape: Path, tmp_path: Path) -> None:
    record(tape, "z_first", [quote(OPEN + SECOND), quote(OPEN + 2 * SECOND)])
    record(tape, "a_second", [quote(OPEN + 200 * SECOND)], start_us=OPEN + 199 * SECOND)
    record(tape, "next_day", [quote(OPEN + DAY)], start_us=OPEN + DAY)
    for spec in (f"tape:{tape}", f"tape:{tape.parent}", "tape:desk"):
        feed = open_feed(
            spec, scalper_profile(), base=Path("/nowhere") if spec == "tape:desk" else tmp_path, root=tmp_path
        )
        found = [(step.ts_us - OPEN, step.is_open) for step in steps(feed)]
        assert found == [
            (SECOND, True),
            (2 * SECOND, True),
            (200 * SECOND, True),
            (390 * 60 * SECOND, False),
            (DAY, True),
        ]
        assert counts(feed) == {"tape_gap": 1}
    days = session_days(f"tape:{tape}", scalper_profile(), base=tmp_path)
    assert [f"{day}" for day in days] == ["2014-06-05", "2014-06-06"]


def test_what_a_later_tape_repeats_is_left_out(tape: Path, tmp_path: Path) -> None:
    record(tape, "a", [quote(OPEN + SECOND), quote(OPEN + 5 * SECOND)])
    record(tape, "b", [quote(OPEN + 4 * SECOND), quote(OPEN + 6 * SECOND)], start_us=OPEN + 3 * SECOND)
    feed = open_feed(f"tape:{tape}", scalper_profile(), base=tmp_path)
    assert [(step.ts_us - OPEN) // SECOND for step in steps(feed)] == [1, 5, 6]
    assert counts(feed) == {"overlap": 1}


def test_a_halt_takes_the_sides(tape: Path, tmp_path: Path) -> None:
    path = record(tape, "a", [quote(OPEN), quote(OPEN + SECOND, halted=True), quote(OPEN + 2 * SECOND)])
    feed = open_feed(f"tape:{path}", scalper_profile(), base=tmp_path)
    assert [step.quotes[0].bid for step in steps(feed)] == [70.0, None, 70.0]
    assert counts(feed) == {"trading_halt": 1}


def test_a_torn_file_gives_its_whole_part_at_every_byte(tape: Path, tmp_path: Path) -> None:
    path = record(tape, "a", [quote(OPEN + number * SECOND) for number in range(4)])
    whole = path.read_bytes()
    head = whole.index(b"\n") + 1
    for size in (*range(head - 3, head + 3), *range(head + 3, len(whole), 23)):
        part = whole[:size]
        path.write_bytes(part)
        lines = part[head:].splitlines(keepends=True)
        kept = sum(b'"event":"quote"' in line and line.endswith(b"\n") for line in lines)
        if size < head or kept == 0:
            text = refusal(lambda: open_feed(f"tape:{path}", scalper_profile(), base=tmp_path))
            assert text is not None
            assert str(path) in text
            continue
        feed = open_feed(f"tape:{path}", scalper_profile(), base=tmp_path)
        assert len(steps(feed)) == kept
        assert counts(feed) == ({} if part.endswith(b"\n") else {"torn_tape": 1})


def test_a_damaged_line_ends_its_file_and_the_next_goes_on(tape: Path, tmp_path: Path) -> None:
    path = record(tape, "a", [quote(OPEN + number * SECOND) for number in range(4)])
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:4], b"garbage\n", *lines[5:]]))
    record(tape, "b", [quote(OPEN + 9 * SECOND)], start_us=OPEN + 8 * SECOND)
    feed = open_feed(f"tape:{tape}", scalper_profile(), base=tmp_path)
    assert [(step.ts_us - OPEN) // SECOND for step in steps(feed)] == [0, 1, 9]
    (found,) = feed.findings()
    assert found.code == "damaged_tape"
    assert "line 5" in found.text


def test_a_truncated_archive_is_refused_or_flagged(tape: Path, tmp_path: Path) -> None:
    path = record(tape, "a", [quote(OPEN + number * SECOND) for number in range(40)])
    whole = gzip.compress(path.read_bytes(), mtime=0)
    path.unlink()
    packed = path.with_name(path.name + ".gz")
    for size in range(0, len(whole), 7):
        packed.write_bytes(whole[:size])
        text = refusal(lambda: steps(open_feed(f"tape:{packed}", scalper_profile(), base=tmp_path)))
        if text is None:
            feed = open_feed(f"tape:{packed}", scalper_profile(), base=tmp_path)
            steps(feed)
            assert {"damaged_tape", "torn_tape"} & set(counts(feed))


def test_other_instruments_are_flagged_and_another_underlying_refused(tape: Path, tmp_path: Path) -> None:
    other = Quote(ts_us=OPEN, instrument="ABC", bid=1.0, ask=1.1)
    path = record(tape, "a", [other, quote(OPEN)])
    feed = open_feed(f"tape:{path}", scalper_profile(), base=tmp_path)
    assert len(steps(feed)) == 1
    assert counts(feed) == {"unused_instrument": 1}
    path = record(tmp_path / "other", "a", [other], symbol="ABC")
    with pytest.raises(FeedError, match="was recorded of ABC, the profile's underlying is TWX"):
        open_feed(f"tape:{path}", scalper_profile(), base=tmp_path)


def test_nothing_to_run_over_is_one_line(tape: Path, tmp_path: Path) -> None:
    with pytest.raises(FeedError, match=r"no tape .*: write tape:PATH with a tape file, a tape folder, or a desk's"):
        open_feed("tape:gone", scalper_profile(), base=tmp_path, root=tmp_path)
    tape.mkdir(parents=True)
    with pytest.raises(FeedError, match="holds no tape: a desk records one while its daemon runs"):
        open_feed(f"tape:{tape}", scalper_profile(), base=tmp_path)
    record(tape, "a", [Clock(ts_us=OPEN)])
    with pytest.raises(FeedError, match="holds no quote of TWX"):
        open_feed(f"tape:{tape}", scalper_profile(), base=tmp_path)


def test_once_more_from_the_start_is_the_same(tape: Path, tmp_path: Path) -> None:
    record(tape, "a", [quote(OPEN + number * SECOND) for number in range(9)])
    feed = open_feed(f"tape:{tape}", scalper_profile(), base=tmp_path)
    first, digest = steps(feed), feed.data_hash
    feed.rewind()
    assert (steps(feed), feed.data_hash) == (first, digest)
