"""What a page hears of runs under way, every two seconds while there are any. Pure but for the store's files."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cockpit import wording
from cockpit.reader import Reader
from cockpit.runs import spoken, wordings
from cockpit.runs.children import Job
from cockpit.runs.store import Kind, store
from state.runs.reading import RunLook
from state.times import us_from_iso

MOST_JOBS = 3
"""Ended jobs of this cockpit that are shown: those that went wrong."""
FAILED_US = 15 * 60 * 1_000_000
"""So long after its start one that went wrong is told; its run, where there is one, stays in the list."""


def version_of(runs: Sequence[RunLook]) -> str:
    """Changes when a run comes, goes or ends, and with each twentieth of one under way: a page draws itself anew."""
    text = "\n".join(f"{run.run_id} {run.standing} {run.created_ts} {_twentieth(run)}" for run in runs)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _twentieth(run: RunLook) -> int:
    return int(run.progress.done * 20) if run.standing == "running" and run.progress is not None else 0


def live(root: Path, kind: Kind, jobs: Sequence[Job], reader: Reader, now_us: int) -> dict[str, Any]:
    """The running runs of a kind, the jobs that this cockpit started, and the version of the list."""
    runs = store.all(root, kind)
    running = [run for run in runs if run.standing == "running"]
    known = {run.progress.pid for run in runs if run.progress is not None}
    ours = [job for job in jobs if job.words[0] == kind]
    waiting = [job for job in ours if job.code is None and job.pid not in known]
    failed = [job for job in ours if job.code not in (None, 0, 130) and now_us - us_from_iso(job.began) < FAILED_US]
    return {
        "version": version_of(runs),
        "runs": [_running(run, reader, now_us) for run in running],
        "jobs": [_job(job, reader) for job in (*waiting, *failed[:MOST_JOBS])],
    }


def _running(run: RunLook, reader: Reader, now_us: int) -> dict[str, Any]:
    progress = run.progress
    if progress is None:
        return {"run_id": run.run_id, "title": run.title, "done": 0.0, "text": "", "aside": ""}
    try:
        age_ms = max(0.0, (now_us - us_from_iso(progress.updated_ts)) / 1000)
    except ValueError:
        age_ms = None
    parts = [reader.say("backtests.live.heard", age=wording.age(age_ms))]
    if progress.eta_s is not None:
        parts.append(reader.say("backtests.live.left", time=wording.age(progress.eta_s * 1000)))
    return {
        "run_id": run.run_id,
        "title": run.title,
        "done": min(1.0, max(0.0, progress.done)),
        "pct": wordings.done_pct(progress.done),
        "text": spoken.progress(progress, reader),
        "aside": " · ".join(parts),
    }


def _job(job: Job, reader: Reader) -> dict[str, Any]:
    command = " ".join(job.words[:2])
    if job.code is None:
        head = reader.say("backtests.live.starting", command=command)
    else:
        head = reader.say("backtests.live.failed", command=command, code=job.code)
    return {"number": job.number, "running": job.code is None, "head": head, "said": list(job.said)}
