"""Which closed segments were already verified, so that a start can trust years of them without reading them again.

`.verified.json` beside the segments is a cache: it says of a file, known by its size, inode and times, from which
head to which head its lines were checked. A file that changed in any of these is read in full again, so deleting the
cache costs time and nothing else. It does not see a disk that changes bytes behind the file system's back; `verify`
reads every byte and never looks here.
"""

import errno
import os
from contextlib import suppress
from pathlib import Path

import msgspec

from state.anchors import Chain, read_chain
from state.atomic import replace_file
from state.chain import Head
from state.segments import Progress, Segment, list_segments, scan, unreadable
from state.undecodable import UNDECODABLE

CACHE_NAME = ".verified.json"


class _Checked(msgspec.Struct, frozen=True, kw_only=True):
    """One file whose every line was checked between two heads."""

    name: str
    size: int
    inode: int
    mtime_ns: int
    ctime_ns: int
    before: Head
    after: Head


_cache_decoder = msgspec.json.Decoder(tuple[_Checked, ...])


class CheckedUntil(msgspec.Struct, frozen=True, kw_only=True):
    """How far closed segments are known to hold: up to `head`, as noted at `noted_us` (the cache's mtime)."""

    segments: int
    head: Head
    noted_us: int


def checked_until(folder: Path) -> CheckedUntil | None:
    """What the last start of a daemon noted of the closed segments; None where nothing is noted. Never raises."""
    known = _read_cache(folder)
    try:
        noted_us = (folder / CACHE_NAME).stat().st_mtime_ns // 1000
    except OSError:
        return None
    return CheckedUntil(segments=len(known), head=known[-1].after, noted_us=noted_us) if known else None


def verify_closed(folder: Path, *, progress: Progress | None = None) -> None:
    """Raise JournalDamaged at the first damage in any segment but the last, which the writer checks when it opens it.

    A disk that cannot give a segment's bytes back (EIO) is damage too; raises OSError for any other refusal.
    """
    remembered = {each.name: each for each in _read_cache(folder)}
    known = dict(remembered)
    listed: tuple[Segment, ...] | None = None
    while True:
        try:
            found = _check(read_chain(folder), known, progress)
            break
        except FileNotFoundError as error:
            # Compressed or removed since it was listed, perhaps one after the other: look again while that goes on.
            before, listed = listed, list_segments(folder)
            if listed == before:
                raise unreadable(folder, error) from error
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            raise unreadable(folder, error) from error
    if list(found) != list(remembered) or found != remembered:
        with suppress(OSError):
            replace_file(folder / CACHE_NAME, msgspec.json.encode(tuple(found.values())), sync=False)


def _check(chain: Chain, known: dict[str, _Checked], progress: Progress | None) -> dict[str, _Checked]:
    """Every closed segment by its name; what was read is added to `known` at once."""
    head = chain.start
    found = {}
    closed = chain.segments[:-1]
    for done, segment in enumerate(closed):
        if progress is not None:
            progress(done, len(closed))
        checked = _check_one(segment, head, known.get(segment.path.name))
        found[checked.name] = known[checked.name] = checked
        head = checked.after
    if progress is not None:
        progress(len(closed), len(closed))
    return found


def _check_one(segment: Segment, head: Head, known: _Checked | None) -> _Checked:
    """The stat is taken before the reading: a change in between is then seen the next time."""
    status = segment.path.stat()
    if known is not None and known == _described(segment, status, head, known.after):
        return known
    return _described(segment, status, head, scan(segment, head, last=False).head)


def _described(segment: Segment, status: os.stat_result, before: Head, after: Head) -> _Checked:
    return _Checked(
        name=segment.path.name,
        size=status.st_size,
        inode=status.st_ino,
        mtime_ns=status.st_mtime_ns,
        ctime_ns=status.st_ctime_ns,
        before=before,
        after=after,
    )


def _read_cache(folder: Path) -> tuple[_Checked, ...]:
    """Nothing where it is missing or no cache of this version."""
    try:
        return _cache_decoder.decode((folder / CACHE_NAME).read_bytes())
    except (OSError, *UNDECODABLE):
        return ()
