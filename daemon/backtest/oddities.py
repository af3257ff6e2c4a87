"""What was odd in a run itself, beside its data: each kind once, with its count and when it was met first."""

import msgspec

from state.runs.records import Finding
from state.times import iso_from_us

CODES = {
    "halted": "the desk halted and hedged no more from then on: {detail}",
    "orders_rejected": "orders were rejected by the venue, the first one: {detail}",
    "orders_blocked": "orders did not leave, the first one: {detail}",
    "orders_cancelled": "orders were cancelled before they were filled, the first one: {detail}",
    "unknown_outcome": "nobody could tell what became of an order: {detail}",
    "core_left": "the desk stopped by itself before the data ended: {detail}",
    "never_hedged": "a hedge was wanted at {count} moments and none was ever sent; most often refused by {detail}",
    "no_net_delta": "net delta was never known: {detail}",
    "modelled_close": "sessions that end at a model's value of a leg without a quote: {count}; first: {detail}",
}
"""Code -> the line for people. The codes are documented in docs/backtest.md."""


class _Oddity(msgspec.Struct, kw_only=True):
    detail: str
    first_us: int | None
    count: int = 1


class Oddities:
    """Notes by code, in the order first met."""

    def __init__(self) -> None:
        self._noted: dict[str, _Oddity] = {}

    def note(self, code: str, detail: str, ts_us: int | None, *, count: int = 1) -> None:
        """Count one more of a kind; the first one's detail and time are kept. Raises KeyError for an unknown code."""
        known = self._noted.get(code)
        if known is not None:
            known.count += count
            return
        _ = CODES[code]
        self._noted[code] = _Oddity(detail=detail, first_us=ts_us, count=count)

    def findings(self) -> tuple[Finding, ...]:
        """One for each kind."""
        return tuple(
            Finding(
                code=code,
                text=CODES[code].format(detail=each.detail, count=each.count),
                count=each.count,
                first_ts=None if each.first_us is None else iso_from_us(each.first_us),
                detail=each.detail,
            )
            for code, each in self._noted.items()
        )
