"""The folder itself: names, permissions, what lies in `control/`, what dead writers left behind."""

import os
import re
import stat
from pathlib import Path

from state.anchors import ANCHORS_NAME
from state.control import read_control, read_requests
from state.doctor.findings import Findings
from state.segments import list_segments

_KNOWN = frozenset(
    ("snapshot.json", "journal", "history", "tape", "control", "audit", "logs", "reports", "simulator", "cache")
)
"""Of the contract, and what our own programs keep beside it. The alerts' files come with the operations work."""
_PATTERNS = {
    "history": re.compile(r"\d{8}\.jsonl(\.gz)?"),
    "tape": re.compile(r"[A-Za-z0-9_.-]+-\d{4,}\.jsonl(\.gz)?"),
}
_TORN = re.compile(r".*\.jsonl\.torn-\d+(\.\d+)?")
_STALE_US = 60 * 1_000_000
_REQUEST_OLDEST_MS = 60_000.0
_MEANING = {"stop": "a stop", "pause": "a pause", "flatten": "a flatten"}


def examine_folder(folder: Path, wall_us: int, findings: Findings) -> None:
    """Names and permissions of everything two levels deep; `wall_us` tells a stale temporary from one in use."""
    _examine_mode(folder, ".", findings)
    for entry in sorted(folder.iterdir()):
        if _is_temporary(entry, wall_us, entry.name, findings):
            continue
        if entry.name not in _KNOWN and not entry.name.startswith("."):
            _examine_stranger(entry.name, findings)
            continue
        _examine_mode(entry, entry.name, findings)
        if entry.is_dir() and entry.name in ("journal", "audit", "history", "tape"):
            _examine_inside(entry, wall_us, findings)


def _examine_stranger(name: str, findings: Findings) -> None:
    """What the contract does not name: what a salvage leaves, and what is nobody's business."""
    if name == "journal.salvaging":
        remedy = "run ./bifrost salvage again: it goes on where it was cut short"
        findings.fault(name, "a salvage was cut short, and no daemon starts while it is there", remedy)
    elif name.startswith("journal.damaged-"):
        findings.info(name, "a damaged journal that a salvage put aside; nothing removes it")
    else:
        findings.info(name, "is not part of the contract; readers leave it alone")


def _examine_inside(folder: Path, wall_us: int, findings: Findings) -> None:
    try:
        names = sorted(path.name for path in folder.iterdir())
        known = {segment.path.name for segment in list_segments(folder)} | {ANCHORS_NAME}
    except OSError as error:
        findings.fault(folder.name, f"cannot be listed: {error.strerror}", "let the cockpit's user read and enter it")
        return
    pattern = _PATTERNS.get(folder.name)
    for name in names:
        path, shown = folder / name, f"{folder.name}/{name}"
        if _TORN.fullmatch(name):
            findings.warning(
                shown, "keeps the end of an append that a crash cut short", "look at it once; then move or remove it"
            )
        elif _is_temporary(path, wall_us, shown, findings):
            continue
        elif name in known or (pattern is not None and pattern.fullmatch(name)):
            _examine_mode(path, shown, findings)
        elif pattern is None and name.endswith(".gz") and name.removesuffix(".gz") in known:
            findings.warning(shown, "compressing it was interrupted; the plain file counts", "run ./bifrost maintain")
        elif not name.startswith("."):
            wanted = "20261121-0001.jsonl" if pattern is None else "20261121.jsonl" if folder.name == "history" else ""
            remedy = f"name it like {wanted}, or move it away" if wanted else "name it <run_id>-0001.jsonl"
            findings.warning(shown, "is not named as the contract says, so no reader opens it", remedy)


def _examine_mode(path: Path, shown: str, findings: Findings) -> None:
    """Who may write here may command; who may not read sees nothing. Links are looked through."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        findings.fault(shown, f"cannot be looked at: {error.strerror}", "remove the broken link, or mend the rights")
        return
    if mode & stat.S_IWOTH:
        who = "command this desk" if shown in ("control", ".") else "change it"
        severity = findings.fault if shown in ("control", ".") else findings.warning
        severity(shown, f"is world-writable: anybody on this machine may {who}", f"chmod o-w {shown}; umask 027")
    wanted = os.R_OK | os.X_OK if stat.S_ISDIR(mode) else os.R_OK
    if not mode & (stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH) or not os.access(path, wanted):
        findings.fault(shown, "may not be read by who looks now", f"chmod g+rX {shown}, and share the group")


def _is_temporary(path: Path, wall_us: int, shown: str, findings: Findings) -> bool:
    """Whether it is what an atomic writer leaves; one that nobody uses any more is told."""
    if not (path.name.startswith(".") and path.name.endswith((".tmp", ".tmp.gz"))):
        return False
    try:
        age_us = wall_us - path.stat().st_mtime_ns // 1000
    except OSError:
        return True
    if age_us > _STALE_US:
        remedy = "remove it; a writer removes those of dead ones at its start"
        findings.warning(shown, f"is a temporary file that lies there for {age_us // 1_000_000} s", remedy)
    return True


def examine_control(folder: Path, wall_us: int, findings: Findings) -> None:
    """What the operator asserts, and what lies there that no reader can make sense of."""
    control = folder / "control"
    if not control.is_dir():
        findings.fault(
            "control", "is missing: that counts as a pause, and nobody can stop the desk", "mkdir -m 750 control"
        )
        return
    read = read_control(control, wall_us)
    if not read.readable:
        findings.fault("control", "cannot be listed: that counts as a pause", "let the bot's user read and enter it")
    findings.ok("control", "can be listed; stop, pause and flatten reach the desk")
    for name in read.unknown_names:
        findings.warning(
            f"control/{name}", "is no command; only stop, pause and flatten are", "remove it, or name it right"
        )
    for name, asserted in read.files.items():
        if asserted.readable:
            by = f" by {asserted.by}" if asserted.by else ""
            findings.info(f"control/{name}", f"{_MEANING[name]} stands{by}, for {asserted.age_ms / 1000:.0f} s")
        elif name == "flatten":
            remedy = "empty it, or write a note as JSON; then touch it again"
            findings.warning("control/flatten", "is neither empty nor a note: it pauses and is refused", remedy)
        else:
            findings.info(f"control/{name}", f"{_MEANING[name]} stands, whatever its content is")
    for request in read_requests(control / "requests", wall_us):
        _examine_request(request.name, request.age_ms, request.problem, findings)


def _examine_request(name: str, age_ms: float, problem: str | None, findings: Findings) -> None:
    shown = f"control/requests/{name}"
    if problem is not None:
        findings.warning(shown, problem.partition(": ")[2] or problem, "remove it; the desk refuses it as well")
    elif age_ms > _REQUEST_OLDEST_MS:
        findings.warning(shown, f"waits for {age_ms / 1000:.0f} s and will be refused", "remove it, and ask again")
