"""Plays a believable desk into a folder with the real writers of `state`, so that the cockpit has something to show.

For tests (`DeskPlayer` as a value with small verbs) and for looking at pages by hand:

    PYTHONPATH=. .venv/bin/python -P -m tests.support.desk_player var green --desk demo

It writes what a daemon writes and obeys the three control files; it trades nothing.
"""

import argparse
import math
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Self

import msgspec

from state.control import ControlRead, read_control, release_command
from state.history import append_sample
from state.journal import JournalWriter
from state.layout import DeskPaths
from state.records import (
    SCHEMA_VERSION,
    Check,
    ControlMark,
    GammaScalperState,
    Greeks,
    HistorySample,
    InstrumentQuote,
    JournalLine,
    JournalType,
    LatencyMs,
    Leg,
    Limit,
    PnlParts,
    Position,
    Posture,
    SelfCheck,
    SessionState,
    Snapshot,
    WorkingOrder,
)
from state.snapshot import write_snapshot
from state.times import iso_from_us, us_from_iso

Mood = Literal["green", "yellow", "red"]
MARKET_START_US = us_from_iso("2014-06-05T13:30:00+00:00")
RUN_ID = "20140605T133000-4242"


def wall_us() -> int:
    """The machine's clock: what a daemon's `wall_ts` is made of."""
    return time.time_ns() // 1000  # noqa: TID251 - plays the daemon, whose files carry the wall's time


def curve(minute: float) -> float:
    """Equity in USD: a day that goes somewhere, without randomness."""
    return (
        100_000
        + 9.0 * minute
        + 420 * math.sin(minute / 23)
        + 160 * math.sin(minute / 5.3 + 1)
        - 900 * math.exp(-(((minute - 150) / 30) ** 2))
    )


