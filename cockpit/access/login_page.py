"""The login and the logout page: plain HTML that works without any script. Pure."""

from html import escape
from urllib.parse import urlencode

from cockpit.language import LANGUAGES, Language
from cockpit.reader import Reader
from cockpit.standalone import document


def login_page(
    *,
    reader: Reader,
    next_path: str,
    name: str = "",
    problem: str | None = None,
    warns_plain: bool = False,
    has_users: bool = True,
) -> str:
    """The form. `problem` is why the last try failed; `name` what was typed then."""
    say = reader.say
    hidden = _hidden(next=next_path, lang=reader.language)
    told = f'<p class="problem" role="alert">{escape(problem)}</p>' if problem else ""
    warning = f'<p class="warning"><b>▲</b> {escape(say("access.login.plain"))}</p>' if warns_plain else ""
    focus_name, focus_password = ("", " autofocus") if name else (" autofocus", "")
    last = say("access.login.lost") if has_users else say("access.login.nobody")
    body = (
        f'<main class="panel"><p class="house">Bifrost</p><h1>{escape(say("access.login.title"))}</h1>{told}{warning}'
        f'<form method="post" action="/login">{hidden}'
        f'<label for="name">{escape(say("access.login.name"))}</label>'
        f'<input id="name" name="name" value="{escape(name)}" autocomplete="username" autocapitalize="none" '
        f'autocorrect="off" spellcheck="false" maxlength="64" required{focus_name}>'
        f'<label for="password">{escape(say("access.login.password"))}</label>'
        f'<input id="password" name="password" type="password" autocomplete="current-password" maxlength="256" '
        f"required{focus_password}>"
        f'<button type="submit">{escape(say("access.login.enter"))}</button></form>'
        f'<p class="muted">{escape(last)}</p>{_switch(reader, next_path)}</main>'
    )
    return document(reader=reader, title=say("access.login.title"), body=body, styles=("login.css",))


def logout_page(*, reader: Reader, name: str, next_path: str) -> str:
    """The question before leaving: a link alone ends nothing."""
    say = reader.say
    body = (
        f'<main class="panel"><p class="house">Bifrost</p><h1>{escape(say("access.logout.title"))}</h1>'
        f"<p>{escape(say('access.logout.question', name=name))}</p>"
        f'<form method="post" action="/logout">{_hidden(next=next_path, lang=reader.language)}'
        f'<button type="submit">{escape(say("access.logout.leave"))}</button></form>'
        f'<p><a href="{escape(next_path)}">{escape(say("access.logout.stay"))}</a></p></main>'
    )
    return document(reader=reader, title=say("access.logout.title"), body=body, styles=("login.css",))


def _hidden(**fields: str) -> str:
    return "".join(f'<input type="hidden" name="{name}" value="{escape(value)}">' for name, value in fields.items())


def _switch(reader: Reader, next_path: str) -> str:
    others: list[Language] = [language for language in LANGUAGES if language != reader.language]
    links = " ".join(
        f'<a href="/login?{escape(urlencode({"next": next_path, "lang": language}))}">{escape(LANGUAGES[language])}</a>'
        for language in others
    )
    return f'<nav class="languages" aria-label="{escape(reader.say("access.login.switch"))}">{links}</nav>'
