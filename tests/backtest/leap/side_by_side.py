"""The same market through the core alone and through core and leaps, compared bit for bit."""

import math
import struct
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from config.schema import Profile
from daemon.backtest.assembly import assemble
from daemon.backtest.leap.leaper import Leaper
from daemon.backtest.leap.rows import REFUSALS, LeapRows, Note, unpacked
from daemon.backtest.player import Player
from daemon.core.book import Book, DayView
from daemon.core.effects import Record, RequestReconcile, Sample, StartTimer
from daemon.core.events import AnyEvent
from daemon.core.step import Stepped
from daemon.strategies.gamma_scalper.classifier import DeltaCode
from daemon.strategies.gamma_scalper.deciding import refusal_trigger
from daemon.strategies.gamma_scalper.strategy import GammaScalper
from daemon.strategies.gamma_scalper.trading_fsm import TRADING, TradingState, TradingTrigger
from state.records import JournalType
from tests.support.tick_market import TickMarket

CHECKPOINT = "the ledger is journaled"


class Moment(NamedTuple):
    """One decision moment; floats as their bits, so that nothing is equal that is not the same."""

    ts_us: int
    spot: bytes | None
    net_delta_shares: bytes | None
    own_shares: bytes
    option_value_usd: bytes | None
    state_code: str
    needed: bool
    refused: str | None
    measured: object
    limit: object


def bits(value: float | None) -> bytes | None:
    return None if value is None else struct.pack("<d", value)


def told(value: float | str | None) -> object:
    """What a rule measured, as the tables hold it: counts are floats there."""
    return value if isinstance(value, str) else bits(value)


