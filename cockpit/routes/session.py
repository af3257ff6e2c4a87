"""Coming in and going out: the login and logout pages, and what a page's scripts may know of their session."""

from http import HTTPStatus
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from cockpit.access import door
from cockpit.access.actor import AccessError, TooManyTries
from cockpit.access.addresses import is_loopback
from cockpit.access.gate import session_cookie
from cockpit.access.login_page import login_page, logout_page
from cockpit.access.policy import local_path
from cockpit.access.request import actor_of, session_of
from cockpit.language import Language, chosen
from cockpit.reader import Reader
from cockpit.routes.answers import json_answer

_WHY = {"session_over": "access.session_over", "session_unknown": "access.session_unknown"}
_NO_STORE = {"Cache-Control": "no-store"}


async def show_login(request: Request) -> Response:
    """The form, or straight on for somebody who is in already."""
    here, next_path = door.current(), local_path(request.query_params.get("next"))
    if not here.needs_login or session_of(request) is not None:
        return RedirectResponse(next_path, HTTPStatus.SEE_OTHER, headers=_NO_STORE)
    reader = _reader(request, request.query_params.get("lang"))
    why = _WHY.get(request.query_params.get("why", ""))
    return _form(request, reader=reader, next_path=next_path, problem=None if why is None else reader.say(why))


async def log_in(request: Request) -> Response:
    """Try a name and a password; on with the session's cookie, or the form again with what was wrong."""
    here = door.current()
    fields = await _fields(request)
    next_path, name = local_path(fields.get("next")), fields.get("name", "")[:64]
    reader = _reader(request, fields.get("lang"))
    if not here.needs_login:
        return RedirectResponse(next_path, HTTPStatus.SEE_OTHER, headers=_NO_STORE)
    secure, address = _is_secure(request), _address(request)
    try:
        token, _session = await here.log_in(name, fields.get("password", ""), address=address, secure=secure)
    except AccessError as error:
        status = HTTPStatus.TOO_MANY_REQUESTS if isinstance(error, TooManyTries) else HTTPStatus.UNAUTHORIZED
        answer = _form(request, reader=reader, next_path=next_path, name=name, problem=error.said(reader))
        answer.status_code = status
        if "wait" in error.values:
            answer.headers["Retry-After"] = str(error.values["wait"])
        return answer
    before = session_of(request)
    if before is not None:
        here.sessions.end(before, "replaced")
    onward = RedirectResponse(next_path, HTTPStatus.SEE_OTHER, headers=_NO_STORE)
    onward.headers.append("set-cookie", session_cookie(here.cookie_name(secure=secure), token, secure=secure))
    return onward


async def show_logout(request: Request) -> Response:
    """The question."""
    reader = _reader(request, request.query_params.get("lang"))
    next_path = local_path(request.query_params.get("next"))
    return HTMLResponse(logout_page(reader=reader, name=actor_of(request).name, next_path=next_path), headers=_NO_STORE)


async def log_out(request: Request) -> Response:
    """End the session, and with it everything that it has open."""
    here, session = door.current(), session_of(request)
    fields = await _fields(request)
    if session is not None:
        here.log_out(session)
    answer = RedirectResponse(
        f"/login?lang={_reader(request, fields.get('lang')).language}", HTTPStatus.SEE_OTHER, headers=_NO_STORE
    )
    secure = _is_secure(request)
    answer.headers.append("set-cookie", session_cookie(here.cookie_name(secure=secure), "", secure=secure))
    return answer


async def tell_session(request: Request) -> Response:
    """Who this browser is here, until when, and the token that its commands must carry."""
    here, actor, session = door.current(), actor_of(request), session_of(request)
    told: dict[str, object] = {
        "ok": True,
        "name": actor.name,
        "role": actor.role,
        "resting": actor.resting,
        "login": here.needs_login,
        "token": "" if session is None else session.token,
        "ends_ms": here.ends_ms(session),
    }
    return json_answer(told)


def _form(
    request: Request, *, reader: Reader, next_path: str, name: str = "", problem: str | None = None
) -> HTMLResponse:
    users = door.current().refresh()
    page = login_page(
        reader=reader,
        next_path=next_path,
        name=name,
        problem=problem,
        warns_plain=not _is_secure(request) and not is_loopback(_address(request) or ""),
        has_users=users is None or bool(users),
    )
    return HTMLResponse(page, headers=_NO_STORE)


async def _fields(request: Request) -> dict[str, str]:
    """The fields of a posted form; the gate has bounded its size."""
    body = (await request.body()).decode("utf-8", "replace")
    try:
        found = parse_qs(body, keep_blank_values=True, max_num_fields=20)
    except ValueError:
        return {}
    return {name: values[0] for name, values in found.items()}


def _reader(request: Request, wanted: str | None) -> Reader:
    """In the language that was asked for, else in the browser's."""
    language: Language = chosen(wanted)
    if not wanted and request.headers.get("accept-language", "").lower().startswith("zh"):
        language = "zh"
    return Reader(language=language)


def _is_secure(request: Request) -> bool:
    return request.url.scheme == "https"


def _address(request: Request) -> str | None:
    return None if request.client is None else request.client.host
