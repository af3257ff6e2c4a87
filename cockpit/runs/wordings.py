"""How a run reads: its standing, what is wrong with it, and the command that goes on. Pure."""

import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from cockpit import wording
from cockpit.reader import Reader
from cockpit.runs import spoken
from cockpit.tables import Tone
from config.loader import PROFILES_DIR
from state.runs.caveats import caveats
from state.runs.reading import RunLook
from state.runs.records import ProfileInfo, RatioValue, VenueModel

MARKS = {"running": "▶", "finished": "", "interrupted": "■", "failed": "✕", "damaged": "✕"}
TONES: dict[str, Tone] = {"interrupted": "warn", "failed": "warn", "damaged": "warn"}
"""Nothing here asks for action at once: red is left to the desks."""


def standing(run: RunLook, reader: Reader) -> str:
    """`finished`, `▶ running 42 %`: its mark, its word, and how far it is."""
    word = reader.say(f"backtests.standing.{run.standing}")
    text = f"{MARKS[run.standing]} {word}".strip()
    if run.standing == "running" and run.progress is not None:
        return f"{text} {done_pct(run.progress.done)}"
    if run.summary is not None and (found := caveats(run.summary)):
        code = found[0].finding.code
        return f"▲ {text}\n{reader.say_known('backtests.codes', code, code.replace('_', ' '))}"
    return text


def tone(run: RunLook) -> Tone | None:
    """How loud its row is in a list."""
    return "warn" if run.summary is not None and caveats(run.summary) else TONES.get(run.standing)


def caveats_of(run: RunLook, reader: Reader) -> list[str]:
    """What must be read before its figures, a sentence each; empty where they mean what they say."""
    told = []
    for each in () if run.summary is None else caveats(run.summary):
        code = reader.say_known("backtests.codes", each.finding.code, each.finding.code.replace("_", " "))
        when = reader.day_and_time(each.finding.first_ts)
        since = each.of - each.sessions + 1
        where = reader.say("backtests.caveat_since", when=when, at=since, of=each.of) if each.finding.first_ts else ""
        told.append(f"{code}{where}: {spoken.finding(each.finding, reader)}")
    return told


def done_pct(done: float) -> str:
    """0 to 1 as whole percent; never 100 before the end."""
    return f"{min(99, max(0, int(done * 100))) if done < 1 else 100} %"


def trouble(run: RunLook, reader: Reader) -> str:
    """One sentence of what is wrong with it; empty where nothing is."""
    if run.trouble is not None:
        return reader.say(f"backtests.trouble.{run.trouble}", detail=run.detail)
    if run.standing == "failed" and not run.detail and run.progress is not None:
        return spoken.progress(run.progress, reader)
    return run.detail


def ratio(value: RatioValue, reader: Reader) -> str:
    """A ratio with its n below; what it waits for where there are too few days."""
    said = reader.say("history.too_few") if value.value is None else wording.number(value.value, decimals=2)
    return f"{said}\nn {value.n}"


def profile(info: ProfileInfo) -> str:
    """`demo` and, below, how many keys the run changed."""
    if not info.overrides:
        return info.name
    return f"{info.name}\n" + ", ".join(f"{key.rpartition('.')[2]}={value}" for key, value in info.overrides.items())


def go_on(run: RunLook, shell: Callable[[str], str]) -> str:
    """The command that takes up an interrupted run, or does it again; empty where its files do not tell it."""
    if run.kind == "sweep":
        return shell(f"sweep run --resume {shlex.quote(run.run_id)}")
    if run.summary is None:
        return ""
    told = run.summary
    words = [
        "backtest",
        f"--profile {shlex.quote(_profile_word(told.profile))}",
        f"--data {shlex.quote(told.data.spec)}",
    ]
    words += [f"--set {shlex.quote(f'{key}={_yaml(value)}')}" for key, value in told.profile.overrides.items()]
    words += [
        f"--{name.replace('_', '-')} {value:g}"
        for name in _MODEL_OPTIONS
        if (value := getattr(told.venue, name)) is not None and value != getattr(_PLAIN, name)
    ]
    if told.venue.partial_fill_each_step:
        words.append("--partial-fill-each-step")
    return shell(" ".join(words))


_MODEL_OPTIONS = (
    "slippage_bps", "extra_spread_usd", "latency_ms", "partial_fill_shares", "commission_usd_share",
    "commission_minimum_usd",
)  # fmt: skip
_PLAIN = VenueModel()


def _profile_word(info: ProfileInfo) -> str:
    """Its name, or the file that it was read from where that lies elsewhere."""
    if info.path is not None and Path(info.path).resolve().parent != PROFILES_DIR.resolve():
        return info.path
    return info.name


def _yaml(value: Any) -> str:
    """A value as `--set` reads it: JSON is YAML, a plain word needs no quotes."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
