"""Which tape files a spec means, in the order in which their market went on."""

from pathlib import Path

import msgspec

from daemon.backtest.feeds.findings import Findings
from daemon.venues.feeds.errors import FeedError
from state.records import TapeCheckpoint
from state.tape import TapeError, read_checkpoint
from state.tape_folder import TapeFile, list_tape
from state.times import us_from_iso


class RecordedTape(msgspec.Struct, frozen=True, kw_only=True):
    """One file and where it begins."""

    path: Path
    run_id: str
    desk: str
    start_us: int
    size_bytes: int
    underlying: str | None
    """Whose prices it holds, as far as its checkpoint says it."""


class _Underlying(msgspec.Struct):
    """The one field of a checkpoint's book that is asked for here."""

    underlying: str | None = None


def find_tapes(text: str, *, base: Path, root: Path | None, findings: Findings) -> tuple[Path, list[RecordedTape]]:
    """The folder or file that `tape:TEXT` means, and its tapes by market time. Raises FeedError where there are none.

    TEXT is a tape file, a folder of tape files, a desk's folder, or the name of a desk under `root`.
    """
    path = (base / Path(text).expanduser()).absolute()
    if not path.exists() and root is not None and (root / text / "tape").is_dir():
        path = (root / text).absolute()
    if not path.exists():
        raise FeedError(f"no tape {path}: write tape:PATH with a tape file, a tape folder, or a desk's folder")
    try:
        files = [_file(path)] if path.is_file() else _newest_forms(path)
    except OSError as error:
        raise FeedError(f"{path} cannot be read: {error.strerror or error}") from None
    if not files:
        raise FeedError(f"{path} holds no tape: a desk records one while its daemon runs (tape/RUN-NUMBER.jsonl)")
    tapes = [tape for file in files if (tape := _opened(file, findings)) is not None]
    if not tapes:
        raise FeedError(f"{path}: none of its {len(files)} tape files can be read: {findings.rows()[0].text}")
    return path, sorted(tapes, key=lambda tape: (tape.start_us, tape.run_id, tape.path.name))


def _file(path: Path) -> TapeFile:
    size = path.stat().st_size
    return TapeFile(path=path, run_id=path.name.split(".")[0], number=1, size_bytes=size, written_us=0)


def _newest_forms(folder: Path) -> list[TapeFile]:
    """Each file once: where one lies there plain and compressed, compressing was interrupted, and the plain counts."""
    found: dict[tuple[str, int], TapeFile] = {}
    for file in (*list_tape(folder / "tape"), *list_tape(folder)):
        key = (file.run_id, file.number)
        if key not in found or not file.is_compressed:
            found[key] = file
    return list(found.values())


def _opened(file: TapeFile, findings: Findings) -> RecordedTape | None:
    try:
        checkpoint = read_checkpoint(file.path)
        start_us = us_from_iso(checkpoint.ts)
    except (TapeError, ValueError) as error:
        findings.add("damaged_tape", detail=str(error))
        return None
    return RecordedTape(
        path=file.path,
        run_id=checkpoint.run_id,
        desk=checkpoint.desk,
        start_us=start_us,
        size_bytes=file.size_bytes,
        underlying=_underlying(checkpoint),
    )


def _underlying(checkpoint: TapeCheckpoint) -> str | None:
    try:
        return msgspec.json.decode(checkpoint.checkpoint, type=_Underlying).underlying
    except msgspec.MsgspecError:
        return None