class Log:
    """Everything that a run says. Of a moment's looks one counts, as in the decision table (`recorder`)."""

    def __init__(self, profile: Profile) -> None:
        self._report_ms = profile.daemon.reconcile_every_s * 1000
        self.moments: list[Moment] = []
        self._rank = 0
        self.effects: list[tuple[int, str]] = []
        self.transitions: list[tuple[int, str, str, str]] = []
        """(ts, from, trigger, state code) of the trading machine."""
        self.checkpoints: dict[int, str] = {}
        """Place in `effects` -> the whole ledger; of a leap's checkpoints the time alone is told."""
        self.samples: list[tuple[object, ...]] = []
        """What each minute's sample is made of."""
        self.events = 0
        self.reports = 0
        """That leaps went over."""
        self.trading = TradingState.BOOT

    def stepped(self, event: AnyEvent, before: Book, after: Stepped) -> None:
        self.events += 1
        book = after.book
        if after.decision is not None and (seen := after.decision.seen) is not None:
            self._add(
                Moment(
                    ts_us=book.ts_us,
                    spot=bits(book.day.marks.get(book.underlying)),
                    net_delta_shares=bits(seen.net_delta_shares),
                    own_shares=struct.pack("<d", book.ledger.own_shares),
                    option_value_usd=bits(option_value(book)),
                    state_code=seen.state_code,
                    needed=seen.needed,
                    refused=seen.refused,
                    measured=told(seen.measured),
                    limit=told(seen.limit),
                ),
                hedged=after.decision.wish is not None,
            )
        for effect in after.effects:
            if isinstance(effect, StartTimer) and effect.key == "feed":
                continue  # compared by the timers themselves
            data = effect.data if isinstance(effect, Record) and isinstance(effect.data, dict) else {}
            if isinstance(effect, Record) and data.get("machine") == TRADING.name:
                self.transitions.append((book.ts_us, data["from"], data["trigger"], effect.state_code or ""))
            elif isinstance(effect, Record) and effect.type == JournalType.LEDGER_CHECKPOINT:
                self.checkpoints[len(self.effects)] = repr(effect)
                self.effects.append((book.ts_us, CHECKPOINT))
            else:
                self.effects.append((book.ts_us, repr(effect)))
                if isinstance(effect, Sample) and effect.kind == "minute":
                    net = None if after.decision is None or after.decision.seen is None else after.decision.seen
                    day = book.day
                    self._sample(
                        book.ts_us,
                        day.marks.get(book.underlying),
                        day,
                        None if net is None else net.net_delta_shares,
                    )
        self.trading = book.strategy.trading

    def _sample(self, ts_us: int, spot: float | None, day: DayView | Note, net: float | None) -> None:
        sums = day.attribution
        parts = (sums.delta_usd, sums.gamma_usd, sums.theta_usd, sums.vega_usd)
        self.samples.append(
            (ts_us, bits(spot), repr(day.pnl), bits(day.equity_usd), bits(day.drawdown_pct), parts, net)
        )

    def _add(self, moment: Moment, *, hedged: bool = False) -> None:
        """The first look that sent a hedge, else the first that wanted one, else the last."""
        rank = 2 if hedged else 1 if moment.needed else 0
        if self.moments and self.moments[-1].ts_us == moment.ts_us:
            if not hedged and (rank < self._rank or self._rank == rank == 1):
                return
            if self._rank < 2:
                self.moments.pop()
        self.moments.append(moment)
        self._rank = rank

    def leapt(self, rows: LeapRows, after: Book) -> None:
        self.events += rows.events
        columns = rows.columns()
        assert rows.stop - rows.start <= rows.events
        for place in range(len(rows)):
            codes = unpacked(columns.code[place])
            ts_us, refused = int(columns.ts_us[place]), REFUSALS[columns.refused[place]]
            assert not self.moments or self.moments[-1].ts_us < ts_us
            measured, limit = float(columns.measured[place]), float(columns.limit[place])
            self._add(
                Moment(
                    ts_us=ts_us,
                    spot=bits(columns.spot[place]),
                    net_delta_shares=bits(columns.net_delta_shares[place]),
                    own_shares=struct.pack("<d", rows.own_shares),
                    option_value_usd=bits(columns.option_value_usd[place]),
                    state_code=codes.text,
                    needed=bool(columns.needed[place]),
                    refused=refused,
                    measured=None if math.isnan(measured) else bits(measured),
                    limit=None if math.isnan(limit) else bits(limit),
                )
            )
            self._move(ts_us, codes.text, _trigger(codes.d, refused))
        assert self.trading is after.strategy.trading
        for note in rows.notes:
            if note.is_report:
                self.reports += 1
                self.effects.append((note.ts_us, repr(RequestReconcile(reason="periodic"))))
                self.effects.append((note.ts_us, repr(StartTimer(key="reconcile", delay_ms=self._report_ms))))
            if note.is_checkpoint:
                self.effects.append((note.ts_us, CHECKPOINT))
            if note.is_sample:
                self.effects.append((note.ts_us, repr(Sample(kind="minute"))))
                self._sample(note.ts_us, note.spot, note, note.net_delta_shares)

    def _move(self, ts_us: int, code: str, trigger: TradingTrigger) -> None:
        """The machine's records follow from the rows: a leap does not write them."""
        after = TRADING.next(self.trading, trigger)
        if after is not self.trading:
            self.transitions.append((ts_us, self.trading.value, trigger.value, code))
        self.trading = after


def _trigger(delta: DeltaCode, refused: str | None) -> TradingTrigger:
    if refused is not None:
        return refusal_trigger(refused)
    return TradingTrigger.IN_BAND if delta is DeltaCode.IN_BAND else TradingTrigger.MINOR


def option_value(book: Book) -> float | None:
    """As the decision table's column."""
    value = 0.0
    for leg, quantity in book.ledger.leg_quantities.items():
        if quantity == 0 or leg not in book.specs:
            continue
        mark = book.day.marks.get(leg)
        if mark is None:
            return None
        value += quantity * book.specs[leg].multiplier * mark
    return value


class FeedOf:
    """A market as a feed."""

    def __init__(self, market: TickMarket, clock_every_ms: int | None) -> None:
        self.market = market
        self.clock_every_ms = clock_every_ms
        self.spec = self.description = self.data_hash = "ticks"

    def findings(self) -> tuple[Any, ...]:
        return ()

    def done(self) -> float:
        return 0.0


class Scenario(NamedTuple):
    """One profile over one market, which can be made as often as it is wanted."""

    profile: Profile
    market: Callable[[], TickMarket]
    clock_every_ms: int | None = None


