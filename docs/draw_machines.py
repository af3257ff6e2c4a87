"""Draw `docs/machines.md` from the tables: `PYTHONPATH=. .venv/bin/python -P docs/draw_machines.py` in the checkout."""

import inspect
import sys
from enum import StrEnum
from pathlib import Path
from typing import Any

from daemon.core import daemon_fsm, flatten_fsm, link_fsm, order_life
from daemon.core.fsm import Machine
from daemon.strategies.gamma_scalper import hedge_fsm, trading_fsm

PAGE = Path(__file__).with_name("machines.md")

MACHINES: tuple[tuple[Machine[Any, Any], str], ...] = (
    (trading_fsm.TRADING, trading_fsm.__name__),
    (hedge_fsm.HEDGE, hedge_fsm.__name__),
    (order_life.ORDER_LIFE, order_life.__name__),
    (flatten_fsm.FLATTEN, flatten_fsm.__name__),
    (daemon_fsm.DAEMON, daemon_fsm.__name__),
    (link_fsm.LINK, link_fsm.__name__),
)

HEAD = """# State machines

Drawn by `docs/draw_machines.py` from the tables that the program runs; a test keeps this page equal to them.
A pair of state and trigger without an arrow is illegal: it raises `IllegalTransitionError`, which in the live daemon
becomes a halt. An arrow carries every trigger that leads the same way.
"""


def diagram(machine: Machine[Any, Any]) -> str:
    """One machine as a Mermaid state diagram."""
    arrows: dict[tuple[StrEnum, StrEnum], list[str]] = {}
    for state, trigger, to in machine.edges():
        arrows.setdefault((state, to), []).append(trigger.value)
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {machine.initial.value}"]
    lines += [f"    {state.value} --> {to.value} : {', '.join(names)}" for (state, to), names in arrows.items()]
    left = {state for state, _ in arrows}
    lines += [f"    {state.value} --> [*]" for state in machine.states if state not in left]
    return "\n".join([*lines, "```"])


def section(machine: Machine[Any, Any], module: str) -> str:
    """Heading, where the table lives, what its module says of it, and the diagram."""
    said = inspect.getdoc(sys.modules[module])
    prose = "\n".join(line for line in (said or "").splitlines() if not line.startswith("    ")).strip()
    while "\n\n\n" in prose:
        prose = prose.replace("\n\n\n", "\n\n")
    legal = len(machine.edges())
    return (
        f"## {machine.name}\n\n{prose}\n\nTable: `{module.replace('.', '/')}.py`; {len(machine.states)} states, "
        f"{len(machine.triggers)} triggers, {legal} legal pairs of {len(machine.pairs)}.\n\n{diagram(machine)}\n"
    )


def page() -> str:
    """The whole page."""
    return "\n".join([HEAD, *(section(machine, module) for machine, module in MACHINES)])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE.name}: {len(MACHINES)} machines")
