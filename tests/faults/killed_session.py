"""A short trading session whose daemon is killed at one of its system calls, started again, and asked what it kept.

The market, the broker library and the venue are the real ones of the product: a simulator process that outlives the
daemon, and a desk that is long ten calls and so has to sell some 600 shares in four orders of at most 150.
"""

from dataclasses import dataclass
from pathlib import Path

from config.loader import load_profile
from state.journal_reader import read_journal
from state.records import JournalLine, JournalType
from state.segments import JournalDamaged
from tests.faults.syscalls import Call, read_calls
from tests.support.invariants import assert_invariants
from tests.support.parity import assert_parity
from tests.support.system import System, running, wait_for

PROFILE = """
extends: demo
legs:
  - {right: call, strike: 100, expiry: 2026-06-19}
ib: {port: PORT}
daemon: {period_ms: 200}
storage: {min_free_mib: 0}
execution: {session_edge_s: 0}
control: {stop_timeout_s: 2}
gates:
  intent: {hedge: {max_hedge_shares_per_order: 150}}
simulator:
  speed: 20
  positions:
    - {quantity: 10, right: call, strike: 100, expiry: 2026-06-19}
"""
SYSCALLS = ("write", "fdatasync", "fsync", "rename", "sendto", "unlink", "ftruncate")
"""What leaves a trace on the disk or on the wire: the calls to die at."""
DAEMON = "tests.faults.small_segments"
HEDGED_SHARES = 500.0
"""Own shares, sold, from which on the calls count as hedged."""
FILLS = (JournalType.FILL, JournalType.PARTIAL_FILL)


@dataclass(frozen=True)
class Left:
    """What the killed (or finished) daemon left behind, and what was known of it before anybody repaired anything."""

    exit_code: int
    calls: list[Call]
    segments: dict[str, bytes]
    seen: list[JournalLine]
    """What a follower had read while the daemon lived."""
    placed: list[str]
    """orderRef of what had reached the venue."""

    @property
    def was_killed(self) -> bool:
        return self.exit_code != 0

    @property
    def place(self) -> str:
        """The call at which it died, for a message."""
        last = [each for each in self.calls if each.moment != "entered" and each.result is None]
        return f"{last[-1].name}({last[-1].arguments[:120]}" if last else "nowhere"

    def acknowledged_bytes(self) -> dict[str, int]:
        """Segment name → bytes that a completed fdatasync had covered, by the trace."""
        written: dict[str, int] = {}
        durable: dict[str, int] = {}
        for call in self.calls:
            name = Path(call.path).name
            if not (call.has_completed and call.path.endswith(".jsonl") and "/journal/" in call.path):
                continue
            if call.name == "write" and call.result is not None:
                written[name] = written.get(name, 0) + call.result
            elif call.name in ("fdatasync", "fsync"):
                durable[name] = written.get(name, 0)
        return durable


def kill_and_recover(strace: str, root: Path, *, syscall: str | None, number: int, patience_s: float) -> Left:
    """One session: killed at the `number`-th `syscall` of a thread, restarted, stopped; fails if anything was lost.

    `syscall` None kills nothing. `patience_s`: how long the second daemon may take to finish the hedge; 0 asks it
    only to reconcile.
    """
    with running(System(root, PROFILE)) as system:
        system.start_simulator()
        left = _first_life(system, strace, syscall, number)
        if left.was_killed:
            _check_left(left)
            _second_life(system, left, patience_s)
    assert_invariants(system)
    assert_parity(system.paths, load_profile(str(system.profile)).profile)
    return left


