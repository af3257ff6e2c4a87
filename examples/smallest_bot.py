"""The least that joins: a snapshot each second, a chained journal, stop and pause. Run: smallest_bot.py var/mybot."""
# ruff: noqa: INP001, TID251 - an example is no package, and nobody hands it a clock

import hashlib
import json
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

folder = Path(sys.argv[1]).absolute()
journal, control, present = folder / "journal", folder / "control", folder / "snapshot.json"
for each in (journal, control):
    each.mkdir(mode=0o750, parents=True, exist_ok=True)
segments = sorted(journal.glob("*.jsonl"), key=lambda path: int(path.stem[9:]))
head = json.loads(segments[-1].read_text().splitlines()[-1]) if segments else {"seq": 0, "hash": "0" * 64}
number = int(segments[-1].stem[9:]) + 1 if segments else 1
segment = journal / f"{datetime.now(UTC):%Y%m%d}-{number:04d}.jsonl"  # every start begins a segment
shown = json.loads(present.read_text())["seq"] if present.exists() else 0


def always() -> dict[str, str]:
    """What every record says."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return {"ts": now, "wall_ts": now, "desk": folder.name, "run_id": f"run-{os.getpid()}"}


def record(kind: str, **more: object) -> None:
    """Append one operation: its hash is over the hash before it and its own bytes, and it is on the disk."""
    body = json.dumps({"seq": head["seq"] + 1, "type": kind, **always(), **more})
    head.update(seq=head["seq"] + 1, hash=hashlib.sha256((head["hash"] + body).encode()).hexdigest())
    with segment.open("a") as file:
        file.write(f'{body[:-1]},"hash":"{head["hash"]}"}}\n')
        file.flush()
        os.fsync(file.fileno())


def show(state: str) -> None:
    """Replace the snapshot by a rename: a reader sees the old one or the new one, whole."""
    check = {"name": "paused", "ok": state != "paused", "severity": "yellow"}
    health = {"status": "ok" if check["ok"] else "degraded", "checks": [check]}
    needed = {"schema": 1, "pid": os.getpid(), "seq": shown, "period_ms": 1000, "daemon_state": state}
    temporary = folder / f".snapshot.json.{os.getpid()}-0.tmp"
    temporary.write_text(json.dumps({**needed, **always(), "self_check": health}))
    temporary.replace(present)


obeyed: set[str] = set()
record("run_started")
while "stop" not in obeyed:
    asserted = {name for name in ("stop", "pause") if (control / name).exists()}
    for command in asserted - obeyed:
        record("control_seen", status="seen", data={"command": command})
        record("control_done", status="done", data={"command": command})
    obeyed, shown = asserted, shown + 1
    show("stopped" if "stop" in obeyed else "paused" if "pause" in obeyed else "running")
    time.sleep(1)
record("run_stopped", status="stopped", reason="stop")
