"""From the core's records to durable journal lines; and what remains when the disk gives up.

The first failure ends all new risk, whatever is written later. Where the disk is only full (or a descriptor or a
permission was refused) the writer's reserve is given up, and what lowers risk is journaled on in that room; where a
sync failed or the disk is broken, records go to stderr and the log instead.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import structlog

from daemon.core.effects import Record
from daemon.runtime.clocks import monotonic_ns, wall_us
from daemon.runtime.logging_setup import say
from daemon.runtime.slowest_append import SlowestAppend
from state.journal import JournalError, JournalWriter, Repair
from state.records import JournalLine, JournalType
from state.times import iso_from_us

_log = structlog.stdlib.get_logger("bifrost.runtime.journal")


class JournalSink:
    """Writes the records of one step in one durable append.

    The one rule: once `failed` says why, no new risk may be taken in this process's life, although what lowers it
    may still be journaled. `checkpoint` gives the record that opens every new segment: the ledger as it stands
    before these records. `rotated` is called when a segment was closed; `slowest` measures every append.
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
        self.rotated: Callable[[], None] = lambda: None
        self.slowest = SlowestAppend()
        self.failed: str | None = None

    @property
    def head(self) -> tuple[int, str]:
        """Sequence number and hash of the newest line."""
        return self._writer.head

    def write(self, records: Sequence[Record], *, ts_us: int, tape_seq: int | None) -> str | None:
        """Make the records durable. Returns the error that ended new risk, once, at the write that met it."""
        if self.failed is not None and self._writer.broken is not None:
            self._fall_back(records, ts_us)
            return None
        first_seq, segment = self._writer.next_seq, self._writer.segment_number
        try:
            records = self._opening_segment(records)
            self._append(records, ts_us, tape_seq)
        except (JournalError, OSError, ValueError) as error:
            news = self._fail(error)
            landed = self._rescue(records, first_seq, ts_us, tape_seq)
            self._fall_back(records[landed:], ts_us)
            return news
        if segment not in (0, self._writer.segment_number):
            self.rotated()
        return None

    def close(self) -> None:
        """Close the file; nothing may be written afterwards."""
        self._writer.close()

    def _opening_segment(self, records: Sequence[Record]) -> Sequence[Record]:
        """Where a segment is due, the ledger comes first."""
        opens = records[0].type is JournalType.LEDGER_CHECKPOINT
        if not opens and self.checkpoint is not None and self._writer.rotation_due():
            return [self.checkpoint(), *records]
        return records

    def _fail(self, error: Exception) -> str | None:
        """Note the first failure and raise the alarm."""
        # A ValueError is a number that is not finite. What cannot be journaled must not be acted on as if it were.
        _log.critical("journal_failed", error=str(error))
        if self.failed is not None:
            say(f"bifrost: the journal cannot be written any more: {error}")
            return None
        self.failed = str(error)
        say(f"bifrost: ALARM journal_failed: the journal cannot be written, no new risk from here on: {error}")
        return self.failed

    def _rescue(self, records: Sequence[Record], first_seq: int, ts_us: int, tape_seq: int | None) -> int:
        """Give up the writer's reserve for what could not be written; how many of `records` are journaled after it."""
        opened = self._writer.last_words()
        if opened is None:
            return 0
        landed = opened.head_seq + 1 - first_seq
        left = list(records[landed:])
        if opened.repaired is not None:
            left.append(repaired(opened.repaired))
        try:
            if left:
                left = list(self._opening_segment(left))
                self._append(left, ts_us, tape_seq)
        except (JournalError, OSError, ValueError) as error:
            _log.critical("last_words_failed", error=str(error))
            return landed
        say("bifrost: the journal's reserve was given up: what closes the position is still journaled")
        _log.critical("reserve_given_up")
        return len(records)

    def _append(self, records: Sequence[Record], ts_us: int, tape_seq: int | None) -> None:
        first, wall_ts, ts = self._writer.next_seq, iso_from_us(self._wall()), iso_from_us(ts_us)
        lines = [
            JournalLine(
                seq=first + offset,
                ts=ts,
                wall_ts=wall_ts,
                desk=self._desk,
                run_id=self._run_id,
                tape_seq=tape_seq,
                **record.line_fields(),
            )
            for offset, record in enumerate(records)
        ]
        began_ns = monotonic_ns()
        try:
            self._writer.append(lines)
        finally:
            ended_ns = monotonic_ns()
            self.slowest.add(ended_ns, (ended_ns - began_ns) / 1e6)

    def _fall_back(self, records: Sequence[Record], ts_us: int) -> None:
        for record in records:
            fields = {name: value for name, value in record.line_fields().items() if value is not None}
            line = _as_text({"ts": iso_from_us(ts_us), **fields})
            say(f"bifrost: not journaled: {line}")
            _log.critical("not_journaled", record=line)


def _as_text(fields: dict[str, Any]) -> str:
    """JSON, or whatever can be said of what is none: nothing here may stop a halt."""
    try:
        return msgspec.json.encode(fields).decode()
    except (ValueError, TypeError):
        return ascii(fields)


def repaired(repair: Repair) -> Record:
    """The journal's line about a torn end that was cut off."""
    return Record(type=JournalType.REPAIRED, status="repaired", reason="torn_end", data=msgspec.to_builtins(repair))
