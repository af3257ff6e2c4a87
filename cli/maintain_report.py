"""What `maintain` says: where its settings are from, what it will do, what it did, in text and in JSON."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cli.output import complain, say, say_json

if TYPE_CHECKING:
    from cli.options import Settings
    from state.layout import DeskPaths
    from state.maintenance import Plan, Rules, Step

_WORDS = {"compress": "compressed", "remove": "removed"}
_PARTS = {"journal": "journal segment", "audit": "audit segment", "history": "history day", "tape": "tape file"}


@dataclass(frozen=True)
class Cached:
    """What became of the query cache."""

    segments: int
    busy: bool
    problems: tuple[str, ...]


@dataclass
class Pass:
    """One run of the command: what it found to do, and what it has done so far."""

    source: str
    """Where the rules are from, in words."""
    rules: "Rules"
    plan: "Plan"
    dry_run: bool
    done: list[dict[str, Any]] = field(default_factory=list)
    cache: Cached | None = None
    interrupted: bool = False


def intention(chosen: "Settings", run: Pass) -> str:
    """The settings and the sum of what is to be done, in two lines."""
    rules = run.rules
    keep = "for ever" if rules.keep_days is None else _days(rules.keep_days)
    keep_tape = "for ever" if rules.tape_keep_days is None else _days(rules.tape_keep_days)
    return (
        f"{chosen.desk}: settings of {run.source}: compress after {_days(rules.compress_after_days)}, keep journal and "
        f"history {keep}, tape {keep_tape} and at most {_size(rules.tape_max_bytes)}\n"
        f"{chosen.desk}: {_sum_of_plan(run.plan)}"
    )


def as_object(paths: "DeskPaths", step: "Step", left_bytes: int) -> dict[str, Any]:
    """One step that was done."""
    return _planned(paths, step) | {"bytes_after": left_bytes}


def line_of(done: dict[str, Any]) -> str:
    """`compressed journal/20261101-0003.jsonl: 16.0 MiB -> 1.4 MiB`."""
    lead = f"{_WORDS[done['action']]} {done['file']}: {_size(done['bytes_before'])}"
    return lead if done["action"] == "remove" else f"{lead} -> {_size(done['bytes_after'])}"


def report(chosen: "Settings", paths: "DeskPaths", run: Pass, code: int) -> int:
    """Print what was done, or what would be; gives the exit code back."""
    if chosen.as_json:
        say_json(_whole(chosen, paths, run, code))
        return code
    for note in run.plan.notes:
        complain(f"bifrost: {note}; no journal segment is removed")
    if run.dry_run:
        say(intention(chosen, run))
        for step in run.plan.steps:
            say(f"  would {step.action} {_planned(paths, step)['file']} ({_size(step.size_bytes)})")
        return code
    say(f"{chosen.desk}: {_sum_of_done(run)}{_cache_words(run.cache)}")
    for problem in () if run.cache is None else run.cache.problems:
        complain(f"bifrost: {chosen.desk}: query cache: {problem}")
    return code


def _whole(chosen: "Settings", paths: "DeskPaths", run: Pass, code: int) -> dict[str, Any]:
    return {
        "desk": chosen.desk,
        "exit_code": int(code),
        "settings": run.source,
        "rules": run.rules,
        "dry_run": run.dry_run,
        "interrupted": run.interrupted,
        "planned": [_planned(paths, step) for step in run.plan.steps],
        "done": run.done,
        "notes": run.plan.notes,
        "cache": run.cache,
    }


def _planned(paths: "DeskPaths", step: "Step") -> dict[str, Any]:
    return {
        "action": step.action,
        "part": step.part,
        "file": str(step.path.relative_to(paths.folder)),
        "bytes_before": step.size_bytes,
    }


def _sum_of_plan(plan: "Plan") -> str:
    parts = [
        f"{action} {_count(len(sizes), _PARTS[part])} ({_size(sum(sizes))})"
        for action in ("remove", "compress")
        for part in _PARTS
        if (sizes := [step.size_bytes for step in plan.steps if (step.action, step.part) == (action, part)])
    ]
    return f"to do: {', '.join(parts)}" if parts else "nothing to do: no file is old enough to be compressed or removed"


def _sum_of_done(run: Pass) -> str:
    parts = []
    for action in ("remove", "compress"):
        for part, word in _PARTS.items():
            found = [each for each in run.done if (each["action"], each["part"]) == (action, part)]
            if not found:
                continue
            before, after = (sum(each[f"bytes_{when}"] for each in found) for when in ("before", "after"))
            sizes = _size(before) if action == "remove" else f"{_size(before)} -> {_size(after)}"
            parts.append(f"{_WORDS[action]} {_count(len(found), word)} ({sizes})")
    return f"done: {', '.join(parts)}" if parts else "done: no file compressed or removed"


def _cache_words(cache: Cached | None) -> str:
    if cache is None:
        return ""
    if cache.busy:
        return "; the query cache is just being built by another process"
    if cache.segments:
        return f"; query cache: {_count(cache.segments, 'segment')} added"
    return "; query cache: nothing to add"


def _days(days: int) -> str:
    return _count(days, "day")


def _count(number: int, words: str) -> str:
    return f"{number} {words}{'' if number == 1 else 's'}"


def _size(size_bytes: int) -> str:
    """In the unit that leaves one to four digits before the point."""
    if size_bytes < 1024:
        return f"{size_bytes} B"
    size = size_bytes / 1024
    for unit in ("KiB", "MiB"):
        if size < 1024:
            return f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"
