"""The first lines of the journal that replaces a damaged one: the ledger as far as it is known, and why it halts."""

from typing import Any

import msgspec

from daemon.core.effects import Record
from daemon.core.ledger import SALVAGED, Ledger
from daemon.core.recovery import Checkpoint, Recovered
from state.records import JournalType

LOST_NUMBERS = 1000
"""Order numbers left out: lines that are gone may have given some, and none is ever given twice."""


class NoLedgerError(Exception):
    """The lines hold no ledger, so nothing says what is own."""


def opening_records(
    recovered: Recovered, *, newest_number: int, facts: dict[str, Any], detail: str
) -> tuple[Record, Record, Record]:
    """Checkpoint, `repaired` with the `facts`, and the halt with its `detail`; append them in one write.

    `newest_number` is the highest order number seen in any line, sound or not. A flatten that was under way does
    not resume: its size must be confirmed anew. Raises NoLedgerError.
    """
    if recovered.ledger is None:
        raise NoLedgerError
    ledger = _without_reused_numbers(recovered.ledger, newest_number)
    whole = Checkpoint(ledger=ledger, orders={**recovered.ended, **recovered.orders})
    return (
        whole.record(),
        Record(
            type=JournalType.REPAIRED,
            status="salvaged",
            reason="journal_damaged",
            quantity=ledger.own_shares,
            unit="share",
            instrument=ledger.underlying or None,
            data=facts,
        ),
        Record(type=JournalType.HALT, status="latched", reason=SALVAGED, data={"detail": detail}),
    )


def _without_reused_numbers(ledger: Ledger, newest_number: int) -> Ledger:
    first_free = max(ledger.next_order, newest_number + 1)
    return msgspec.structs.replace(ledger, next_order=first_free + LOST_NUMBERS)
