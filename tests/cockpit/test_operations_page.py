"""The Operations and Positions pages' scripts by Streamlit's own AppTest: what they hand to the browser."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from cockpit import context
from state.query import Filter, newest
from state.records import JournalType
from state.segments import list_segments
from tests.support.desk_player import RUN_ID, DeskPlayer


@pytest.fixture(autouse=True)
def keep_main() -> Iterator[None]:
    """AppTest puts its script in the place of `__main__`; a process spawned later would try to run that."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


def operations(root: Path, **query: str | list[str]) -> AppTest:
    context.configure(context.CockpitContext(root=root, desk="demo"))

    def script() -> None:
        from cockpit.pages import operations

        operations.page()

    return opened(script, **query)


def opened(script: Any, **query: str | list[str]) -> AppTest:
    app = AppTest.from_function(script, default_timeout=30)
    for name, value in query.items():
        app.query_params[name] = value
    app.run()
    assert not app.exception
    return app


def handed(app: AppTest, name: str) -> list[dict[str, Any]]:
    """The data of our own elements of that name."""
    found = [each.proto for each in app.get("bidi_component")]
    return [json.loads(each.json or each.mixed.json) for each in found if each.component_name == f"bifrost_{name}"]


def said(app: AppTest) -> str:
    return " ".join(each.proto.body for each in app.get("html"))


def test_filters_are_read_from_the_address_and_printed_as_a_command(player: DeskPlayer) -> None:
    player.tell_a_day()
    app = operations(player.paths.root, intent=f"{RUN_ID}-2", since="2014-06-05 14:00", type=["fill", "intent"])
    assert app.text_input(key="intent").value == f"{RUN_ID}-2"
    assert app.multiselect(key="type").value == ["fill", "intent"]
    (journal,) = handed(app, "journal")
    words = f"ops --desk demo --since 2014-06-05T14:00:00Z --type fill --type intent --intent {RUN_ID}-2 --limit 50"
    assert words in journal["shell"]["page"]
    assert {row["cells"][1] for row in journal["table"]["rows"]} == {"fill", "intent"}
    assert journal["total"] == len(journal["table"]["rows"])
    (chips,) = handed(app, "chips")
    assert [chip["name"] for chip in chips["chips"]] == ["since", "type", "type", "intent"]
    (life,) = handed(app, "life")
    assert [step["title"] for step in life["life"]["steps"]][:2] == ["intent", "order sent"]
    assert len(life["life"]["steps"]) > len(journal["table"]["rows"])


def test_times_are_asked_and_shown_in_the_readers_zone(player: DeskPlayer) -> None:
    player.tell_a_day()
    app = operations(player.paths.root, since="2014-06-05 10:00", tz="exchange", lang="zh")
    assert app.text_input(key="since").label.startswith("自")
    (journal,) = handed(app, "journal")
    assert "--since 2014-06-05T14:00:00Z" in journal["shell"]["page"]
    assert all(row["cells"][0].endswith("EDT") for row in journal["table"]["rows"])
    assert all("tz=America%2FNew_York" in export["href"] for export in journal["exports"])


def test_a_typed_time_gets_its_zone_and_another_filter_begins_at_the_newest_page(player: DeskPlayer) -> None:
    player.tell_a_day()
    last = newest(player.paths.journal, Filter(), 1)[0].seq
    app = operations(player.paths.root, before=str(last), tz="exchange")
    (journal,) = handed(app, "journal")
    assert journal["turns"] == {"newest": True, "newer": True, "older": False}
    assert journal["table"]["rows"][0]["key"] == str(last - 1)
    app.text_input(key="since").set_value("2014-06-05 9:45").run()
    assert app.text_input(key="since").value == "2014-06-05 09:45 EDT"
    assert "before" not in app.query_params


def test_an_odd_filter_is_told_left_out_and_not_exported(player: DeskPlayer) -> None:
    app = operations(player.paths.root, since="noon <img onerror=x>")
    assert "noon &lt;img onerror=x&gt;" in said(app)
    (journal,) = handed(app, "journal")
    assert journal["exports"] == []