class DeskPlayer:
    """One desk's daemon, as far as its files go. `mood` is what its self check finds."""

    def __init__(self, root: Path, desk: str = "demo", *, period_ms: int = 1000, minutes: int = 200) -> None:
        self.paths = DeskPaths(root, desk)
        self.paths.create()
        self.desk = desk
        self.period_ms = period_ms
        self.minute = float(minutes)
        self.mood: Mood = "green"
        self.seq = 0
        self.own_shares = 240.0
        self.account_kind: Literal["paper", "live", "simulated"] = "simulated"
        self.instrument = "TWX"
        self.extra_checks: tuple[Check, ...] = ()
        self.market_open = True
        self.working: tuple[WorkingOrder, ...] = ()
        self.stopped = False
        self.obeys = True
        self.flatten_choices: tuple[float, ...] = ()
        self.posture = Posture(name="ACTIVE")
        self._peak = 0.0
        self._drawdown_pct = 0.0
        self._known: dict[str, int] = {}
        self._journal = JournalWriter(self.paths.journal, wall_us=wall_us)
        self._journal.open()
        for minute in range(minutes):
            self.sample(minute)

    # --- the writers ---

    def ts(self) -> str:
        return iso_from_us(MARKET_START_US + int(self.minute * 60_000_000))

    def record(self, kind: JournalType, **fields: Any) -> JournalLine:
        line = JournalLine(
            seq=self._journal.next_seq,
            ts=fields.pop("ts", self.ts()),
            wall_ts=iso_from_us(wall_us()),
            type=kind,
            desk=self.desk,
            run_id=RUN_ID,
            **fields,
        )
        self._journal.append([line])
        return line

    def sample(
        self, minute: float, kind: Literal["minute", "fill"] = "minute", data: dict[str, Any] | None = None
    ) -> None:
        equity = curve(minute)
        self._peak = max(self._peak, equity)
        self._drawdown_pct = (self._peak - equity) / self._peak * 100
        append_sample(
            self.paths.history,
            HistorySample(
                schema=SCHEMA_VERSION,
                kind=kind,
                desk=self.desk,
                run_id=RUN_ID,
                ts=iso_from_us(MARKET_START_US + int(minute * 60_000_000)),
                wall_ts=iso_from_us(wall_us()),
                equity_usd=round(equity, 2),
                daily_pnl_usd=round(equity - 100_000, 2),
                drawdown_pct=round(self._drawdown_pct, 4),
                underlying_price=70 + math.sin(minute / 30),
                net_delta_shares=3.2,
                own_shares=self.own_shares,
                hedges_today=int(minute // 12),
                light=self.mood,
                data=data,
            ),
        )

    def write(self, *, age_s: float = 0.0, control: ControlRead | None = None) -> Snapshot:
        """Write the snapshot of now, or of `age_s` ago."""
        self.seq += 1
        snapshot = self.snapshot(wall=wall_us() - int(age_s * 1e6), control=control)
        write_snapshot(self.paths.snapshot, snapshot, sync=False)
        return snapshot

    def tick(self) -> None:
        """One period: market time moves, commands are obeyed, the files follow."""
        self.minute += 0.25
        if self.minute == int(self.minute):
            self.sample(self.minute)
        control = read_control(self.paths.control, wall_us())
        if self.obeys:
            self._obey(control)
            control = read_control(self.paths.control, wall_us())
        self.write(control=control)

    def _obey(self, control: ControlRead) -> None:
        for name, file in control.files.items():
            if self._known.get(name) == file.since_us:
                continue
            self._known[name] = file.since_us
            data = {"command": name, "by": file.by, "since_us": file.since_us, "readable": file.readable}
            self.record(JournalType.CONTROL_SEEN, status="seen", reason=file.reason, data=data)
            if name != "pause":
                self.record(JournalType.CONTROL_STARTED, status="started", reason=name, data={"command": name})
            done: dict[str, Any] = {"command": name}
            if name == "flatten":
                self.own_shares, self.working = 0.0, ()
                done["residual_option_delta_shares"] = -236.8
            self.record(JournalType.CONTROL_DONE, status="done", reason=name, data=done)
            if name == "flatten":
                (self.paths.control / "pause").touch()
                release_command(self.paths.control, "flatten")
            self.stopped = self.stopped or name == "stop"
        for gone in [known for known in self._known if known not in control.files]:
            del self._known[gone]
            self.record(JournalType.CONTROL_DONE, status="released", data={"command": gone})
            if gone == "stop":
                self.stopped = False

    # --- the content ---

    def checks(self) -> tuple[Check, ...]:
        found = [
            Check(name="link", ok=True, severity="red", measured="SYNCED", limit="SYNCED"),
            Check(name="journal", ok=True, severity="red"),
            Check(name="loop_age_ms", ok=True, severity="red", measured=4.1, limit=3000.0),
            Check(name="closed_delta", ok=True, severity="yellow", measured=3.2, limit=25.0),
            Check(name="posture", ok=True, severity="red", measured="ACTIVE", limit="ACTIVE"),
        ]
        if self.mood == "yellow":
            found.append(
                Check(name="spread_near", ok=False, severity="yellow", measured=0.31, limit=0.1, reason="spread_wide")
            )
        if self.mood == "red":
            found += [
                Check(name="quote_age", ok=False, severity="red", measured=14_210.0, limit=5000.0, reason="stale"),
                Check(name="data_lag", ok=False, severity="red", measured=2150.0, limit=1000.0, reason="data_lag"),
            ]
        return (*found, *self.extra_checks)

    def _self_check(self) -> SelfCheck:
        checks = self.checks()
        failed = [check for check in checks if not check.ok]
        red = tuple(check.reason for check in failed if check.severity == "red" and check.reason is not None)
        return SelfCheck(status="blocked" if red else "degraded" if failed else "ok", block_reasons=red, checks=checks)

    def snapshot(self, *, wall: int, control: ControlRead | None = None) -> Snapshot:
        equity = round(curve(self.minute), 2)
        self._peak = max(self._peak, equity)
        drawdown = round((self._peak - equity) / self._peak * 100, 4)
        price = round(70 + math.sin(self.minute / 30), 2)
        hedges = int(self.minute // 12)
        marks = tuple(
            ControlMark(name=name, since=iso_from_us(file.since_us), by=file.by, reason=file.reason)
            for name, file in (control.files.items() if control is not None else ())
        )
        return Snapshot(
            schema=SCHEMA_VERSION,
            desk=self.desk,
            run_id=RUN_ID,
            pid=4242,
            seq=self.seq,
            ts=self.ts(),
            wall_ts=iso_from_us(wall),
            period_ms=self.period_ms,
            daemon_state="stopped" if self.stopped else "running",
            self_check=self._self_check(),
            profile="recorded_day",
            profile_hash="9f2c",
            account="DU0000001",
            account_kind=self.account_kind,
            version="0.1.0",
            journal_seq=self._journal.head[0],
            journal_hash=self._journal.head[1],
            link_state="SYNCED",
            client_id=11,
            session=SessionState(
                is_open=self.market_open,
                until="2014-06-05T20:00:00.000000Z" if self.market_open else "2014-06-06T13:30:00.000000Z",
                session_date="2014-06-05",
            ),
            posture=self.posture,
            instruments=(
                InstrumentQuote(
                    symbol=self.instrument,
                    kind="stock",
                    bid=price - 0.01,
                    ask=price + 0.01,
                    last=price,
                    spread_pct=0.0285,
                    quote_age_ms=310.0,
                ),
            ),
            own_shares=self.own_shares,
            target_shares=236.8,
            flatten_choices_shares=self.flatten_choices,
            foreign_shares=100.0,
            account_net_delta_shares=103.2,
            positions=self._positions(price),
            working_orders=self.working,
            equity_usd=equity,
            daily_pnl_usd=round(equity - 100_000, 2),
            drawdown_pct=drawdown,
            pnl_parts=PnlParts(
                realised_usd=812.4,
                unrealised_usd=-90.1,
                legs_usd=340.0,
                commission_usd=16.0,
                total_usd=1046.3,
                delta_usd=84.2,
                gamma_usd=1310.75,
                theta_usd=-402.6,
                vega_usd=88.4,
                slippage_usd=12.9,
                other_usd=-5.55,
                wear_per_10k=-18.4,
            ),
            counters={
                "hedges_today": hedges,
                "refused_today": {"cooldown": 7, "min_price_move": 3},
                "fills_today": hedges,
            },
            limits=(
                Limit(name="daily_loss_usd", used=0.0, limit=5000.0),
                Limit(name="drawdown_pct", used=drawdown, limit=6.0),
                Limit(name="max_daily_hedge_count", used=float(hedges), limit=50.0),
                Limit(name="max_position_shares", used=abs(self.own_shares), limit=2000.0),
                Limit(name="max_delta_limit", used=3.2, limit=500.0),
            ),
            latency_ms=LatencyMs(p50=3.1, p95=7.4, p99=12.0),
            control=marks,
            loop_age_ms=4.1,
            strategy=msgspec.to_builtins(self._strategy(price)),
        )

    def _positions(self, price: float) -> tuple[Position, ...]:
        held = (
            Position(
                instrument=self.instrument,
                own=self.own_shares,
                foreign=100.0,
                price=price,
                value_usd=round((self.own_shares + 100) * price, 2),
                pnl_usd=722.3,
            ),
            Position(
                instrument="TWX 20140719 C70", own=10.0, foreign=0.0, price=2.115, value_usd=2115.0, pnl_usd=-210.0
            ),
            Position(instrument="TWX 20140719 P70", own=10.0, foreign=0.0, price=2.46, value_usd=2460.0, pnl_usd=550.0),
            Position(instrument="IBM", own=0.0, foreign=25.0, price=186.37, value_usd=4659.25, pnl_usd=None),
        )
        return tuple(position for position in held if position.own != 0 or position.foreign != 0)

    def _strategy(self, price: float) -> GammaScalperState:
        return GammaScalperState(
            name="gamma_scalper",
            trading_state="MONITOR",
            hedge_state="EXEC_IDLE",
            state_code="O1 D0 M1 L0 E0 S0",
            words=f"Watching {self.instrument}: net delta +3.2 shares is inside the band of ±10, no hedge is needed.",
            legs=(
                Leg(
                    instrument="TWX 20140719 C70",
                    right="C",
                    strike=70.0,
                    expiry="2014-07-19",
                    quantity=10.0,
                    price=2.115,
                    implied_volatility=0.347,
                    delta_shares=531.4,
                    gamma=71.2,
                    theta_usd_day=-33.12,
                    vega=92.4,
                    moneyness_pct=round((price / 70 - 1) * 100, 2),
                    value_usd=2115.0,
                    pnl_usd=-210.0,
                ),
                Leg(
                    instrument="TWX 20140719 P70",
                    right="P",
                    strike=70.0,
                    expiry="2014-07-19",
                    quantity=10.0,
                    price=2.46,
                    implied_volatility=0.352,
                    delta_shares=-768.2,
                    gamma=71.2,
                    theta_usd_day=-30.5,
                    vega=92.4,
                    moneyness_pct=round((1 - price / 70) * 100, 2),
                    value_usd=2460.0,
                    pnl_usd=550.0,
                ),
            ),
            greeks=Greeks(net_delta_shares=3.2, gamma=142.4, theta_usd_day=-63.62, vega=184.8),
        )

    # --- a day's operations, for the journal's page ---

    def tell_a_day(self) -> None:
        """Three hedges, a refusal with its numbers, a reject: what a quiet day leaves behind."""
        self.record(JournalType.RUN_STARTED, status="running", reason="profile recorded_day")
        for number, minute in enumerate((12.0, 47.0, 96.0), start=1):
            self._tell_hedge(number, minute)
        rules = {
            "cooldown": {"ok": False, "measured": 22.4, "limit": 60.0, "unit": "s", "waived": False},
            "min_price_move": {"ok": False, "measured": 0.11, "limit": 0.2, "unit": "%", "waived": False},
            "max_position": {"ok": True, "measured": 240.0, "limit": 2000.0, "unit": "shares", "waived": False},
        }
        self.record(
            JournalType.REFUSED,
            instrument=self.instrument,
            side="SELL",
            quantity=26.0,
            unit="share",
            reason="cooldown",
            state_code="O1 D2 M1 L0 E0 S0",
            data={"rules": rules},
        )
        self.record(
            JournalType.INTENT,
            intent_id=f"{RUN_ID}-4",
            order_ref=f"{self.desk}.k3x9.4",
            instrument=self.instrument,
            side="SELL",
            quantity=31.0,
            unit="share",
            reason="net delta +31.2",
            state_code="O1 D2 M1 L0 E0 S0",
        )
        self.record(
            JournalType.REJECTED,
            intent_id=f"{RUN_ID}-4",
            order_ref=f"{self.desk}.k3x9.4",
            instrument=self.instrument,
            side="SELL",
            quantity=31.0,
            unit="share",
            status="rejected",
            reason="201: Order rejected - reason: the account has <b>no</b> trading permission",
        )

    def _tell_hedge(self, number: int, minute: float) -> None:
        names = {"intent_id": f"{RUN_ID}-{number}", "order_ref": f"{self.desk}.k3x9.{number}"}
        at = MARKET_START_US + int(minute * 60_000_000)
        order: dict[str, Any] = {
            **names,
            "instrument": self.instrument,
            "side": "BUY" if number % 2 else "SELL",
            "unit": "share",
            "quantity": 28.0 + number,
        }
        steps: tuple[tuple[JournalType, dict[str, Any]], ...] = (
            (
                JournalType.INTENT,
                {"reason": f"net delta {28.2 + number:.1f} beyond 25", "state_code": "O1 D2 M1 L0 E0 S0"},
            ),
            (JournalType.ORDER_SENT, {"status": "sent", "latency_ms": 3.4}),
            (JournalType.ORDER_ACKED, {"status": "working"}),
            (JournalType.FILL, {"status": "filled", "price": 70.0 + number / 8, "ccy": "USD"}),
            (JournalType.COMMISSION, {"price": 1.0, "ccy": "USD"}),
        )
        for index, (kind, more) in enumerate(steps):
            self.record(kind, ts=iso_from_us(at + index * 40_000), **{**order, **more})
        self.sample(minute, "fill", {"side": order["side"], "quantity": order["quantity"], "price": 70.0 + number / 8})

    def close(self) -> None:
        self._journal.close()


class PlayingDesk:
    """A desk that ticks in its own thread until it is left. `play` may change the player under the lock."""

    def __init__(self, player: DeskPlayer, *, every_s: float = 0.5) -> None:
        self.player = player
        self.every_s = every_s
        self.frozen = threading.Event()
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="desk player", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(timeout=5)

    def change(self, act: Callable[[DeskPlayer], None]) -> None:
        with self._lock:
            act(self.player)

    def _run(self) -> None:
        while not self._ended.wait(self.every_s):
            with self._lock:
                # A stopped daemon has exited: its last snapshot stands until it is started again.
                held = self.player.stopped and (self.player.paths.control / "stop").exists()
                if not self.frozen.is_set() and not held:
                    self.player.stopped = False
                    self.player.tick()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("root", type=Path)
    parser.add_argument("mood", choices=("green", "yellow", "red"))
    parser.add_argument("--desk", default="demo")
    asked = parser.parse_args()
    player = DeskPlayer(asked.root, asked.desk)
    player.mood = asked.mood
    player.tell_a_day()
    with PlayingDesk(player):
        sys.stdout.write(f"playing {player.paths.folder}; Ctrl-C ends it\n")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
