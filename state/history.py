"""The past in samples: one per minute of `ts` and one per own fill, a file per UTC day of `ts`."""

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from state.atomic import write_all
from state.records import HistorySample
from state.segments import day_of
from state.times import us_from_iso

_sample_decoder = msgspec.json.Decoder(HistorySample)


def append_sample(folder: Path, sample: HistorySample) -> None:
    """Append one sample, not synced. Raises OSError, ValueError for a `ts` that is no time.

    A half line that a dead writer left is ended first, so that it costs one sample and not two.
    """
    path = folder / f"{day_of(us_from_iso(sample.ts))}.jsonl"
    folder.mkdir(mode=0o750, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o640)
    try:
        size = os.fstat(descriptor).st_size
        unfinished = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        write_all(descriptor, (b"\n" if unfinished else b"") + msgspec.json.encode(sample) + b"\n")
    finally:
        os.close(descriptor)


def read_history(folder: Path, *, since_us: int | None = None, until_us: int | None = None) -> Iterator[HistorySample]:
    """Samples with `ts` in [since, until), in the order written, day by day; lines that are no sample are left out.

    Empty when there is no folder. Raises OSError for what cannot be read.
    """
    first = "" if since_us is None else day_of(since_us)
    last = "99999999" if until_us is None else day_of(until_us)
    for path in sorted(folder.glob("[0-9]*.jsonl")):
        if not first <= path.stem <= last:
            continue
        with path.open("rb") as file:
            for raw in file:
                sample = _decode(raw)
                if sample is not None and _within(sample, since_us, until_us):
                    yield sample


def _decode(raw: bytes) -> HistorySample | None:
    try:
        return _sample_decoder.decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None


def _within(sample: HistorySample, since_us: int | None, until_us: int | None) -> bool:
    try:
        ts_us = us_from_iso(sample.ts)
    except ValueError:
        return False
    return (since_us is None or ts_us >= since_us) and (until_us is None or ts_us < until_us)
