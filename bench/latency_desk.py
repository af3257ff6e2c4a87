"""The two contestants as processes: our daemon on a desk of its own, and the bare script."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from bench.latency_market import CALL, START_DATE, SYMBOL
from state.layout import DeskPaths

CHECKOUT = Path(__file__).resolve().parent.parent
CLIENT_ID = 21
PROFILE = f"""
desk: bench
underlying: {{symbol: {SYMBOL}}}
legs:
  - {{right: call, strike: {CALL.strike:g}, expiry: 2026-06-19}}
ib: {{port: PORT, client_id: {CLIENT_ID}}}
greeks: {{risk_free_rate: 0.04, volatility: 0.6}}
gates:
  state:
    delta: {{epsilon_band: 2, threshold_hedge_shares: 5, max_delta_limit: 2000}}
    market: {{stale_ts_threshold_ms: 600000}}
    system: {{data_lag_threshold_ms: 5000}}
  intent:
    hedge: {{min_hedge_shares: 3, cooldown_seconds: 0, min_price_move_pct: 0, max_hedge_shares_per_order: 2000}}
  guard: {{risk: {{max_daily_hedge_count: 100000, max_daily_loss_usd: 1000000, max_drawdown_pct: 99,
                  max_orders_per_minute: 100000, max_order_value_usd: 10000000}}}}
execution: {{session_edge_s: 0, cancel_before_close_s: 0}}
simulator:
  account: DU0000021
  cash_usd: 1000000
  synthetic: {{start_date: {START_DATE}}}
"""


class Contestant:
    """A process that answers quotes with orders. Ended by its id."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        folder.mkdir(parents=True, exist_ok=True)
        self._log = folder / f"{name}.log"
        environment = os.environ | {"PYTHONPATH": str(CHECKOUT), "BIFROST_RUN_DIR": str(folder / "run")}
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603 our own modules, named here
                [sys.executable, "-P", "-m", *command],
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def died(self) -> str | None:
        """What it said when it is not alive any more."""
        return None if self.process.poll() is None else self._log.read_text()[-2000:]

    def cpu_s(self) -> float:
        """Processor seconds that it has used."""
        used = psutil.Process(self.process.pid).cpu_times()
        return float(used.user + used.system)

    def end(self) -> None:
        """SIGTERM, then force."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(10)


class BareScript(Contestant):
    """`bench.latency_bare`."""

    def __init__(self, port: int, folder: Path) -> None:
        super().__init__("bare ib_async", ["bench.latency_bare", "--port", str(port)], folder)


class Desk(Contestant):
    """`bifrost daemon` on a fresh desk under `folder`."""

    def __init__(self, port: int, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        profile = folder / "bench.yaml"
        profile.write_text(PROFILE.replace("PORT", str(port)))
        self.paths = DeskPaths(folder / "var", "bench")
        super().__init__("bifrost", ["cli", "daemon", "--profile", str(profile), "--root", str(folder / "var")], folder)

    def touch_to_seen_ms(self, name: str) -> float:
        """Touch a control file; milliseconds until its `control_seen` line can be read in the journal."""
        segment = max(self.paths.journal.glob("*.jsonl"))
        with segment.open("rb") as journal:
            journal.seek(0, os.SEEK_END)
            started = time.perf_counter()
            (self.paths.control / name).touch()
            seen = _until(lambda: b'"control_seen"' in journal.read(), 5.0)
        return (seen - started) * 1000

    def release(self, name: str) -> None:
        """Remove the control file again."""
        (self.paths.control / name).unlink()


def _until(condition: Callable[[], bool], timeout_s: float) -> float:
    """Look as often as the machine can; the time at which it held. Raises TimeoutError."""
    end = time.perf_counter() + timeout_s
    while time.perf_counter() < end:
        if condition():
            return time.perf_counter()
    raise TimeoutError("the daemon did not see the control file")
