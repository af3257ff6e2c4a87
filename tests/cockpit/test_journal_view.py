"""The Operations page's question: from an address, to an address, and to a shell."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cockpit import journal_view
from cockpit.filter_chips import chips
from cockpit.journal_damage import notices, torn_file
from cockpit.journal_pages import look_up
from cockpit.journal_times import NoTime, read_time, write_time
from cockpit.journal_view import LIMITS, SIDES, Asked
from cockpit.reader import EXCHANGE, Reader
from state.query import ROUTINE, Filter, JournalIndex, newest
from state.records import Check, JournalType, SelfCheck
from state.segments import list_segments
from state.times import us_from_iso
from tests.cockpit.test_tables import BARE
from tests.support.desk_player import RUN_ID, DeskPlayer

ENGLISH = Reader()
ZONES = ("UTC", EXCHANGE, "Asia/Shanghai", "Asia/Kolkata", "Europe/Berlin", "Australia/Lord_Howe")
readers = st.builds(Reader, language=st.sampled_from(["en", "zh"]), zone=st.sampled_from(ZONES))
times_us = st.integers(us_from_iso("1990-01-01T00:00:00Z"), us_from_iso("2037-12-31T00:00:00Z"))
texts = st.none() | st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=12)


def ask(types: tuple[str, ...] = (), newest_us: int | None = None, reader: Reader = ENGLISH, **values: str) -> Asked:
    return journal_view.ask(values, types, newest_us=newest_us, reader=reader)


# --- times ---


@settings(max_examples=100, deadline=None)
@given(times_us, readers)
@example(us_from_iso("2014-11-02T05:30:00Z"), Reader(zone=EXCHANGE))  # 01:30 twice: the clock is put back
@example(us_from_iso("2014-11-02T06:30:00Z"), Reader(zone=EXCHANGE))
def test_a_time_that_was_written_is_the_same_moment_for_every_reader(time_us: int, reader: Reader) -> None:
    text = write_time(time_us, reader)
    assert read_time(text, reader) == time_us
    assert read_time(text, ENGLISH) == time_us


def test_a_time_without_a_zone_is_of_the_shown_one() -> None:
    assert read_time("2014-06-05 10:30", Reader(zone=EXCHANGE)) == us_from_iso("2014-06-05T14:30:00Z")
    assert read_time("2014-06-05T10:30", ENGLISH) == us_from_iso("2014-06-05T10:30:00Z")
    assert read_time("2014-06-05", Reader(zone="Asia/Shanghai")) == us_from_iso("2014-06-04T16:00:00Z")
    assert read_time("2014-06-05 10:30 EDT", ENGLISH) == us_from_iso("2014-06-05T14:30:00Z")
    assert write_time(us_from_iso("2014-06-05T14:30:07.5Z"), Reader(zone=EXCHANGE)) == "2014-06-05 10:30:07.5 EDT"


@pytest.mark.parametrize("text", ["soon", "2014-13-05", "2014-06-05 25:00", "5.6.2014", "2014-06-05 10:30 CST", ""])
def test_what_is_no_time_says_what_to_write(text: str) -> None:
    with pytest.raises(NoTime, match="2014-06-05 14:30"):
        read_time(text, ENGLISH)
    with pytest.raises(NoTime, match="不是时间"):
        read_time(text, Reader(language="zh"))


# --- the address ---


questions = st.builds(
    Asked,
    wanted=st.builds(
        Filter,
        since_us=st.none() | times_us,
        until_us=st.none() | times_us,
        types=st.none() | st.frozensets(st.sampled_from(list(JournalType)), min_size=1, max_size=4),
        side=st.sampled_from([None, *SIDES]),
        reason=texts,
        order_ref=texts,
        text=texts,
    ),
    intent=st.none() | st.just(f"{RUN_ID}-1"),
    limit=st.sampled_from(LIMITS),
    routine=st.booleans(),
    count_by=st.sampled_from([None, *journal_view.COUNTS]),
    before=st.none() | st.integers(0, 10**12),
    after=st.none() | st.integers(0, 10**12),
    at_us=st.none() | times_us,
)


@settings(max_examples=120, deadline=None)
@given(questions, readers, readers)
def test_an_address_asks_what_it_was_made_from_whoever_opens_it(asked: Asked, one: Reader, other: Reader) -> None:
    query = journal_view.query_of(asked, one)
    values: dict[str, Any] = {name: found[0] for name, found in query.items() if name != "type"}
    again = journal_view.ask(values, query.get("type", ()), newest_us=None, reader=other)
    expected = asked
    if asked.intent is not None:
        expected = replace(expected, count_by=None)
    if asked.before is not None:
        expected = replace(expected, after=None)
    assert replace(again, problems=()) == expected
    assert len(again.problems) == (
        asked.wanted.since_us is not None
        and asked.wanted.until_us is not None
        and asked.wanted.since_us >= asked.wanted.until_us
    )


def replace(asked: Asked, **fields: Any) -> Asked:
    return Asked(**{**{name: getattr(asked, name) for name in Asked.__struct_fields__}, **fields})


def test_filters_come_from_the_address() -> None:
    found = ask(("fill", "refused"), since="2014-06-05 14:30", until="2014-06-06", intent="r-4", limit="200", order="o")
    assert found.wanted == Filter(
        since_us=us_from_iso("2014-06-05T14:30:00Z"),
        until_us=us_from_iso("2014-06-06T00:00:00Z"),
        types=frozenset({JournalType.FILL, JournalType.REFUSED}),
        order_ref="o",
    )
    assert (found.intent, found.limit, found.problems) == ("r-4", 200, ())
    assert found.counted.intent_id == "r-4"


def test_a_span_counts_back_from_the_newest_operation() -> None:
    assert ask(newest_us=10_000_000_000, span="1 h").wanted.since_us == 6_400_000_000
    assert ask(newest_us=None, span="1 h").wanted.since_us is None


def test_odd_values_in_the_address_do_no_harm() -> None:
    found = ask(("fil",), limit="-1; drop", span="?", before="١٢", after="9" * 40, count="all", side="HOLD")
    assert found == Asked(problems=("There is no operation of type fil.",))
    backwards = ask(since="2014-06-06", until="2014-06-05")
    assert len(backwards.problems) == 1


# --- a shell ---


def test_the_shell_twin_asks_the_same() -> None:
    found = ask(("refused", "fill"), since="2014-06-05 14:30", intent="r-4")
    words = journal_view.cli_words(found, "demo")
    assert words == "ops --desk demo --since 2014-06-05T14:30:00Z --type fill --type refused --intent r-4 --limit 50"
    assert journal_view.cli_words(ask(), "demo") == "ops --desk demo --limit 50"
    assert journal_view.cli_words(ask(routine="true"), "demo") == "ops --desk demo --all --limit 50"
    assert journal_view.cli_words(ask(count="type", side="BUY"), "demo") == "ops --desk demo --side BUY --count-by type"
    assert journal_view.cli_words(ask(before="77"), "demo") == "ops --desk demo --before 77 --limit 50"
    behind = journal_view.cli_words(ask(after="77"), "demo", newest_shown=127)
    assert behind == "ops --desk demo --before 128 --limit 50"
    hostile = ask(text="a'; rm -rf /", reason="`id`")
    assert journal_view.cli_words(hostile, "demo").count("rm") == 1
    assert "--reason '`id`'" in journal_view.cli_words(hostile, "demo")
    exact = ask(since="2014-06-05 14:30:00.25Z")
    assert "--since 2014-06-05T14:30:00.250000Z" in journal_view.export_words(exact, "demo")


def test_why_is_asked_for_a_lines_own_time() -> None:
    words = journal_view.why_words("2014-06-05T14:03:00.000000Z", "demo")
    assert words == "why --desk demo --at 2014-06-05T14:03:00.000000Z"


def test_every_part_of_a_filter_has_a_chip_that_names_its_field() -> None:
    found = ask(("fill", "halt"), since="2014-06-05", side="BUY", reason="<b>", routine="true", count="day")
    shown = chips(found, ENGLISH)
    assert [chip.name for chip in shown] == ["since", "type", "type", "side", "reason", "count", "routine"]
    assert [chip.value for chip in shown][1:3] == ["fill", "halt"]
    assert shown[4].label == "reason: <b>"
    spanned = ask(newest_us=10**15, span="1 h")
    assert [(chip.name, chip.value) for chip in chips(spanned, ENGLISH, span="1 h")] == [("span", "1 h")]
    assert chips(ask(), ENGLISH) == ()


# --- pages of the journal ---


def told(player: DeskPlayer) -> JournalIndex:
    player.tell_a_day()
    player.record(JournalType.TRANSITION, status="ARMED", reason="in_band")
    player.record(JournalType.LEDGER_CHECKPOINT, status="checkpoint")
    return JournalIndex.of(player.paths)


def test_routine_lines_are_left_out_and_counted_unless_asked_for(player: DeskPlayer) -> None:
    index = told(player)
    every = look_up(index, ask(routine="true")).lines
    found = look_up(index, ask())
    routine = [line for line in every if line.type in ROUTINE]
    assert len(routine) == 2
    assert found.lines == tuple(line for line in every if line.type not in ROUTINE)
    assert found.left_out == len(routine)


def test_pages_follow_one_another_without_a_gap_in_both_directions(player: DeskPlayer) -> None:
    index = told(player)
    every = [line.seq for line in newest(player.paths.journal, Filter(), 1000) if line.type not in ROUTINE]

    def page(**cursor: int) -> Any:
        return look_up(index, Asked(limit=5, **cursor))

    shown, found = [], page()
    assert not found.has_newer
    while True:
        shown.append([line.seq for line in found.lines])
        if found.older is None:
            break
        found = page(before=found.older)
    assert [seq for each in shown for seq in each] == every
    back = []
    while found.newer is not None:
        found = page(after=found.newer)
        back.append([line.seq for line in found.lines])
    assert back[-1] == every[:5]
    assert not found.has_newer
    assert sorted({seq for each in back for seq in each} | set(shown[-1])) == sorted(every)


def test_an_intents_page_is_its_whole_life_narrowed_by_the_rest(player: DeskPlayer) -> None:
    index = told(player)
    whole = look_up(index, ask(intent=f"{RUN_ID}-2"))
    assert whole.story == whole.lines[::-1]
    assert whole.total == len(whole.lines) > 4
    fills = look_up(index, ask(("fill",), intent=f"{RUN_ID}-2"))
    assert {line.type for line in fills.lines} == {JournalType.FILL}
    assert fills.story == whole.story


# --- damage ---


def test_a_torn_last_line_is_told_calmly_and_damage_with_its_remedy(player: DeskPlayer) -> None:
    player.tell_a_day()
    assert notices(player.paths, (), None, ENGLISH, str) == ()
    with list_segments(player.paths.journal)[-1].path.open("ab") as file:
        file.write(b'{"seq":99,"ts":"20')
    assert torn_file(player.paths.journal) == list_segments(player.paths.journal)[-1].path.name
    (torn,) = notices(player.paths, (), None, ENGLISH, str)
    assert (torn.href, "next start" in torn.text) == (None, True)
    failed = Check(name="journal", ok=False, severity="red", measured="line 7", reason="journal_damaged")
    snapshot = BARE.__class__(**{**{name: getattr(BARE, name) for name in BARE.__struct_fields__},
                                 "self_check": SelfCheck(status="blocked", checks=(failed,))})  # fmt: skip
    found = notices(player.paths, ("a <b>file</b> cannot be unpacked",), snapshot, ENGLISH, "./bifrost {}".format)
    assert len(found) == 3
    assert all(notice.href and notice.href.endswith("#journal_damaged") for notice in found[:2])
    assert "./bifrost verify --desk demo" in found[1].text
    assert "line 7" in found[0].text