class Compared(NamedTuple):
    """What was compared, to say that it was enough."""

    ticks: int
    leapt: int
    moments: int
    effects: int
    books: int
    hedges: int
    refused: int
    reports: int
    """Of the account, leapt over."""
    ends: Counter[str]


def run(scenario: Scenario, *, leaping: bool) -> tuple[Player, Log, TickMarket, Leaper | None]:
    """A player that has not started."""
    log, market = Log(scenario.profile), scenario.market()
    feed = FeedOf(market, scenario.clock_every_ms)
    player = assemble(scenario.profile, GammaScalper(scenario.profile), feed, log)  # type: ignore[arg-type]
    leaper = Leaper(player, market, scenario.profile, log) if leaping else None
    return player, log, market, leaper


def compare(scenario: Scenario) -> Compared:
    """Step both in turn; raise AssertionError at the first difference."""
    slow, slow_log, slow_market, _ = run(scenario, leaping=False)
    fast, fast_log, fast_market, leaper = run(scenario, leaping=True)
    assert leaper is not None
    assert slow.start() == fast.start()
    books = 0
    while True:
        taken = leaper.leap()
        for _ in range(taken):
            assert slow.advance()
        if timers(slow) != timers(fast):  # the leap has gone on to a timer before the next tick
            slow._pass_time(fast.time.now_us() + 1)
        if timers(slow) == timers(fast) and slow.time.now_us() == fast.time.now_us():
            same(slow, fast)
            books += 1
        went = slow.advance()
        assert went == fast.advance()
        if taken:
            same(slow, fast)
            books += 1
        assert slow_market.place == fast_market.place
        if not went:
            break
    same(slow, fast)
    for ours, theirs in zip(slow_log.moments, fast_log.moments, strict=False):
        assert ours == theirs
    assert len(slow_log.moments) == len(fast_log.moments)
    assert slow_log.effects == fast_log.effects
    assert slow_log.samples == fast_log.samples
    for place, text in fast_log.checkpoints.items():
        assert slow_log.checkpoints[place] == text
    assert slow_log.transitions == fast_log.transitions
    assert slow_log.events == fast_log.events
    return Compared(
        ticks=len(slow_market),
        leapt=leaper.quotes,
        moments=len(slow_log.moments),
        effects=len(slow_log.effects),
        books=books + 1,
        hedges=sum("PlaceOrder" in text for _, text in slow_log.effects),
        refused=sum(moment.refused is not None for moment in slow_log.moments),
        reports=fast_log.reports,
        ends=leaper.ends,
    )


def timers(player: Player) -> list[tuple[int, int] | None]:
    """When the timers that a leap fires are due, and in which turn."""
    return [player.timers.due(key) for key in ("feed", "reconcile")]


def same(slow: Player, fast: Player) -> None:
    """Books, timers, time and the exchange's account: not only equal but written alike (-0.0 is not 0.0)."""
    if repr(slow.book) != repr(fast.book):
        raise AssertionError("\n".join(differences(slow.book, fast.book)))
    assert slow.time.now_us() == fast.time.now_us()
    assert slow.timers.next_us() == fast.timers.next_us()
    assert timers(slow) == timers(fast)
    assert repr(slow.venue.account_values()) == repr(fast.venue.account_values())


def differences(ours: Any, theirs: Any, path: str = "book") -> list[str]:
    """Every field that is not written alike."""
    if repr(ours) == repr(theirs):
        return []
    if isinstance(ours, msgspec.Struct) and type(ours) is type(theirs):
        return [
            line
            for name in ours.__struct_fields__
            for line in differences(getattr(ours, name), getattr(theirs, name), f"{path}.{name}")
        ]
    if isinstance(ours, tuple) and isinstance(theirs, tuple) and len(ours) == len(theirs):
        return [
            line
            for place, (one, other) in enumerate(zip(ours, theirs, strict=True))
            for line in differences(one, other, f"{path}[{place}]")
        ]
    return [f"{path}: core {ours!r}, leap {theirs!r}"]
