"""Nobody else may run this desk while `up` prepares it: two locks, one for other `up`s, one look at the daemon's."""

from types import TracebackType
from typing import TYPE_CHECKING, Self

from cli.errors import CommandError, ExitCode

if TYPE_CHECKING:
    from state.layout import DeskPaths


class DeskLease:
    """A context manager. Entering raises CommandError (4) when the desk is up already."""

    def __init__(self, paths: "DeskPaths") -> None:
        from daemon.runtime.locks import Locks

        self._paths = paths
        self._locks = Locks()

    def __enter__(self) -> Self:
        """Take the lease of this `up`, and see that no daemon has the desk."""
        from daemon.runtime.locks import Locks, LockTakenError, desk_lock_path

        # Beside the desks, not inside: the desk's folder may move to the archive while the lease is held.
        lease = self._paths.root / "_locks" / f"{self._paths.desk}.up.lock"
        daemon = Locks()
        try:
            self._locks.take(lease, f"desk {self._paths.desk} (another `bifrost up`)")
            if self._paths.exists():
                daemon.take(desk_lock_path(self._paths.folder), f"desk {self._paths.desk} (a daemon)")
        except LockTakenError as error:
            self._locks.release_all()
            raise CommandError(
                f"{error}; `./bifrost status --desk {self._paths.desk}` shows it", ExitCode.IN_USE
            ) from error
        except OSError as error:
            self._locks.release_all()
            raise CommandError(f"cannot write under {self._paths.root}: {error.strerror}; check its owner") from error
        finally:
            daemon.release_all()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Give the lease back."""
        self._locks.release_all()