def test_a_moment_in_the_address_is_explained_by_the_journals_own_answer(player: DeskPlayer) -> None:
    player.tell_a_day()
    refused = newest(player.paths.journal, Filter(types=frozenset({JournalType.REFUSED})), 1)[0]
    app = operations(player.paths.root, at=refused.ts)
    (why,) = handed(app, "why")
    said_no, went_out = why["verdict"]["answers"]
    assert "cooldown" in said_no["sentence"]
    assert ("31 shares" in went_out["sentence"], went_out["rules"]) == (True, None)
    cells = {row["key"]: row["cells"] for row in said_no["rules"]["rows"]}
    assert cells["cooldown"][1:] == ["22.4 s", "60 s", "NO"]
    assert cells["max_position"][3] == "ok"
    (journal,) = handed(app, "journal")
    assert refused.ts in why["shell"]
    selected = [row for row in journal["table"]["rows"] if row["key"] == journal["selected"]]
    assert [row["cells"][0] for row in selected] == ["2014-06-05 16:50:00.000Z"]


def test_counts_are_shown_instead_and_a_damaged_segment_is_told_with_its_remedy(player: DeskPlayer) -> None:
    player.tell_a_day()
    first = list_segments(player.paths.journal)[0].path
    first.rename(first.with_name("20140605-0009.jsonl"))
    first.with_name("20140604-0001.jsonl.gz").write_bytes(b"no archive")
    app = operations(player.paths.root, count="type", lang="en")
    (table,) = handed(app, "tables")
    counted = {row["key"]: row["cells"][1] for row in table["table"]["rows"]}
    assert counted["fill"] == "3"
    assert "bifrost verify --desk demo" in said(app)
    assert "#journal_damaged" in said(app)


def test_a_desk_that_never_ran_says_what_will_appear(tmp_path: Path) -> None:
    (journal,) = handed(operations(tmp_path / "var"), "journal")
    assert "./bifrost up --desk demo" in journal["table"]["empty"]


def test_a_line_of_another_bot_whose_time_is_none_harms_nothing(player: DeskPlayer) -> None:
    player.record(JournalType.FILL, ts="no time at all")
    (journal,) = handed(operations(player.paths.root, span="1 h"), "journal")
    assert len(journal["table"]["rows"]) == 1


def test_an_unreadable_journal_is_one_sentence(player: DeskPlayer, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("cockpit.pages.operations.newest", refuse)
    assert "Permission denied" in said(operations(player.paths.root))


# --- positions ---


def positions(root: Path, **query: str | list[str]) -> AppTest:
    context.configure(context.CockpitContext(root=root, desk="demo"))

    def script() -> None:
        from cockpit.pages import positions

        positions.page()

    return opened(script, **query)


def test_the_positions_page_names_only_tables_that_the_stream_has(player: DeskPlayer) -> None:
    from cockpit import tables
    from cockpit.reader import Reader

    app = positions(player.paths.root)
    sources = {each["source"] for each in handed(app, "tables")}
    assert sources == {"legs_full", "underlying", "positions", "orders", "book", "delta", "account", "day_pnl"}
    assert sources <= set(tables.present(None, Reader()))


def test_an_operator_is_offered_every_decision_whatever_holds_at_the_moment(player: DeskPlayer) -> None:
    buttons = {button.key: button for button in positions(player.paths.root, lang="zh").button}
    assert [key for key, button in buttons.items() if not button.disabled] == [
        "book-acknowledge",
        "book-adopt",
        "book-release",
    ]
    assert buttons["book-adopt"].label == "接管…"


def test_a_viewer_is_offered_nothing(player: DeskPlayer, monkeypatch: pytest.MonkeyPatch) -> None:
    player.write()
    monkeypatch.setattr("cockpit.pages.frame.may_act", lambda: False)
    assert [button.key for button in positions(player.paths.root).button] == []
