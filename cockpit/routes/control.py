"""Commands by one POST each. They do not depend on any page's script: a jammed page can still stop the desk.

The gate has checked Origin, token and role before; `commands` asks again, and for the password. A body is JSON, and
may be empty for stop and pause. The answer to an agreed plan that is no longer true holds the plan of now.
Commands have threads of their own, and stop and pause yet others: no command waits for those who read.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from cockpit import commands
from cockpit.access.actor import AccessError, TooManyTries
from cockpit.access.request import actor_of
from cockpit.checklist import Command, checklist
from cockpit.clock import wall_us
from cockpit.context import CockpitContext
from cockpit.flatten_preview import Agreed
from cockpit.given import INSTANT, CommandError, Outcome
from cockpit.reader import Reader
from cockpit.routes.answers import json_answer, paths_of, reader_of
from state.look import look_at

_MAX_BODY = 16 * 1024
_CONTROL: tuple[commands.Action, ...] = ("stop", "pause", "resume", "start", "flatten", "withdraw")
_BOOK: tuple[commands.BookAction, ...] = ("adopt", "release", "acknowledge")
_CHECKED: tuple[Command, ...] = ("resume", "start", "reset")
_OUR_FAULT = frozenset({"not_written", "not_audited"})
_THEIR_FAULT = frozenset(
    {"bad_id", "bad_body", "bad_ratio", "reason_missing", "name_missing", "shares_missing", "plan_missing"}
)
_FROM_HERE = "from the cockpit"
_INSTANT_THREADS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="instant-commands")
_COMMAND_THREADS = ThreadPoolExecutor(max_workers=4, thread_name_prefix="commands")


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a command may be told. `id` names the request: the same one is never carried out twice."""

    id: str | None = None
    reason: str = ""
    password: str = ""
    plan: str | None = None
    phrase: str = ""
    paused: bool = False
    by: str | None = None
    shares: float | None = None
    ratio: float | None = None


class ControlRoutes:
    """The handlers, for the desks of one root."""

    def __init__(self, context: CockpitContext) -> None:
        self._context = context

    async def control(self, request: Request) -> Response:
        """Stop, pause, resume, start, flatten or reset."""
        name = request.path_params["name"]
        if name == "reset":
            return await self._book(request, "reset")
        action = next((each for each in _CONTROL if each == name), None)
        if action is None:
            return _unknown(name, reader_of(request))
        paths, actor = paths_of(self._context, request), actor_of(request)

        def act(body: Body) -> Outcome:
            return commands.carry_out(
                paths,
                action,
                actor=actor,
                now_us=wall_us(),
                reason=body.reason or _FROM_HERE,
                password=body.password,
                request_id=body.id,
                agreed=None if body.plan is None else Agreed(plan=body.plan, phrase=body.phrase),
                paused=body.paused,
            )

        return await _answered(request, name, act)

    async def book(self, request: Request) -> Response:
        """Adopt, release or acknowledge shares."""
        name = request.path_params["name"]
        action = next((each for each in _BOOK if each == name), None)
        return _unknown(name, reader_of(request)) if action is None else await self._book(request, action)

    async def _book(self, request: Request, action: commands.BookAction) -> Response:
        paths, actor = paths_of(self._context, request), actor_of(request)

        def act(body: Body) -> Outcome:
            return commands.request(
                paths,
                action,
                actor=actor,
                now_us=wall_us(),
                reason=body.reason,
                by=body.by,
                shares=body.shares,
                ratio=body.ratio,
                password=body.password,
                request_id=body.id,
            )

        return await _answered(request, action, act)

    async def checklist(self, request: Request) -> Response:
        """What stands in the way of `?command=` resume, start or reset."""
        name = request.query_params.get("command", "resume")
        command = next((each for each in _CHECKED if each == name), None)
        reader = reader_of(request)
        if command is None:
            return _unknown(name, reader)
        paths, now = paths_of(self._context, request), wall_us()
        look = await run_in_threadpool(look_at, paths, now)
        found = checklist(
            command, look, desk=paths.desk, now_us=now, reader=reader, beginning=self._context.beginning(paths.desk)
        )
        return json_answer({"ok": True, "blocking": len(found.blocking), **msgspec.to_builtins(found)})

    async def preview(self, request: Request) -> Response:
        """What a flatten would do now: the plan, its id and the phrase that agrees to it."""
        reader = reader_of(request)
        try:
            plan = await run_in_threadpool(commands.plan_of, paths_of(self._context, request), wall_us(), reader)
        except CommandError as error:
            return _refused(error, reader)
        return json_answer({"ok": True, **msgspec.to_builtins(plan)})


async def _answered(request: Request, name: str, act: Callable[[Body], Outcome]) -> Response:
    reader = reader_of(request)
    try:
        body = await _body(request)
        threads = _INSTANT_THREADS if name in INSTANT else _COMMAND_THREADS
        done = await asyncio.get_running_loop().run_in_executor(threads, act, body)
    except (CommandError, AccessError) as error:
        return _refused(error, reader)
    return json_answer({"ok": True, "command": name, **msgspec.to_builtins(done)})


async def _body(request: Request) -> Body:
    content = b""
    async for part in request.stream():
        content += part
        if len(content) > _MAX_BODY:
            raise CommandError("bad_body", error=f"more than {_MAX_BODY} bytes")
    if not content.strip():
        return Body()
    try:
        return msgspec.json.decode(content, type=Body)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise CommandError("bad_body", error=error) from error


def _refused(error: CommandError | AccessError, reader: Reader) -> Response:
    answer: dict[str, object] = {"ok": False, "error": error.said(reader)}
    if isinstance(error, AccessError):
        status = 429 if isinstance(error, TooManyTries) else 403
        return json_answer({**answer, "code": error.key.rpartition(".")[2]}, status)
    if error.plan is not None:
        answer["plan"] = msgspec.to_builtins(error.plan)
    status = 500 if error.code in _OUR_FAULT else 400 if error.code in _THEIR_FAULT else 409
    return json_answer({**answer, "code": error.code}, status)


def _unknown(name: str, reader: Reader) -> Response:
    error = CommandError("unknown_command", name=repr(name[:20]))
    return json_answer({"ok": False, "code": error.code, "error": error.said(reader)}, 404)
