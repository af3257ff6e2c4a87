"""A sweep as a page asks for it: what is wrong with it field by field, how much work it is, and the command's words.

Every field is what somebody typed, a text: a number that is none is a fault beside its field. What a key may be is read
and checked by the code that the command itself uses; what the data holds the child says.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, Literal

import msgspec

from cockpit.reader import Reader
from cockpit.runs import orders
from cockpit.runs.orders import OrderError
from cockpit.runs.sweep_pace import sessions_of
from config.search_space import SpaceError, parse_axis
from config.searchable import SearchKeyError, searchable
from state.runs.axes import axis, cell_count, cells_tried, trials_made
from state.runs.objectives import objective_names
from state.runs.records import Searched
from state.runs.walk_forward import IN_SAMPLE_WINDOWS

MOST_KEYS: Final = 4
MOST_TRIALS: Final = 20_000
"""What a page still shows whole, and so many values along a key; a shell takes more."""
_NUMBER: Final = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_COUNT: Final = re.compile(r"[1-9]\d{0,5}")
_LONGEST: Final = 300

How = Literal["step", "factor", "values"]
Method = Literal["grid", "random", "bayes"]


class KeyOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One key and what it may be: from `low` to `high` by a step or by a factor, or the values themselves."""

    key: str
    how: How = "step"
    low: str = ""
    high: str = ""
    step: str = ""
    values: str = ""

    def pair(self) -> str:
        """`KEY=LOW:HIGH:STEP`, as `--search` takes it."""
        if self.how == "values":
            return f"{self.key}={self.values.strip()}"
        bounds = [self.low.strip(), self.high.strip(), *([self.step.strip()] if self.step.strip() else [])]
        return f"{self.key}={':'.join(bounds)}" + (":log" if self.how == "factor" else "")