def _first_life(system: System, strace: str, syscall: str | None, number: int) -> Left:
    log = system.root / "calls"
    tracer = [strace, "-f", "-y", "-qq", "-s", "20000", "-o", str(log), "-e", f"trace={','.join(SYSCALLS)}"]
    # The filter makes the traced daemon nearly as fast as an untraced one, but it turns injection off.
    tracer += ["--seccomp-bpf"] if syscall is None else ["-e", f"inject={syscall}:signal=SIGKILL:when={number}"]
    profile = str(system.profile)
    process = system.start("daemon", "--profile", profile, under=tuple(tracer), module=DAEMON)
    seen: list[JournalLine] = []

    def over() -> bool:
        nonlocal seen
        seen = _followed(system, seen)
        if process.poll() is not None:
            return True
        if _sold(seen) >= HEDGED_SHARES:
            (system.paths.control / "stop").touch()
        return False

    wait_for("the end of the traced daemon", over, 60)
    system.processes.pop("daemon")
    segments = {path.name: path.read_bytes() for path in sorted(system.paths.journal.glob("*.jsonl"))}
    return Left(process.returncode, read_calls(log), segments, seen, _placed(system))


def _followed(system: System, seen: list[JournalLine]) -> list[JournalLine]:
    """What a reader beside the living writer sees. It must never see damage, and never less than before."""
    now = system.lines()
    assert now[: len(seen)] == seen, "a reader saw lines that changed"
    return now


def _check_left(left: Left) -> None:
    """Before any repair: what was acknowledged stands, and no order is at the venue without its intent."""
    for name, durable in left.acknowledged_bytes().items():
        assert len(left.segments[name]) >= durable, f"{left.place}: acknowledged bytes of {name} are gone"
        assert left.segments[name][:durable].endswith(b"\n") or durable == 0
    whole = b"".join(left.segments.values())
    for order_ref in left.placed:
        intent = [row for row in whole.splitlines() if b'"type":"intent"' in row and f'"{order_ref}"'.encode() in row]
        assert len(intent) == 1, f"{left.place}: {order_ref} is at the venue, intents in the journal: {len(intent)}"


def _second_life(system: System, left: Left, patience_s: float) -> None:
    (system.paths.control / "stop").unlink(missing_ok=True)
    process = system.start("daemon", "--profile", str(system.profile), module=DAEMON)

    def reconciled() -> bool:
        assert process.poll() is None, f"{left.place}: the second daemon ended with {process.returncode}"
        mine = [line for line in _readable(system) if line.run_id.endswith(f"-{process.pid}")]
        return any(line.type is JournalType.RECONCILED for line in mine)

    wait_for(f"a reconciliation after {left.place}", reconciled, 30)
    if patience_s:
        wait_for(f"the hedge after {left.place}", lambda: _sold(system.lines()) >= HEDGED_SHARES, patience_s)
    (system.paths.control / "stop").touch()
    # 6: an intent was found whose order may or may not have left; without patience nobody can tell yet.
    assert process.wait(20) in ((0,) if patience_s else (0, 6)), f"{left.place}: the second daemon did not stop cleanly"
    del system.processes["daemon"]
    _check_kept(system, left)


def _check_kept(system: System, left: Left) -> None:
    """After recovery: every whole line that stood is there byte for byte, and every order exactly once."""
    for name, content in left.segments.items():
        whole = content[: content.rfind(b"\n") + 1]
        now = (system.paths.journal / name).read_bytes()
        assert now.startswith(whole), f"{left.place}: lines of {name} were lost or changed by recovery"
    lines = system.lines()
    assert lines[: len(left.seen)] == left.seen
    placed = _placed(system)
    assert placed[: len(left.placed)] == left.placed
    assert len(set(placed)) == len(placed), f"{left.place}: an order reached the venue twice"


def _sold(lines: list[JournalLine]) -> float:
    return sum(line.quantity or 0.0 for line in lines if line.type in FILLS)


def _placed(system: System) -> list[str]:
    return system.placed_order_refs() if (system.paths.simulator / "requests.jsonl").exists() else []


def _readable(system: System) -> list[JournalLine]:
    try:
        return list(read_journal(system.paths.journal))
    except JournalDamaged as error:
        raise AssertionError(f"damaged by a kill alone: {error}") from error
