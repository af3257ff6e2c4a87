"""The document around Streamlit: what of its index page is kept, and what of ours stands in front."""

import gzip
import re
from pathlib import Path

from streamlit import file_util

from cockpit.assets import FOLDER, assets, assets_version
from cockpit.reader import Reader
from cockpit.routes import phone
from cockpit.routes.assets import _compressed
from cockpit.routes.index import _document

THEIRS = Path(file_util.get_static_dir(), "index.html").read_text(encoding="utf-8")


def test_the_light_loads_first_and_streamlit_waits_in_a_template() -> None:
    page = _document({"lang": "zh-Hans", "data-desk": "demo"}, "zh")
    assert '<html lang="zh-Hans" data-desk="demo">' in page
    head, waiting = page.split('<template id="streamlit">')
    for name in ("early.js", "start.js", "words-zh.js", "theme.css", "page.css"):
        assert f"/assets/{assets_version()}/{name}" in head
        assert name in assets()
    theirs = re.findall(r'(?:src|href)="(\./static/(?:js|css)/[^"]+)"', THEIRS)
    assert len(theirs) > 1
    assert all(address in waiting for address in theirs)
    assert not any(address in head for address in theirs)
    assert page.index('id="bifrost-frame"') < page.index('id="root"')


def test_no_script_stands_in_the_page_itself() -> None:
    """The content security policy allows none."""
    for language in ("en", None):
        page = _document({"lang": "en"}, language)
        assert re.findall(r"<script(?![^>]*\bsrc=)", page) == []
        assert "agent" not in page, "what the agent interface says of itself"


def test_a_page_without_a_desk_is_streamlits_alone() -> None:
    page = _document({"lang": "en"}, None)
    assert "early.js" not in page
    assert "<template" not in page
    assert re.search(r'<script type="module" crossorigin src="\./static/js/index', page)


def test_what_the_address_says_is_text() -> None:
    assert '"><b>' not in _document({"lang": "en", "data-desk": '"><b>'}, "en")


def test_the_phones_page_is_ten_kilobytes_on_the_wire_and_a_viewers_has_no_buttons() -> None:
    body = phone._body(Reader(), "demo", {}, may_act=True)
    names = re.findall(r"/assets/\w+/([\w.]+)", phone._head("demo"))
    assert {"phone.js", "live.js", "phone.css"} <= set(names)
    loaded = sum(len(_compressed(name)) for name in set(names))
    assert loaded + len(gzip.compress((phone._head("demo") + body).encode())) < 10_000
    assert body.count("<button") == 2
    assert "<button" not in phone._body(Reader(), "demo", {}, may_act=False)


def test_no_script_of_ours_has_a_text_over_several_lines() -> None:
    """Comments and indentation are taken out line by line."""
    for path in sorted(FOLDER.glob("*.js")):
        code = (line for line in path.read_text("utf-8").splitlines() if not line.strip().startswith("//"))
        odd = [line for line in code if line.partition(" // ")[0].count("`") % 2]
        assert odd == [], path.name
