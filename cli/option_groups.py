"""Options that several commands take together: a dataclass of them, said once, as one parameter of each command."""

import inspect
from collections.abc import Callable
from dataclasses import is_dataclass
from functools import wraps
from inspect import Parameter, Signature
from typing import Any


def with_groups(command: Callable[..., int]) -> Callable[..., int]:
    """The command as typer is to see it: a parameter that is a dataclass of options is spelt out as its fields.

    A field's annotation and default become a parameter's; the command itself is called with the dataclass.
    """
    signature = inspect.signature(command, eval_str=True)
    kinds: dict[str, Callable[..., Any]] = {
        name: each.annotation
        for name, each in signature.parameters.items()
        if isinstance(each.annotation, type) and is_dataclass(each.annotation)
    }
    fields = {name: list(inspect.signature(kind, eval_str=True).parameters.values()) for name, kind in kinds.items()}

    @wraps(command)
    def taken_apart(**given: object) -> int:
        groups = {
            name: kind(**{each.name: given.pop(each.name) for each in fields[name]}) for name, kind in kinds.items()
        }
        return command(**given, **groups)

    spelt_out: list[Parameter] = []
    for each in signature.parameters.values():
        spelt_out += fields.get(each.name, [each])
    taken_apart.__signature__ = Signature(spelt_out, return_annotation=int)  # type: ignore[attr-defined]
    return taken_apart
