"""The runbook as the cockpit shows it: an entry per reason, from `docs/runbook.md` or its translation.

The entries' text is written once, in the documents; the code of a reason is the anchor of its entry everywhere.
"""

from functools import cache
from pathlib import Path
from typing import Final
from urllib.parse import urlencode

import msgspec
from markdown_it import MarkdownIt
from markdown_it.token import Token

from cockpit.language import Language
from cockpit.reader import Reader
from state.reasons import REASONS

_DOCUMENTS: Final = Path(__file__).parents[1] / "docs"
_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable("table")


class Runbook(msgspec.Struct, frozen=True, kw_only=True):
    """One document as markup. `entries` has the codes that it speaks of, each without its heading."""

    language: Language
    introduction: str
    entries: dict[str, str]


def address(code: str, *, desk: str, reader: Reader) -> str:
    """Where this cockpit's runbook speaks of a reason, in the reader's language."""
    return f"/runbook?{urlencode({'desk': desk, 'lang': reader.language, 'tz': reader.zone})}#{code}"


def path_of(language: Language) -> Path:
    """The document of a language: `runbook.md`, `runbook.zh.md`."""
    return _DOCUMENTS / ("runbook.md" if language == "en" else f"runbook.{language}.md")


def read(language: Language) -> Runbook:
    """The document of that language; the English one where there is none. Raises OSError when that is missing too."""
    path = path_of(language)
    if language != "en" and not path.exists():
        return read("en")
    return _parsed(language, path.read_text(encoding="utf-8"))


@cache
def _parsed(language: Language, text: str) -> Runbook:
    """Cut at the second-level headings; what stands before the first is the introduction, without its title."""
    tokens = _MARKDOWN.parse(text)
    starts = [place for place, token in enumerate(tokens) if token.type == "heading_open" and token.tag == "h2"]
    entries: dict[str, str] = {}
    for start, end in zip(starts, [*starts[1:], len(tokens)], strict=True):
        code = tokens[start + 1].content.strip()
        if code in REASONS:
            entries[code] = _markup(tokens[start + 3 : end])
    title = 3 if tokens and tokens[0].tag == "h1" else 0
    first = starts[0] if starts else len(tokens)
    return Runbook(language=language, introduction=_markup(tokens[title:first]), entries=entries)


def _markup(tokens: list[Token]) -> str:
    markup: str = _MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {})
    # A command line wider than the page scrolls by itself, which must also work without a mouse.
    return markup.replace("<pre>", '<pre tabindex="0">')
