"""From the core's records to durable journal lines; and what remains when the disk gives up."""

from collections.abc import Callable, Sequence

import msgspec
import structlog

from daemon.core.effects import Record
from daemon.runtime.clocks import wall_us
from daemon.runtime.logging_setup import say
from state.journal import JournalError, JournalWriter
from state.records import JournalLine, JournalType
from state.times import iso_from_us

_log = structlog.stdlib.get_logger("bifrost.runtime.journal")


class JournalSink:
    """Writes the records of one step in one durable append.

    The one rule: after the first error nothing is written again in this process's life (a failed fsync may have
    lost pages that a retry would seem to save); records then go to stderr and the log, loudly, and `failed` says why.
    `checkpoint` gives the record that opens every new segment: the ledger as it stands before these records.
    """

    def __init__(
        self,
        writer: JournalWriter,
        *,
        desk: str,
        run_id: str,
        checkpoint: Callable[[], Record] | None = None,
        wall: Callable[[], int] = wall_us,
    ) -> None:
        self._writer = writer
        self._desk = desk
        self._run_id = run_id
        self._wall = wall
        self.checkpoint = checkpoint
        self.failed: str | None = None

    @property
    def head(self) -> tuple[int, str]:
        """Sequence number and hash of the newest line."""
        return self._writer.head

    def write(self, records: Sequence[Record], *, ts_us: int, tape_seq: int | None) -> str | None:
        """Make the records durable. Returns the error that ended journaling, once, at the write that met it."""
        if self.failed is not None:
            self._fall_back(records, ts_us)
            return None
        opens = records[0].type is JournalType.LEDGER_CHECKPOINT
        try:
            if not opens and self.checkpoint is not None and self._writer.rotation_due():
                records = [self.checkpoint(), *records]
            self._append(records, ts_us, tape_seq)
        except (JournalError, OSError, ValueError) as error:
            # ValueError: a number that is not finite. What cannot be journaled must not be acted on as if it were.
            self.failed = str(error)
            say(f"bifrost: the journal cannot be written, no new risk from here on: {error}")
            _log.critical("journal_failed", error=self.failed)
            self._fall_back(records, ts_us)
            return self.failed
        return None

    def close(self) -> None:
        """Close the file; nothing may be written afterwards."""
        self._writer.close()

    def _append(self, records: Sequence[Record], ts_us: int, tape_seq: int | None) -> None:
        first, wall_ts, ts = self._writer.next_seq, iso_from_us(self._wall()), iso_from_us(ts_us)
        self._writer.append(
            [
                JournalLine(
                    seq=first + offset,
                    ts=ts,
                    wall_ts=wall_ts,
                    desk=self._desk,
                    run_id=self._run_id,
                    tape_seq=tape_seq,
                    **msgspec.structs.asdict(record),
                )
                for offset, record in enumerate(records)
            ]
        )

    def _fall_back(self, records: Sequence[Record], ts_us: int) -> None:
        for record in records:
            fields = {name: value for name, value in msgspec.structs.asdict(record).items() if value is not None}
            line = msgspec.json.encode({"ts": iso_from_us(ts_us), **fields}).decode()
            say(f"bifrost: not journaled: {line}")
            _log.critical("not_journaled", record=line)
