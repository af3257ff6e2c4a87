"""Why a position may have changed without an execution: the likely cause, in words, and the command that settles it.

A suggestion and nothing more: nothing is booked by it, the desk stays blocked until the operator has spoken. Pure.

    exercise, assignment   contracts went, and the stock moved by contracts x multiplier, a call's way or a put's
    expiry                 contracts are 0 after their last trading time, the stock did not move
    split                  stock and contracts are all multiplied by one ratio of small whole numbers, in place or
                           (the strike divided by it) as another contract
    stock_dividend         the stock alone grew, by a percentage as companies declare it
    unknown                none of these: another client's trade whose execution was never told, a transfer
"""

import math
from collections.abc import Iterable, Mapping
from itertools import combinations
from typing import Literal

import msgspec

from daemon.core.instruments import TOLERANCE, InstrumentSpec, option_id

Cause = Literal["exercise", "assignment", "expiry", "split", "stock_dividend", "unknown"]

MOST_LEGS = 12
"""Subsets of this many changed legs are still tried."""
COMMON_RATIOS = (*range(2, 101), 3 / 2, 4 / 3, 5 / 4, 5 / 2, 6 / 5)
"""Splits, and by their inverse reverse splits, as they are made."""
DIVIDENDS_PCT = (*range(1, 11), 12, 15, 20)
"""Stock dividends as they are declared (25 % is the split 5 for 4). Any other growth is a transfer, not a dividend."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What probably happened. `ratio` is new over old quantity for a split or stock dividend."""

    cause: Cause
    text: str
    command: str
    """The `./bifrost book` command that makes the book whole if the operator agrees."""
    ratio: float | None = None
    exercised: tuple[str, ...] = ()
    """The legs of an exercise or assignment; others that went beside them have expired worthless."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One instrument: what the ledger expects the account to hold, and what it holds."""

    instrument: str
    expected: float
    held: float

    @property
    def jump(self) -> float:
        """Shares or contracts that came (positive) or went."""
        return self.held - self.expected


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """The facts to explain. `stock` and `legs` are what the desk manages; `positions` is all that the account holds."""

    desk: str
    ts_us: int
    stock: Change
    legs: tuple[Change, ...]
    own_shares: float
    specs: Mapping[str, InstrumentSpec]
    positions: Mapping[str, float]
    settled_at: float | None = None
    """The stock's price that decided what was in the money, USD: its last close, as far as it is known."""


def explain(account: Account) -> Explanation:
    """The first cause of the list above that fits all changes."""
    for attempt in (_exercised, _expired, _multiplied):
        found = attempt(account)
        if found is not None:
            return found
    moved = [each for each in (account.stock, *account.legs) if abs(each.jump) > TOLERANCE]
    text = ", ".join(f"{each.instrument} {each.held:g} instead of {each.expected:g}" for each in moved)
    return Explanation(cause="unknown", text=f"no execution explains {text}", command=_acknowledge(account))


def _acknowledge(account: Account, *, own_shares: float | None = None, more: str = "", why: str = "looked at") -> str:
    own = account.own_shares if own_shares is None else own_shares
    foreign = account.stock.held - own
    return f"./bifrost book acknowledge --desk {account.desk} --shares {foreign:g}{more} --reason '{why}'"


def _reduced(account: Account) -> list[Change] | None:
    """Legs that are nearer to 0 than expected; None where one has grown or turned, which neither cause does."""
    moved = [each for each in account.legs if abs(each.jump) > TOLERANCE]
    fits = all(each.jump * each.expected < 0 and abs(each.jump) <= abs(each.expected) + TOLERANCE for each in moved)
    return moved if moved and fits else None


def _is_over(account: Account, leg: Change) -> bool:
    spec = account.specs.get(leg.instrument)
    last = None if spec is None else spec.last_trade_ts_us
    return last is not None and account.ts_us >= last and abs(leg.held) <= TOLERANCE


def _is_option(account: Account, leg: Change) -> bool:
    spec = account.specs.get(leg.instrument)
    return spec is not None and spec.right is not None and spec.strike is not None


def _shares_for(account: Account, leg: Change) -> float:
    """Shares that come with these contracts: a long call's exercise brings them, a short call's assignment takes."""
    spec = account.specs[leg.instrument]
    return -leg.jump * spec.multiplier * (1.0 if spec.right == "C" else -1.0)


def _exercised(account: Account) -> Explanation | None:
    moved = _reduced(account)
    if moved is None or len(moved) > MOST_LEGS:
        return None
    inside = tuple(leg for leg in moved if _is_option(account, leg) and _inside(account, leg) > 0)
    if inside and all(_is_over(account, leg) for leg in moved) and _fits(account, inside):
        # What ended in the money, long and short: their shares may even cancel out.
        return _as_exercise(account, inside, [leg for leg in moved if leg not in inside])
    if abs(account.stock.jump) <= TOLERANCE:
        return None
    for taken in _subsets(account, [leg for leg in moved if _is_option(account, leg)]):
        rest = [leg for leg in moved if leg not in taken]
        if _fits(account, taken) and all(_is_over(account, leg) for leg in rest):
            return _as_exercise(account, taken, rest)
    return None


