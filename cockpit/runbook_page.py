"""The runbook as one plain page: an index by severity, then an entry per reason. Pure: the document in, markup out.

Commands name the desk from which the reader came, so that they can be typed as they stand.
"""

from html import escape
from typing import Final
from urllib.parse import urlencode

from cockpit.language import HTML_LANGUAGE, LANGUAGES, Language
from cockpit.reader import Reader
from cockpit.runbook import Runbook
from cockpit.standalone import document
from state.reasons import REASONS, Reason, Severity

_SHAPES: Final[dict[Severity, str]] = {"not_live": "◌", "red": "■", "yellow": "▲"}
"""The light's own shapes: colour alone says nothing."""


def page(runbook: Runbook, *, desk: str, command: str, query: dict[str, str], reader: Reader) -> str:
    """The page. `command` is how commands about this desk begin (`./bifrost --desk demo `).

    `query` is what links into the cockpit keep of the address (desk, zone), without the language.
    """
    title = reader.say("runbook.title")
    return document(
        reader=reader,
        title=title,
        styles=("runbook.css",),
        body=f"{_bar(desk, query, reader)}<main><h1>{escape(title)}</h1>"
        f"<p>{escape(reader.say('runbook.about'))}</p>{_index(reader)}"
        f"{''.join(_entry(reason, runbook, command, query, reader) for reason in REASONS.values())}"
        f'<section class="panel entry" id="besides"><h2>{escape(reader.say("runbook.besides"))}</h2>'
        f"<div{_lang(runbook, reader)}>{runbook.introduction}</div></section></main>",
    )


def _bar(desk: str, query: dict[str, str], reader: Reader) -> str:
    back = urlencode({**query, "lang": reader.language})
    others = "".join(_in_language(language, query) for language in LANGUAGES if language != reader.language)
    to_desk = escape(reader.say("runbook.to_desk", desk=desk))
    label = escape(reader.say("runbook.navigation"))
    return (
        f'<nav class="bar" aria-label="{label}"><strong>Bifrost</strong><a href="/?{escape(back)}">{to_desk}</a>'
        f'<span class="push">{escape(LANGUAGES[reader.language])}</span>{others}</nav>'
    )


def _index(reader: Reader) -> str:
    groups = []
    for severity, shape in _SHAPES.items():
        links = "".join(
            f'<li><a href="#{code}">{code}</a></li>' for code, reason in REASONS.items() if reason.severity == severity
        )
        heading = escape(reader.say(f"runbook.severity.{severity}"))
        groups.append(f'<h2><span aria-hidden="true">{shape}</span> {heading}</h2><ul>{links}</ul>')
    label = escape(reader.say("runbook.index"))
    return f'<nav class="index" aria-label="{label}">{"".join(groups)}</nav>'


def _in_language(language: Language, query: dict[str, str], code: str = "") -> str:
    """A link to the same page, or the same entry, in another language; its name says which entry to who hears it."""
    address = f"/runbook?{urlencode({**query, 'lang': language})}{f'#{code}' if code else ''}"
    html, name = HTML_LANGUAGE[language], escape(LANGUAGES[language])
    label = f' aria-label="{name}: {code}"' if code else ""
    return f'<a href="{escape(address)}" lang="{html}" hreflang="{html}"{label}>{name}</a>'


def _entry(reason: Reason, runbook: Runbook, command: str, query: dict[str, str], reader: Reader) -> str:
    word = reader.say_known("reason_words", reason.code, reason.word)
    sentence = reader.say_known("reasons", reason.code, reason.sentence)
    remedy = reader.say_known("remedies", reason.code, "")
    text = runbook.entries.get(reason.code, f"<p>{escape(reader.say('runbook.missing'))}</p>")
    others = "".join(
        _in_language(language, query, reason.code) for language in LANGUAGES if language != reader.language
    )
    entry = (
        f"<p>{escape(sentence)}</p>"
        f'<p class="remedy"><strong>{escape(reader.say("runbook.first"))}</strong> {escape(remedy)}</p>'
        f'<div class="original"{_lang(runbook, reader)}>{text}</div></section>'
    )
    return (
        f'<section class="panel entry" id="{reason.code}" data-severity="{reason.severity}">'
        f'<h2><span class="shape" aria-hidden="true">{_SHAPES[reason.severity]}</span>'
        f'<span class="word">{escape(word)}</span> <code>{reason.code}</code></h2><span class="others">{others}</span>'
    ) + entry.replace("./bifrost ", escape(command))


def _lang(runbook: Runbook, reader: Reader) -> str:
    """Says so where the document is in another language than the page."""
    return "" if runbook.language == reader.language else f' lang="{HTML_LANGUAGE[runbook.language]}"'
