"""The forms that start something over history, as `form.js` draws them. Pure.

A form is the address that it is posted to, the words of the command that does the same in a shell, and its fields, each
with its option of that command and its `span` of twelve columns. `check` is where a form asks what is wrong with it
before it is sent; one that `closes` does so when it has started something.
"""

from collections.abc import Sequence
from itertools import groupby
from typing import Any, Final

from cockpit.reader import Reader
from cockpit.runs.sweep_orders import MOST_KEYS
from config.searchable import searchable, searchable_keys
from state.runs.axes import DEFAULT_TRIALS
from state.runs.objectives import objective_names

Form = dict[str, Any]

_TEMPLATES: Final = (
    ("synthetic", "synthetic:1:5"),
    ("lean", "lean:DIR:SYMBOL:YYYYMMDD-YYYYMMDD"),
    ("csv", "csv:FILE"),
    ("tape", "tape:PATH"),
)
_COOLDOWN: Final = "gates.intent.hedge.cooldown_seconds"
_FIRST_KEY: Final = {"key": _COOLDOWN, "how": "step", "low": "30", "high": "120", "step": "30"}
"""What the form begins with: the example of the command's own help."""


def backtest(reader: Reader, profiles: Sequence[str], shell: str) -> Form:
    """Starts a backtest. `shell` is a command line with a place for the words."""
    return {
        "name": "backtest",
        "path": "/api/runs/backtest",
        **_said(reader, "backtests.fields"),
        "command": "backtest",
        "shell": shell,
        "fixed": {},
        "closes": True,
        "fields": [_profile(reader, profiles), _data(reader), _title(reader), _overrides(reader)],
    }


def sweep(reader: Reader, profiles: Sequence[str], shell: str) -> Form:
    """Starts a sweep."""

    def say(name: str) -> str:
        return reader.say(f"sweeps.form.{name}")

    methods = [(name, reader.say(f"sweeps.methods.{name}")) for name in ("grid", "random", "bayes")]
    return {
        "name": "sweep",
        "path": "/api/runs/sweep",
        "check": "/api/runs/sweep/check",
        **_said(reader, "sweeps.form"),
        "command": "sweep run",
        "shell": shell,
        "fixed": {},
        "closes": True,
        "fields": [
            _profile(reader, profiles),
            _data(reader),
            _keys(reader),
            {
                "name": "method",
                "span": 3,
                "option": "--method",
                "label": say("method"),
                "kind": "choice",
                "options": methods,
                "value": "grid",
                "hint": say("method_hint"),
            },
            {
                "name": "trials",
                "span": 2,
                "option": "--trials",
                "label": say("trials"),
                "kind": "text",
                "numeric": True,
                "example": str(DEFAULT_TRIALS),
                "hint": say("trials_hint"),
                "only": {"field": "method", "values": ["random", "bayes"], "instead": say("trials_all")},
            },
            {
                "name": "objective",
                "span": 3,
                "option": "--objective",
                "label": say("objective"),
                "kind": "choice",
                "options": [(name, name) for name in objective_names()],
                "value": "pnl_usd",
                "hint": say("objective_hint"),
            },
            {
                "name": "aim",
                "span": 2,
                "flags": {"least": "--minimise"},
                "label": say("aim"),
                "kind": "choice",
                "options": [("most", say("aim_most")), ("least", say("aim_least"))],
                "value": "most",
            },
            {
                "name": "folds",
                "span": 2,
                "option": "--walk-forward",
                "label": say("folds"),
                "kind": "text",
                "numeric": True,
                "example": say("folds_none"),
                "hint": say("folds_hint"),
            },
            _title(reader),
            _overrides(reader),
        ],
    }


def make_profile(reader: Reader, run_id: str, trial: str, shell: str) -> Form:
    """Writes a cell of a sweep as a profile; `trial` stands there already."""

    def say(name: str) -> str:
        return reader.say(f"sweeps.fields.{name}")

    return {
        "name": "profile",
        "path": "/api/runs/profile",
        **_said(reader, "sweeps.fields"),
        "command": f"sweep make-profile {run_id}",
        "shell": shell,
        "fixed": {"run_id": run_id},
        "fields": [
            {
                "name": "trial",
                "span": 4,
                "option": "--trial",
                "label": say("trial"),
                "kind": "text",
                "number": True,
                "value": trial,
                "hint": say("trial_hint"),
            },
            {
                "name": "name",
                "span": 8,
                "option": "--as",
                "label": say("name"),
                "kind": "text",
                "value": "",
                "hint": say("name_hint"),
            },
        ],
    }


def _said(reader: Reader, area: str) -> dict[str, str]:
    return {name: reader.say(f"{area}.{name}") for name in ("title", "button", "done")}


def _profile(reader: Reader, profiles: Sequence[str]) -> Form:
    return {
        "name": "profile",
        "span": 4,
        "option": "--profile",
        "label": reader.say("backtests.fields.profile"),
        "kind": "choice",
        "options": [(name, name) for name in profiles],
        "value": "demo" if "demo" in profiles else next(iter(profiles), ""),
    }


def _data(reader: Reader) -> Form:
    return {
        "name": "data",
        "span": 8,
        "option": "--data",
        "label": reader.say("backtests.fields.data"),
        "kind": "text",
        "value": _TEMPLATES[0][1],
        "hint": reader.say("backtests.fields.data_hint"),
        "templates": [(text, reader.say(f"backtests.fields.data_{name}")) for name, text in _TEMPLATES],
    }


def _title(reader: Reader) -> Form:
    return {
        "name": "title",
        "span": 4,
        "option": "--title",
        "label": reader.say("backtests.fields.run_title"),
        "kind": "text",
        "hint": reader.say("backtests.fields.title_hint"),
    }


def _overrides(reader: Reader) -> Form:
    return {
        "name": "overrides",
        "span": 8,
        "option": "--set",
        "label": reader.say("backtests.fields.overrides"),
        "kind": "lines",
        "hint": reader.say("backtests.fields.overrides_hint"),
        "example": f"{_COOLDOWN}=30",
    }


def _keys(reader: Reader) -> Form:
    """The keys that may be searched, by section, each with its kind and the words that it may be."""
    found = [searchable(key) for key in searchable_keys()]
    return {
        "name": "search",
        "option": "--search",
        "label": reader.say("sweeps.form.search"),
        "kind": "search",
        "most": MOST_KEYS,
        "value": [_FIRST_KEY],
        "sections": [
            (section, [(each.key, each.key.rpartition(".")[2], each.kind, ", ".join(each.choices)) for each in keys])
            for section, keys in groupby(found, key=lambda each: each.key.rpartition(".")[0])
        ],
        "texts": reader.words.area("sweeps.search"),
    }
