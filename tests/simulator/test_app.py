"""The simulator as a process: it serves a profile, ends on a signal, and refuses in one line."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
from ib_async import IB, Stock
from msgspec.structs import replace

from config.loader import load_profile
from config.schema import Profile
from daemon.simulator.app import SimulatorOptions, _until_stopped, run_simulator
from daemon.simulator.server import SimulatorServer
from daemon.venues.simulated.exchange import SimulatedExchange
from tests.simulator.conftest import eventually
from tests.support.ib_errors import IbErrorWatch, ib_errors
from tests.support.lean_day import write_lean_day
from tests.support.scripted_market import ScriptedMarket

__all__ = ["ib_errors"]

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from pathlib import Path
from config.loader import load_profile
from daemon.simulator.app import SimulatorOptions, _until_stopped, run_simulator
from daemon.simulator.server import SimulatorServer
from daemon.venues.simulated.exchange import SimulatedExchange
profile, folder, base, port, faults = sys.argv[1:]
options = SimulatorOptions(folder=Path(folder), base=Path(base), port=int(port),
                           faults=Path(faults) if faults else None, log_path=Path(folder) / "simulator.jsonl")
sys.exit(run_simulator(load_profile(profile).profile, options))
"""


def start(profile: Path | str, folder: Path, *, port: int = 0, faults: str = "") -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-P", "-c", CODE, str(profile), str(folder), str(folder), str(port), faults],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )


def bound_port(process: subprocess.Popen[str], folder: Path) -> int:
    deadline_s = time.monotonic() + 20
    while time.monotonic() < deadline_s and process.poll() is None:
        if (folder / "port").exists():
            return int((folder / "port").read_text())
        time.sleep(0.02)
    raise AssertionError(process.communicate(timeout=5)[1])


SCRIPT = """
faults:
  - {fault: mute, request: reqCurrentTime}
acts:
  - {act: transfer_position, id: gift, instrument: DEMO, quantity: 5}
  - {act: broadcast, id: farm, code: 2103}
"""


def rewrite(path: Path, text: str) -> None:
    path.write_text(text)


async def obeys(ib: IB, faults: Path) -> None:
    """A running simulator follows its script: a fault in force, an act done once, a bad file that changes nothing."""
    codes: list[int] = []
    ib.errorEvent += lambda _req, code, _text, _contract: codes.append(code)
    rewrite(faults, SCRIPT)
    await eventually(
        lambda: codes == [2103] and any(p.contract.symbol == "DEMO" and p.position == 5 for p in ib.positions())
    )
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ib.reqCurrentTimeAsync(), 0.1)
    rewrite(faults, "faults: [{fault: mut}]\n")
    state = faults.with_name("script.json")
    await eventually(lambda: b"'mut'" in state.read_bytes())
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(ib.reqCurrentTimeAsync(), 0.1)


async def test_the_demo_is_served_and_obeys_its_fault_script_until_a_signal(
    tmp_path: Path, ib_errors: IbErrorWatch
) -> None:
    faults = tmp_path / "faults.yaml"
    rewrite(faults, "faults: []\n")
    process = start("demo", tmp_path, faults=str(faults))
    try:
        ib = IB()
        await ib.connectAsync("127.0.0.1", bound_port(process, tmp_path), clientId=11, timeout=5, raiseSyncErrors=True)
        assert {p.contract.right: p.position for p in ib.positions()} == {"C": 10, "P": 10}
        (call,) = await ib.qualifyContractsAsync(next(p.contract for p in ib.positions() if p.contract.right == "C"))
        ticker = ib.reqMktData(call)
        async for _ in ticker.updateEvent:
            if ticker.modelGreeks is not None and ticker.bid > 0:
                break
        assert 0 < ticker.modelGreeks.delta < 1
        await obeys(ib, faults)
        end(process, signal.SIGTERM)
    finally:
        process.kill()
        process.communicate()
    assert (tmp_path / "book.json").exists()
    assert not (tmp_path / "port").exists()
    assert '"reqPositions"' in (tmp_path / "requests.jsonl").read_text()
    assert '"listening"' in (tmp_path / "simulator.jsonl").read_text()
    ib_errors.expect("disconnect|closed")


