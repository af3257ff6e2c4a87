"""Runs `bifrost why` beside the cockpit: one at a time, at low priority, with a time limit. Never in a page's script.

The replay belongs to the daemon's side, which the cockpit must not import; the command is the way to it.
"""

import asyncio
import os
import shutil
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from state.layout import DeskPaths
from state.undecodable import UNDECODABLE

LIMIT_S = 60.0
"""Longer than any tape of a day needs on a slow machine."""
PATIENCE_S = 20.0
"""How long a question waits for the one before it."""
_NICE = 15
_CHECKOUT = Path(__file__).resolve().parents[1]
_MOST_WORDS = 500


class WhyFailed(Exception):  # noqa: N818 - told to the operator as the answer to his question
    """There is no answer. `code` is a key of `operations.why.failed`, the text what the command said."""

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(detail)
        self.code = code


class WhyRunner:
    """The one rule: all calls come from the server's event loop."""

    def __init__(self, *, limit_s: float = LIMIT_S, patience_s: float = PATIENCE_S) -> None:
        self._limit_s = limit_s
        self._patience_s = patience_s
        self._turn = asyncio.Lock()

    async def ask(self, paths: DeskPaths, at_iso: str) -> dict[str, Any]:
        """What the command answers about a moment, as it printed it. Raises WhyFailed."""
        try:
            await asyncio.wait_for(self._turn.acquire(), self._patience_s)
        except TimeoutError:
            raise WhyFailed("busy") from None
        try:
            return await self._run(paths, at_iso)
        finally:
            self._turn.release()

    async def _run(self, paths: DeskPaths, at_iso: str) -> dict[str, Any]:
        process = await asyncio.create_subprocess_exec(
            *_words(paths, at_iso),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(_CHECKOUT)},
        )
        try:
            out, said = await asyncio.wait_for(process.communicate(), self._limit_s)
        except TimeoutError:
            raise WhyFailed("too_long") from None
        finally:
            # Also when the reader has gone meanwhile: nobody waits for this answer any more.
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            raise WhyFailed("refused", _last_line(said))
        try:
            found: dict[str, Any] = msgspec.json.decode(out, type=dict[str, Any])
        except UNDECODABLE:
            raise WhyFailed("refused", "the command's answer is no JSON") from None
        return found


def _words(paths: DeskPaths, at_iso: str) -> list[str]:
    nice = shutil.which("nice")
    words = [] if nice is None else [nice, "-n", str(_NICE)]
    asked = ["why", "--desk", paths.desk, "--root", str(paths.root), "--at", at_iso, "--json"]
    return [*words, sys.executable, "-P", "-m", "cli", *asked]


def _last_line(said: bytes) -> str:
    """The command's errors are one line; its progress comes before."""
    lines = [line for line in said.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1].removeprefix("bifrost: ")[:_MOST_WORDS] if lines else ""
