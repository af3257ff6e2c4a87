"""A bot that joins with nothing but Python's standard library: the cockpit shows it, and its stop and pause work.

    python3 examples/plain_bot.py var/mybot          and then          ./bifrost status --desk mybot

It trades nothing; every few seconds it journals an order that it would have sent. `docs/file-format.md` says why.
"""
# ruff: noqa: INP001, TID251 - an example is no package, and nobody hands it a clock

import fcntl
import hashlib
import json
import os
import signal
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

folder = Path(sys.argv[1]).absolute()
journal, control, present = folder / "journal", folder / "control", folder / "snapshot.json"
run_id = f"{time.time_ns()}-{os.getpid()}"


def stamp() -> dict[str, str]:
    """What every record carries."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"ts": now, "wall_ts": now, "desk": folder.name, "run_id": run_id}


def newest() -> Path:
    """The newest segment: the number behind the day gives the order."""
    found = journal.glob("????????-*.jsonl")
    return max(found, key=lambda path: int(path.stem[9:]), default=journal / "00000000-0.jsonl")


def record(kind: str, **more: object) -> None:
    """Append one operation: chained, one write, durable."""
    said = stamp()
    body = json.dumps({"seq": head["seq"] + 1, "type": kind, **said, **more})
    line = {"seq": head["seq"] + 1, "hash": hashlib.sha256((head["hash"] + body).encode()).hexdigest()}
    segment, day = newest(), said["wall_ts"][:10].replace("-", "")
    if not segment.name.startswith(day):
        segment = journal / f"{day}-{int(segment.stem[9:]) + 1:04d}.jsonl"
    with segment.open("a") as file:
        file.write(f'{body[:-1]},"hash":"{line["hash"]}"}}\n')
        file.flush()
        os.fsync(file.fileno())
    head.update(line)


def show(state: str, asserted: set[str]) -> None:
    """Replace the snapshot: a reader sees the old one or the new one, whole."""
    shown["seq"] += 1
    paused = {"name": "paused", "ok": "pause" not in asserted, "severity": "yellow"}
    refused = {"name": "flatten_refused", "ok": "flatten" not in asserted, "severity": "red"}
    status = "blocked" if not refused["ok"] else "degraded" if not paused["ok"] else "ok"
    self_check = {"status": status, "checks": [paused, refused]}
    needed = {"schema": 1, "pid": os.getpid(), "seq": shown["seq"], "period_ms": 1000, "self_check": self_check}
    wanted = {"account_kind": "simulated", "journal_seq": head["seq"], "journal_hash": head["hash"]}
    temporary = folder / f".snapshot.json.{os.getpid()}-0.tmp"
    temporary.write_text(json.dumps({**needed, "daemon_state": state, **stamp(), **wanted}))
    temporary.replace(present)


def commands() -> set[str]:
    """What the operator asserts: the names that lie there, whatever they hold."""
    try:
        return {"stop", "pause", "flatten"} & {each.name for each in control.iterdir()}
    except OSError:
        return {"pause"}  # a folder that nobody can read must not look like permission to go on


os.umask(0o027)
journal.mkdir(parents=True, exist_ok=True)
control.mkdir(exist_ok=True)
lock = (journal / ".lock").open("w")
try:
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
except OSError:
    sys.exit(4)  # another bot writes here
for left in folder.glob(".snapshot.json.*.tmp"):
    left.unlink()  # by a writer that died
head = {"seq": 0, "hash": "0" * 64}
if newest().exists():
    lines = newest().read_bytes().splitlines(keepends=True)
    if not lines or not lines[-1].endswith(b"\n"):
        sys.exit(5)  # a torn end: somebody must look
    head = json.loads(lines[-1])
shown = json.loads(present.read_text()) if present.exists() else {"seq": 0}
signals: list[int] = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda received, _: signals.append(received))

record("run_started")
known: set[str] = set()
turn = 0
while True:
    asserted = commands()
    for command in asserted - known:
        record("control_seen", status="seen", data={"command": command})
        if command == "flatten":
            record("control_refused", status="refused", reason="holds_nothing", data={"command": command})
        else:
            record("control_done", status="done", data={"command": command})
    for command in known - asserted:
        record("control_done", status="released", data={"command": command})
    if signals or "stop" in asserted:
        code = 3 if turn == 0 and not signals else 0
        record("run_stopped", data={"exit_code": code})
        show("stopped", asserted)
        sys.exit(code)
    if turn % 10 == 5 and "pause" not in asserted:
        record("refused", instrument="XYZ", side="BUY", quantity=10, unit="share", reason="dry_run")
    show("paused" if "pause" in asserted else "running", asserted)
    known, turn = asserted, turn + 1
    time.sleep(0.5)