async def test_a_recorded_day_is_replayed_step_by_step(tmp_path: Path, ib_errors: IbErrorWatch) -> None:
    """A listener that answers every stamp with a probe sees every minute of the day once, then the end is marked."""
    day = write_lean_day(tmp_path / "lean")
    profile = tmp_path / "replayed.yaml"
    legs = [f"  - {{right: {leg.right}, strike: {leg.strike}, expiry: {leg.expiry}}}" for leg in day.legs]
    head = [f"underlying: {{symbol: {day.symbol}}}", "legs:", *legs, "simulator:", "  speed: 1000000"]
    profile.write_text("\n".join([*head, f"  replay: {day.spec}"]) + "\n")
    folder = tmp_path / "simulator"
    process = start(profile, folder)
    minutes: list[int] = []
    try:
        ib = IB()
        # the throttle would make a day of 390 probes last nine seconds
        ib.client.MaxRequests = 0
        await ib.connectAsync("127.0.0.1", bound_port(process, folder), clientId=1, timeout=5, raiseSyncErrors=True)
        (stock,) = await ib.qualifyContractsAsync(Stock(day.symbol, "SMART", "USD"))
        told = ib.wrapper.tickString

        def on_stamp(req_id: int, kind: int, value: str) -> None:
            told(req_id, kind, value)
            minutes.append(int(value))
            ib.client.reqCurrentTime()

        ib.wrapper.tickString = on_stamp
        ib.reqMktData(stock)
        await eventually((folder / "finished").exists, timeout_s=20)
        ib.disconnect()
        end(process, signal.SIGINT)
    finally:
        process.kill()
        process.communicate()
    assert len(minutes) == day.minutes
    assert [later - earlier for earlier, later in pairwise(minutes)] == [60] * (day.minutes - 1)


def end(process: subprocess.Popen[str], number: signal.Signals) -> None:
    """It takes a fraction of a second; a loaded machine may need more, but nobody waits for a peer or a market."""
    process.send_signal(number)
    assert process.wait(timeout=20) == 0


def test_every_refusal_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    demo, paper = load_profile("demo").profile, load_profile("paper").profile
    assert demo.simulator is not None

    def refusal(profile: Profile, *, replay: str | None = None, **options: object) -> str:
        if replay is not None:
            profile = replace(profile, simulator=replace(profile.simulator, replay=replay))
        whole = SimulatorOptions(folder=tmp_path, base=tmp_path, **options)  # type: ignore[arg-type]
        assert run_simulator(profile, whole) == 2
        text = capsys.readouterr().err
        assert text.count("\n") == 1, text
        return text

    with socket.socket() as owner:
        owner.bind(("127.0.0.1", 0))
        owner.listen()
        port = owner.getsockname()[1]
        assert f"port {port} on 127.0.0.1 is taken" in refusal(demo, port=port, log_path=tmp_path / "log")
    assert "no simulator section" in refusal(paper)
    assert "no.yaml: cannot read the fault script" in refusal(demo, faults=tmp_path / "no.yaml")
    assert "no folder" in refusal(demo, replay="lean:nowhere:DEMO:20260105")
    assert "is of OTHER, the profile's underlying is DEMO" in refusal(demo, replay="lean:nowhere:OTHER:20260105")
    assert "spans several days" in refusal(demo, replay="lean:nowhere:DEMO:20260105-20260106")
    assert "not a recorded market" in refusal(demo, replay="nonsense")
    (tmp_path / "book.json").write_text("{")
    assert "book.json: damaged" in refusal(demo)


async def test_a_market_that_dies_ends_the_process_with_1() -> None:
    market = ScriptedMarket([(50.0, 50.02)] * 3)
    steps = [market.next_step()]

    def broken() -> object:
        if steps:
            return steps.pop()
        raise ArithmeticError("a hole in the market")

    market.next_step = broken  # type: ignore[method-assign, assignment]
    async with SimulatorServer(SimulatedExchange(market), speed=1e9) as server:
        assert await _until_stopped(server, asyncio.Event()) == 1
