"""Runs over history by HTTP, to be started and ended: one POST each, and a look at a sweep before it begins.

The gate has checked Origin, token and role before a POST comes here; the actor is asked again. What is started, by
whom, and what was refused, is a line in the cockpit's own audit.
"""

from collections.abc import Callable
from typing import TypeVar

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from cockpit.access import door
from cockpit.access.actor import AccessError
from cockpit.access.request import actor_of
from cockpit.clock import wall_us
from cockpit.context import CockpitContext
from cockpit.routes.answers import json_answer, reader_of
from cockpit.runs import orders, sweep_check, sweep_orders
from cockpit.runs.children import BusyError, CannotStartError, children
from cockpit.runs.orders import BacktestOrder, OrderError
from cockpit.runs.store import Kind, store
from cockpit.runs.sweep_orders import SweepOrder, SweepRefusedError
from state.times import iso_from_us

_Body = TypeVar("_Body", bound=msgspec.Struct)


class Cancel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which run to end, or which job that has no run yet."""

    kind: Kind = "backtest"
    run_id: str = ""
    job: int = 0


class MakeProfile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which cell of which sweep becomes a profile of which name."""

    run_id: str
    trial: int
    name: str


class RunStarts:
    """The handlers, for one root."""

    def __init__(self, context: CockpitContext) -> None:
        self._context = context

    async def start(self, request: Request) -> Response:
        """`POST /api/runs/backtest`: start one, with the words of `orders.BacktestOrder`."""

        def act(order: BacktestOrder) -> dict[str, object]:
            run_id = _run_id(order.profile)
            return self._begun(orders.words_of(order, self._context.root, run_id), run_id, request)

        return await self._act(request, "backtest", BacktestOrder, act)

    async def start_sweep(self, request: Request) -> Response:
        """`POST /api/runs/sweep`: start one, with the words of `sweep_orders.SweepOrder`."""

        def act(order: SweepOrder) -> dict[str, object]:
            run_id = _run_id(order.profile)
            return self._begun(sweep_orders.words_of(order, self._context.root, run_id), run_id, request)

        return await self._act(request, "sweep", SweepOrder, act)

    async def check_sweep(self, request: Request) -> Response:
        """`/api/runs/sweep/check?order=JSON`: what is wrong with it, and how much work it is. Starts nothing."""
        reader = reader_of(request)
        try:
            order = msgspec.json.decode(request.query_params.get("order", ""), type=SweepOrder)
        except msgspec.MsgspecError as error:
            told = reader.say("backtests.refused.body", detail=str(error)[:200])
            return json_answer({"ok": False, "error": told}, 400)
        found = await run_in_threadpool(sweep_check.answer, order, self._context.root, reader)
        return json_answer({"ok": True, **found})

    @staticmethod
    def _begun(words: list[str], run_id: str, request: Request) -> dict[str, object]:
        job = children.start(words, by=actor_of(request).name)
        return {"job": job.number, "run_id": run_id, "words": words}

    async def make_profile(self, request: Request) -> Response:
        """`POST /api/runs/profile`: write a cell of a sweep as a profile, by the command that does it."""

        def act(wanted: MakeProfile) -> dict[str, object]:
            if store.one(self._context.root, "sweep", wanted.run_id) is None:
                raise OrderError("gone")
            words = orders.make_profile_words(wanted.run_id, wanted.trial, wanted.name, self._context.root)
            return {"job": children.start(words, by=actor_of(request).name).number, "words": words}

        return await self._act(request, "make-profile", MakeProfile, act)

    async def cancel(self, request: Request) -> Response:
        """`POST /api/runs/cancel`: end a run as Ctrl-C would; what it has come to is kept."""

        def act(wanted: Cancel) -> dict[str, object]:
            if wanted.job:
                done = children.interrupt(wanted.job)
            else:
                run = store.one(self._context.root, wanted.kind, wanted.run_id)
                done = run is not None and children.interrupt_run(run)
            if not done:
                raise OrderError("not_running")
            return {"run_id": wanted.run_id, "job": wanted.job}

        return await self._act(request, "cancel-run", Cancel, act)

    async def _act(
        self, request: Request, action: str, body: type[_Body], act: Callable[[_Body], dict[str, object]]
    ) -> Response:
        """Ask who, read what, do it in a thread, and leave a line in the audit whatever came of it."""
        reader, actor = reader_of(request), actor_of(request)
        told: dict[str, object] = {}
        try:
            actor.require(action)
            try:
                wanted = msgspec.json.decode(await request.body(), type=body)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                raise OrderError("body", str(error)[:200]) from error
            told = await run_in_threadpool(act, wanted)
            status, answer, outcome = 200, {"ok": True, **told}, "started" if action != "cancel-run" else "asked to end"
        except AccessError as error:
            status, answer, outcome = 403, {"ok": False, "error": error.said(reader)}, "refused: not allowed"
        except OrderError as refusal:
            status, outcome = 400, f"refused: {refusal.code}"
            answer = {"ok": False, "code": refusal.code, "field": refusal.field, "error": refusal.said(reader)}
            if isinstance(refusal, SweepRefusedError):
                answer["faults"] = [{"field": each.field, "text": each.said(reader)} for each in refusal.faults]
        except BusyError as busy:
            status, answer, outcome = 409, {"ok": False, "code": "busy"}, "refused: busy"
            answer["error"] = reader.say("backtests.refused.busy", command=str(busy))
        except CannotStartError as failed:
            status, answer, outcome = 500, {"ok": False, "code": "not_started"}, "refused: not started"
            answer["error"] = reader.say("backtests.refused.not_started", detail=str(failed))
        door.current().record.event(
            action,
            by=actor.name,
            outcome=outcome,
            address=actor.address,
            now_us=wall_us(),
            session_id=actor.session_id,
            data=told or None,
        )
        return json_answer(answer, status)


def _run_id(profile: str) -> str:
    return orders.run_id_of(profile, iso_from_us(wall_us()))
