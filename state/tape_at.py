"""Which tape file tells of a moment: the one whose checkpoint is the newest at or before it."""

from pathlib import Path

import msgspec

from state.records import TapeCheckpoint
from state.tape import TapeError, read_checkpoint
from state.tape_folder import list_tape
from state.times import us_from_iso


class TapePart(msgspec.Struct, frozen=True, kw_only=True):
    """A tape file and the book that it starts with."""

    path: Path
    checkpoint: TapeCheckpoint

    @property
    def begins_us(self) -> int:
        """`ts` of the checkpoint."""
        return us_from_iso(self.checkpoint.ts)


class TapeParts(msgspec.Struct, frozen=True, kw_only=True):
    """The files that a folder holds, oldest first, and what is wrong with those that cannot be read."""

    parts: tuple[TapePart, ...]
    problems: tuple[str, ...] = ()

    def at(self, ts_us: int) -> TapePart | None:
        """The file to replay for a moment; None where none begins early enough."""
        early = [part for part in self.parts if part.begins_us <= ts_us]
        return early[-1] if early else None


def tape_parts(folder: Path) -> TapeParts:
    """Read the first line of every file; of one that lies there in both forms the plain one counts. Raises OSError."""
    found: dict[tuple[str, int], TapePart] = {}
    problems = []
    for file in list_tape(folder):
        key = (file.run_id, file.number)
        if file.is_compressed and key in found:
            continue
        try:
            found[key] = TapePart(path=file.path, checkpoint=read_checkpoint(file.path))
        except (TapeError, ValueError) as error:
            problems.append(str(error))
    # A market's own time may stand still over restarts, so the wall's decides between runs of one moment.
    ordered = sorted(found.items(), key=lambda item: (item[1].begins_us, item[1].checkpoint.wall_ts, item[0]))
    return TapeParts(parts=tuple(part for _, part in ordered), problems=tuple(problems))
