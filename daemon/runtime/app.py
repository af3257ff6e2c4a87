"""The daemon as a process: from a profile and its parts to an exit code. `run.Daemon` is what happens in between."""

import asyncio
import os
from collections.abc import Callable

import msgspec
import structlog

from config.schema import Profile
from daemon.core.step import Core
from daemon.runtime.clocks import Clock, wall_us
from daemon.runtime.exit_codes import ExitCode
from daemon.runtime.locks import Locks, LockTakenError, client_lock_path, desk_lock_path
from daemon.runtime.logging_setup import say, set_up_logging
from daemon.runtime.recovery import FAILED, DamagedJournalError, OpenedDesk, UnwritableJournalError, open_journal
from daemon.runtime.run import Daemon, VenueFactory
from daemon.venues.protocol import FatalVenueError
from state.atomic import clean_stale_temporaries
from state.layout import DeskPaths
from state.records import Check, SelfCheck
from state.snapshot import read_snapshot, write_snapshot
from state.times import iso_from_us

_log = structlog.stdlib.get_logger("bifrost.runtime.app")


class _Refused(Exception):  # noqa: N818 it is an answer, not an error
    """The daemon does not start: exit code and one line."""

    def __init__(self, code: int, line: str) -> None:
        super().__init__(line)
        self.code = code


def run_daemon(
    *,
    profile: Profile,
    profile_hash: str,
    version: str,
    paths: DeskPaths,
    core: Core,
    venue_factory: VenueFactory,
    clock: Clock,
    flatten_only: bool = False,
    profile_path: str | None = None,
) -> int:
    """Run one daemon in the foreground until it stops; returns its exit code. Says its reasons on stderr.

    `profile_path` is journaled: it says where the profile can be read again. With `flatten_only` the run ends with
    the flatten that stands, verified or refused, and never hedges.
    """
    locks = Locks()
    try:
        _take_desk(paths, profile, locks)
        run_id = _run_id()
        close_log = _open_log(paths, run_id)
        try:
            desk = _open_desk(paths, profile)
            daemon = Daemon(
                profile=profile,
                profile_hash=profile_hash,
                version=version,
                paths=paths,
                core=core,
                clock=clock,
                locks=locks,
                desk=desk,
                run_id=run_id,
                flatten_only=flatten_only,
                profile_path=profile_path,
            )
            return asyncio.run(daemon.serve(venue_factory))
        except _Refused:
            raise
        except FatalVenueError as error:
            raise _Refused(ExitCode.CANNOT_RUN, str(error)) from error
        except Exception as error:
            # The process's outermost frame: whatever got here ends it as a crash, told in one line, the rest logged.
            _log.critical("crashed", exc_info=error)
            raise _Refused(ExitCode.CRASHED, f"crashed: {error!r}; see {paths.logs / 'daemon.jsonl'}") from error
        finally:
            close_log()
    except _Refused as refusal:
        say(f"bifrost: {refusal}")
        return refusal.code
    finally:
        locks.release_all()


def _take_desk(paths: DeskPaths, profile: Profile, locks: Locks) -> None:
    """Folder and locks. Raises _Refused."""
    ib = profile.ib
    try:
        paths.create()
        locks.take(desk_lock_path(paths.folder), f"desk {paths.desk}")
        locks.take(client_lock_path(ib.host, ib.port, ib.client_id), f"client id {ib.client_id} at {ib.host}:{ib.port}")
        clean_stale_temporaries(paths.snapshot)
    except LockTakenError as error:
        raise _Refused(ExitCode.IN_USE, str(error)) from error
    except OSError as error:
        line = f"cannot write the desk's folder {paths.folder}: {error}; check its owner and permissions, or --root"
        raise _Refused(ExitCode.CANNOT_RUN, line) from error


def _open_log(paths: DeskPaths, run_id: str) -> Callable[[], None]:
    try:
        return set_up_logging(paths.logs / "daemon.jsonl", run_id=run_id, process="daemon")
    except OSError as error:
        raise _Refused(
            ExitCode.CANNOT_RUN, f"cannot write {paths.logs}: {error}; check its owner and permissions"
        ) from error


def _open_desk(paths: DeskPaths, profile: Profile) -> OpenedDesk:
    """The journal, and a book that is of this profile's stock. Raises _Refused."""
    try:
        desk = open_journal(paths)
    except DamagedJournalError as error:
        _leave_word(paths, str(error))
        raise _Refused(ExitCode.JOURNAL_DAMAGED, f"journal damaged: {error}") from error
    except UnwritableJournalError as error:
        raise _Refused(ExitCode.CANNOT_RUN, str(error)) from error
    symbol, owned = profile.underlying.symbol, desk.recovered.ledger
    if owned is not None and owned.underlying not in ("", symbol):
        desk.writer.close()
        line = f"the book of desk {paths.desk} is of {owned.underlying}, but the profile hedges {symbol}"
        raise _Refused(ExitCode.CANNOT_RUN, f"{line}; take another --desk, or the profile that it was made with")
    return desk


def _leave_word(paths: DeskPaths, detail: str) -> None:
    """Put the damage into the last snapshot, which else would go on saying how well the last run ended.

    Its times stay: nothing else in it is news.
    """
    last = read_snapshot(paths.snapshot).snapshot
    if last is None:
        return
    damage = Check(name="journal", ok=False, severity="red", measured=detail, reason="journal_damaged")
    # Where the journal took no halt any more, this file alone remembers that it failed.
    failed = tuple(check for check in last.self_check.checks if not check.ok and check.reason == FAILED)
    reasons = ("journal_damaged", FAILED) if failed else ("journal_damaged",)
    verdict = SelfCheck(status="blocked", block_reasons=reasons, checks=(damage, *failed))
    marked = msgspec.structs.replace(last, seq=last.seq + 1, self_check=verdict)
    try:
        write_snapshot(paths.snapshot, marked, sync=True)
    except OSError as error:
        _log.error("snapshot_not_written", error=str(error))


def _run_id() -> str:
    """Like `20140605T133000-4242`: wall time of the start and the pid."""
    text = iso_from_us(wall_us())
    return f"{text[:19].replace('-', '').replace(':', '')}-{os.getpid()}"