def _fits(account: Account, taken: Iterable[Change]) -> bool:
    """Whether the stock moved by what an exercise of these brings and takes."""
    return abs(math.fsum(_shares_for(account, leg) for leg in taken) - account.stock.jump) <= TOLERANCE


def _subsets(account: Account, legs: list[Change]) -> Iterable[tuple[Change, ...]]:
    """All legs first: the fewest are left to have expired worthless. Of as many legs, those deepest in the money."""
    for size in range(len(legs), 0, -1):
        yield from sorted(combinations(legs, size), key=lambda taken: -sum(_inside(account, leg) for leg in taken))


def _inside(account: Account, leg: Change) -> float:
    """How far a leg ended in the money, USD a share (negative: out of it); 0 where the price is not known."""
    spec = account.specs[leg.instrument]
    if account.settled_at is None or spec.strike is None:
        return 0.0
    return (account.settled_at - spec.strike) * (1.0 if spec.right == "C" else -1.0)


def _as_exercise(account: Account, taken: tuple[Change, ...], rest: Iterable[Change]) -> Explanation:
    words, causes = [], []
    for leg in taken:
        causes.append("exercise" if leg.expected > 0 else "assignment")
        spec = account.specs[leg.instrument]
        words.append(f"{causes[-1]} of {abs(leg.jump):g} {leg.instrument} at {spec.strike:g}")
    words += [f"{leg.instrument} expired" for leg in rest]
    text = "; ".join(words)
    came = account.stock.jump
    adopt = f"./bifrost book adopt --desk {account.desk} --shares {came:g} --reason '{text}'"
    return Explanation(
        cause="assignment" if "assignment" in causes else "exercise",
        text=f"{text}: {came:+g} {account.stock.instrument}",
        command=_acknowledge(account, why=text) if abs(came) <= TOLERANCE else adopt,
        exercised=tuple(leg.instrument for leg in taken),
    )


def _expired(account: Account) -> Explanation | None:
    moved = _reduced(account)
    if moved is None or abs(account.stock.jump) > TOLERANCE or not all(_is_over(account, leg) for leg in moved):
        return None
    text = ", ".join(f"{leg.instrument} expired" for leg in moved)
    return Explanation(cause="expiry", text=text, command=_acknowledge(account, why=text))


def _multiplied(account: Account) -> Explanation | None:
    everything = (account.stock, *account.legs)
    standing = [each for each in everything if abs(each.expected) > TOLERANCE]
    if not standing or any(abs(each.jump) > TOLERANCE for each in everything if each not in standing):
        return None
    first = standing[0]
    held = first.held if abs(first.held) > TOLERANCE else None
    candidates = [1 / each if inverse else each for each in COMMON_RATIOS for inverse in (False, True)]
    for ratio in candidates:
        if held is not None and all(_is_multiplied(account, each, ratio) for each in standing):
            return _as_split(account, ratio)
    if held is None or first is not account.stock or any(abs(leg.jump) > TOLERANCE for leg in account.legs):
        return None
    percent = next((each for each in DIVIDENDS_PCT if _short_of(first.expected * (1 + each / 100), first.held)), None)
    return None if percent is None or abs(first.jump) <= TOLERANCE else _as_dividend(account, percent)


def _is_multiplied(account: Account, change: Change, ratio: float) -> bool:
    """Fractions of a share or contract are paid out in cash, so that less than one may be missing."""
    wanted = change.expected * ratio
    if _short_of(wanted, change.held):
        return True
    spec = account.specs.get(change.instrument)
    if change.held != 0 or spec is None or spec.right is None or spec.strike is None or spec.expiry is None:
        return False
    other = option_id(spec.symbol, spec.expiry, spec.right, round(spec.strike / ratio, 4))
    return _short_of(wanted, account.positions.get(other, 0.0))


def _short_of(wanted: float, held: float) -> bool:
    return wanted * held > 0 and -TOLERANCE <= abs(wanted) - abs(held) < 1


def _as_split(account: Account, ratio: float) -> Explanation:
    words = f"{ratio:g} for 1" if ratio > 1 else f"1 for {1 / ratio:g}"
    return _scaled(account, "split", ratio, f"split {words}")


def _as_dividend(account: Account, percent: int) -> Explanation:
    found = _scaled(account, "stock_dividend", 1 + percent / 100, f"stock dividend of {percent} %")
    came = f"{account.stock.jump:+g} {account.stock.instrument}"
    return msgspec.structs.replace(found, text=f"{found.text}, or a transfer of {came}")


def _scaled(account: Account, cause: Literal["split", "stock_dividend"], ratio: float, text: str) -> Explanation:
    own = whole_shares(account.own_shares * ratio)
    command = _acknowledge(account, own_shares=own, more=f" --ratio {ratio:.10g}", why=text)
    gone = [leg.instrument for leg in account.legs if leg.expected != 0 and leg.held == 0]
    if gone:
        text = f"{text}; {', '.join(gone)} became another contract: name it in the profile's legs"
    return Explanation(cause=cause, text=text, command=command, ratio=ratio)


def whole_shares(shares: float) -> float:
    """Towards zero, forgiving float noise: a fraction of a share is paid out in cash."""
    return float(int(shares + (TOLERANCE if shares > 0 else -TOLERANCE)))