class SweepOrder(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A sweep. `overrides` are lines like those of a backtest."""

    profile: str
    data: str
    search: tuple[KeyOrder, ...]
    method: Method = "grid"
    trials: str = ""
    objective: str = "pnl_usd"
    aim: Literal["most", "least"] = "most"
    folds: str = ""
    title: str = ""
    overrides: tuple[str, ...] = ()


_IN_FORM: Final = SweepOrder.__struct_fields__


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one field: `code` is a key of `sweeps.refused` with the `places` of its text."""

    field: str
    """`data`, `trials`, or of a key `search.0.low`."""
    code: str
    places: dict[str, str] = {}
    refusal: OrderError | None = None
    """Where any run would be refused so."""

    @property
    def is_missing(self) -> bool:
        """Nothing has been typed there: told only to who wants to start."""
        return self.code == "missing"

    def said(self, reader: Reader) -> str:
        """In the reader's language."""
        if self.refusal is not None:
            return self.refusal.said(reader)
        return reader.say(f"sweeps.refused.{self.code}", **{k: reader.phrase(v) for k, v in self.places.items()})


class SweepRefusedError(OrderError):
    """A sweep cannot be started so; `faults` say why, in the order of the form."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        super().__init__(faults[0].code, field=faults[0].field)
        self.faults = faults

    def said(self, reader: Reader) -> str:
        """What stands beside the button; every fault stands beside its own field."""
        return reader.say("sweeps.refused.form", n=len(self.faults))


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of an order without opening its data."""

    faults: tuple[Fault, ...]
    cells: int | None
    """None as long as the keys do not say."""
    trials: int | None
    """Cells, times the stretches that each is played on."""
    folds: int


def checked(order: SweepOrder) -> Checked:
    """Every fault that can be found before any process begins, and how much work the order makes."""
    faults: list[Fault] = []
    changed = _common(order, faults)
    if order.objective not in objective_names():
        faults.append(Fault(field="objective", code="objective"))
    searched = _searched(order, changed, faults)
    wanted = None
    if order.method != "grid":
        wanted = _count(order.trials, "trials", faults)
    folds = _count(order.folds, "folds", faults) or 0
    known = sessions_of(order.data)
    if folds and known is not None and known < folds + IN_SAMPLE_WINDOWS:
        least = str(folds + IN_SAMPLE_WINDOWS)
        faults.append(Fault(field="folds", code="too_few_sessions", places={"n": str(known), "least": least}))
    cells = None
    if searched is not None:
        cells = cells_tried(cell_count(searched), wanted, is_grid=order.method == "grid")
        if trials_made(cells, folds) > MOST_TRIALS:
            faults.append(Fault(field="search", code="too_many", places={"n": f"{MOST_TRIALS:,d}"}))
    trials = None if cells is None else trials_made(cells, folds)
    faults.sort(key=lambda each: _IN_FORM.index(each.field.partition(".")[0]))
    return Checked(faults=tuple(faults), cells=cells, trials=trials, folds=folds)


def words_of(order: SweepOrder, root: Path, run_id: str) -> list[str]:
    """`sweep run --profile=demo --data=… --search=… --name=… --root=…`. Raises SweepRefusedError."""
    found = checked(order)
    if found.faults:
        raise SweepRefusedError(found.faults)
    title = orders.title_of(order.title)
    return [
        *("sweep", "run", f"--profile={order.profile}", f"--data={order.data.strip()}"),
        *(f"--search={each.pair()}" for each in order.search),
        f"--method={order.method}",
        *([f"--trials={order.trials.strip()}"] if order.method != "grid" and order.trials.strip() else []),
        f"--objective={order.objective}",
        *(["--minimise"] if order.aim == "least" else []),
        *([f"--walk-forward={order.folds.strip()}"] if order.folds.strip() else []),
        *(f"--set={line.strip()}" for line in order.overrides if line.strip()),
        *([f"--title={title}"] if title else []),
        *(f"--name={run_id}", f"--root={root}"),
    ]


def _common(order: SweepOrder, faults: list[Fault]) -> set[str]:
    """What any run is asked; gives the keys that are set for every cell."""
    checks: list[Callable[[], object]] = [
        partial(orders.data_of, order.data),
        partial(orders.loaded_with, order.profile, order.overrides),
        partial(orders.title_of, order.title),
    ]
    for check in checks:
        try:
            check()
        except OrderError as refusal:
            faults.append(Fault(field=refusal.field, code=refusal.code, refusal=refusal))
    return {line.partition("=")[0].strip() for line in order.overrides}


def _searched(order: SweepOrder, changed: set[str], faults: list[Fault]) -> tuple[Searched, ...] | None:
    """The keys as a plan holds them; None where any of them is wrong."""
    if not 1 <= len(order.search) <= MOST_KEYS:
        faults.append(Fault(field="search", code="keys", places={"n": str(MOST_KEYS)}))
        return None
    found: list[Searched] = []
    before = len(faults)
    for place, each in enumerate(order.search):
        searched = _one(each, f"search.{place}", faults, is_grid=order.method == "grid")
        if searched is not None:
            if searched.key in {other.key for other in order.search[:place]}:
                faults.append(Fault(field=f"search.{place}.key", code="key_twice"))
            if searched.key in changed:
                faults.append(Fault(field=f"search.{place}.key", code="set_and_searched"))
            found.append(searched)
    return tuple(found) if len(faults) == before else None


def _one(told: KeyOrder, field: str, faults: list[Fault], *, is_grid: bool) -> Searched | None:
    typed = _typed(told, is_grid=is_grid)
    if typed is not None:
        part, code = typed
        faults.append(Fault(field=f"{field}.{part}", code=code))
        return None
    try:
        searched = Searched(**msgspec.structs.asdict(parse_axis(told.pair(), most_values=MOST_TRIALS)))
    except SpaceError as error:
        part = error.part if error.part in ("key", *_PARTS[told.how]) else _PARTS[told.how][0]
        faults.append(Fault(field=f"{field}.{part}", code=error.code, places=error.numbers))
        return None
    if is_grid and not axis(searched):
        faults.append(Fault(field=f"{field}.step", code="no_step"))
        return None
    return searched


_PARTS: Final[dict[How, tuple[str, ...]]] = {
    "step": ("low", "high", "step"),
    "factor": ("low", "high", "step"),
    "values": ("values",),
}


def _typed(told: KeyOrder, *, is_grid: bool) -> tuple[str, str] | None:
    """(part, code) of the first one that is missing, too long or no number; None where all may be read."""
    try:
        kind = searchable(told.key).kind
    except SearchKeyError:
        return "key", "key"
    for part in _PARTS[told.how]:
        text = getattr(told, part).strip()
        if not text:
            # Whole numbers are walked one by one; only a drawn search needs no step.
            if part == "step" and (not is_grid or (kind == "integer" and told.how == "step")):
                continue
            return part, "missing"
        if len(text) > _LONGEST or not text.isprintable():
            return part, "list" if part == "values" else "number"
        if part != "values" and _NUMBER.fullmatch(text) is None:
            return part, "number"
    return None


def _count(text: str, field: str, faults: list[Fault]) -> int | None:
    told = text.strip()
    if not told:
        return None
    if _COUNT.fullmatch(told) is None:
        faults.append(Fault(field=field, code="count"))
        return None
    return int(told)
