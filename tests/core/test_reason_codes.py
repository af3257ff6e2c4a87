"""Every reason code that the code can utter is one that the registry (and so light and runbook) knows."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from daemon.core.book import _EMBARGOES
from daemon.core.consent import Code
from daemon.core.ledger import SALVAGED
from daemon.runtime.app import __file__ as app_file
from state.reasons import REASONS

DAEMON = Path(app_file).parent.parent
_POSITION = {"halt": 0, "_refuse": 1}
"""Where a call of this name carries its code."""


def _codes(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        position = _POSITION.get(name)
        said: list[ast.expr] = []
        if position is not None and len(node.args) > position:
            said.append(node.args[position])
        if name in ("_check", "Check"):
            said += [keyword.value for keyword in node.keywords if keyword.arg == "reason"]
        for expression in said:
            for part in _outcomes(expression):
                if isinstance(part, ast.Constant) and isinstance(part.value, str):
                    yield part.value


def _outcomes(expression: ast.expr) -> Iterator[ast.expr]:
    if isinstance(expression, ast.IfExp):
        yield from _outcomes(expression.body)
        yield from _outcomes(expression.orelse)
    else:
        yield expression


def test_every_halt_refusal_and_check_has_its_reason() -> None:
    said: dict[str, str] = {}
    for path in sorted((*DAEMON.glob("core/*.py"), *DAEMON.glob("strategies/**/*.py"))):
        if path.name == "ownership.py":
            continue  # its `_refuse` takes a sentence, not a code
        for code in _codes(ast.parse(path.read_text())):
            said[code] = path.name
    assert {"overfill", "flatten_unconfirmed", "journal_failed", "reject_backoff"} <= set(said)
    assert {code: where for code, where in said.items() if code not in REASONS} == {}


def test_every_refusal_over_a_number_has_its_reason() -> None:
    assert [code for code in get_args(Code) if code not in REASONS] == []
    assert SALVAGED in REASONS


def test_every_embargo_has_its_reason() -> None:
    assert [code for code, _ in _EMBARGOES if code not in REASONS] == []
