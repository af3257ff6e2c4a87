"""Structured logs: one JSON object per line, with the run's id; the broker library's logs included."""

import logging
import logging.handlers
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog
from structlog.typing import EventDict, WrappedLogger

_MAX_BYTES: Final = 20_000_000
_BACKUPS: Final = 5
_NOISY: Final = ("ib_async", "watchdog", "filelock", "asyncio")
"""Libraries whose INFO would drown ours; their warnings and errors are kept."""


class _LogFile(logging.handlers.RotatingFileHandler):
    """A log file that says once, in one line, when the disk takes nothing any more: the daemon goes on."""

    _said = False

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 logging's name
        """Called while the error is being handled."""
        if not self._said:
            self._said = True
            say(f"bifrost: the log {self.baseFilename} cannot be written: {sys.exception()}; lost: {record.msg!r:.200}")


def set_up_logging(file: Path, *, run_id: str, process: str) -> Callable[[], None]:
    """Send everything that this process logs to `file`; returns a function that takes the handler away again.

    Raises OSError when the file cannot be opened.
    """
    file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)

    def add_identity(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["run_id"] = run_id
        event["process"] = process
        return event

    shared: list[structlog.typing.Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="wall_ts"),
        structlog.processors.format_exc_info,
        add_identity,
    ]
    handler = _LogFile(file, maxBytes=_MAX_BYTES, backupCount=_BACKUPS, encoding="utf-8")
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(default=repr),
            ],
        )
    )
    structlog.configure(
        processors=[*shared[:2], *shared[3:], structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    root = logging.getLogger()
    before = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)

    def take_away() -> None:
        root.removeHandler(handler)
        root.setLevel(before)
        handler.close()

    return take_away


def say(line: str) -> None:
    """One line for whoever reads the terminal. Never raises: stderr may be a file on the very disk that is full."""
    with suppress(OSError, ValueError):  # ValueError: it was closed
        print(line, file=sys.stderr, flush=True)  # noqa: T201 this is the terminal's one door
