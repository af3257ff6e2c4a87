"""The runbook page: an entry per reason, reached by its code, in both languages."""

import asyncio
import re
from pathlib import Path

import pytest
from starlette.requests import Request

from cockpit import runbook, runbook_page
from cockpit.context import CockpitContext, UnknownDeskError
from cockpit.language import LANGUAGES, Language
from cockpit.reader import Reader
from cockpit.routes.runbook import RunbookRoute
from state.reasons import REASONS


def drawn(language: Language) -> str:
    return runbook_page.page(
        runbook.read(language),
        desk="demo",
        command="./bifrost --desk demo ",
        query={"desk": "demo"},
        reader=Reader(language=language),
    )


def answer(root: Path, query: str) -> str:
    scope = {"type": "http", "method": "GET", "path": "/runbook", "query_string": query.encode(), "headers": []}
    route = RunbookRoute(CockpitContext(root=root, desk="demo"))
    return bytes(asyncio.run(route.runbook(Request(scope))).body).decode()


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_reason_has_its_anchor_its_entry_and_a_link_in_the_index(language: Language) -> None:
    page = drawn(language)
    for code, reason in REASONS.items():
        (entry,) = re.findall(rf'<section class="panel entry" id="{code}".*?</section>', page, re.DOTALL)
        assert f'data-severity="{reason.severity}"' in entry
        assert "<strong>Do.</strong>" in entry or language != "en"
        assert page.count(f'href="#{code}"') == 1
    assert Reader(language=language).say("runbook.missing") not in page
    assert page.startswith("<!doctype html>")
    assert f'<html lang="{ {"en": "en", "zh": "zh-Hans"}[language] }">' in page


def test_the_chinese_page_says_sentence_and_first_step_in_chinese() -> None:
    page = drawn("zh")
    reader = Reader(language="zh")
    for code in REASONS:
        assert reader.say_known("reason_words", code, "") in page
        assert reader.say_known("reasons", code, "").replace("./bifrost ", "./bifrost --desk demo ") in page


def codes_in(markup: str) -> list[str]:
    return sorted(re.findall(r"<code>(.*?)</code>", markup, re.DOTALL))


def test_a_translated_runbook_has_the_same_entries_with_the_same_commands_and_names() -> None:
    english = runbook.read("en")
    for language in LANGUAGES:
        other = runbook.read(language)
        assert other.language == language
        assert list(other.entries) == list(english.entries) == list(REASONS)
        for code, text in english.entries.items():
            assert other.entries[code].count("<li>") == text.count("<li>"), code
            assert other.entries[code].count("<strong>") == text.count("<strong>"), code
            assert set(codes_in(other.entries[code])) == set(codes_in(text)), code


def test_the_document_is_text_and_no_markup() -> None:
    found = runbook._parsed(
        "en", "# T\n\nfirst <script>x</script>\n\n## stale\n\nsee <b>this</b>\n\n## nothing\n\nno code\n"
    )
    assert found.introduction == "<p>first &lt;script&gt;x&lt;/script&gt;</p>\n"
    assert found.entries == {"stale": "<p>see &lt;b&gt;this&lt;/b&gt;</p>\n"}


def test_a_reason_links_to_its_entry_in_the_readers_language(tmp_path: Path) -> None:
    address = runbook.address("stale", desk="demo", reader=Reader(language="zh", zone="America/New_York"))
    assert address == "/runbook?desk=demo&lang=zh&tz=America%2FNew_York#stale"
    page = answer(tmp_path, "desk=demo&lang=zh&tz=exchange")
    assert 'id="stale"' in page
    assert 'href="/?desk=demo&amp;tz=exchange&amp;lang=zh"' in page
    assert 'href="/runbook?desk=demo&amp;tz=exchange&amp;lang=en"' in page


def test_an_entry_leads_to_itself_in_the_other_language_and_names_the_desk(tmp_path: Path) -> None:
    (tmp_path / "night").mkdir()
    page = answer(tmp_path, "desk=night&lang=zh")
    assert 'href="/runbook?desk=night&amp;lang=en#stale"' in page
    assert "./bifrost --desk night reset" in page
    entries = page[page.index('id="snapshot_missing"') : page.index('id="besides"')]
    assert entries.count("./bifrost ") == entries.count("./bifrost --desk night ")


def test_a_command_names_the_root_where_the_launcher_would_not_find_it() -> None:
    here = CockpitContext(root=Path("/var/bot"), desk="demo")
    assert here.beginning("demo") == "./bifrost --desk demo "
    elsewhere = CockpitContext(root=Path("/a b"), desk="demo", cli="./bifrost {} --root '/a b'")
    assert elsewhere.beginning("night") == "./bifrost --desk night --root '/a b' "


def test_what_an_address_carries_is_no_markup(tmp_path: Path) -> None:
    page = answer(tmp_path, 'tz="><script>alert(1)</script>&lang=<b>')
    assert "<script" not in page
    assert '<html lang="en">' in page
    with pytest.raises(UnknownDeskError):
        answer(tmp_path, "desk=<b>")
