"""What a run tells of itself, its progress and its findings, in the reader's language. Pure.

The files hold a sentence in English and, beside it, what it is made of. Where a writer left only the sentence, that is
shown: nothing is left out because nobody can say it.
"""

import re

from cockpit import wording
from cockpit.reader import Reader
from state.runs.records import Finding, MarketReached, Progress, TrialsEnded

_CODE = re.compile(r"[a-z][a-z0-9_]*")


def progress(told: Progress, reader: Reader) -> str:
    """`2014-06-05 14:03:00Z, 120 hedges`, `14 of 64 trials · best 812.40 (cell 7)`, or the file's own line."""
    if told.reached is not None:
        return _reached(told.reached, reader)
    if told.trials is not None:
        return _trials(told.trials, reader)
    return reader.phrase(told.text)


def _reached(reached: MarketReached, reader: Reader) -> str:
    return reader.say(
        "backtests.live.reached", when=reader.day_and_time(reached.ts), hedges=wording.shares(float(reached.hedges))
    )


def _trials(trials: TrialsEnded, reader: Reader) -> str:
    parts = [reader.say("sweeps.live.ended", ended=f"{trials.ended:,d}", total=f"{trials.total:,d}")]
    if trials.best is not None:
        parts.append(reader.say("sweeps.live.best", best=objective(trials.best), cell=trials.best_cell))
    if trials.failed:
        parts.append(reader.say("sweeps.live.failed", n=f"{trials.failed:,d}"))
    return " · ".join(parts)


def objective(value: float | None) -> str:
    """An objective in its own unit: enough digits to tell cells apart."""
    if value is None:
        return wording.DASH
    return wording.number(value, decimals=0 if abs(value) >= 10_000 else 2 if abs(value) >= 1 else 4)


def finding(told: Finding, reader: Reader) -> str:
    """One line: what was met, how often, and the first one's place and numbers."""
    sentence = "" if told.detail is None else reader.say_known("findings", told.code, "")
    if not sentence or told.detail is None:
        return told.text
    detail = _detail(told.detail, reader)
    said = sentence.format_map({"count": f"{told.count:,d}", "detail": detail})
    if not detail or "{detail}" in sentence:
        return said
    return reader.say("backtests.first_met", said=said, detail=detail)


def _detail(detail: str, reader: Reader) -> str:
    """A rule, a gate or a reason by its name; anything else as the catalogue of sentences says it."""
    return wording.rule(detail, reader) if _CODE.fullmatch(detail) else reader.phrase(detail)
