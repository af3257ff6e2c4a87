"""The last look, between the durable intent and the socket: link, queue, journal, and the control folder on disk."""

from pathlib import Path

from daemon.core.book import Book
from daemon.core.effects import ModifyOrder, PlaceOrder
from daemon.runtime.clocks import wall_us
from daemon.runtime.journal_sink import JournalSink
from daemon.venues.protocol import Venue
from state.control import read_control


class LastLook:
    """Says why an order must not leave now, or None.

    The core decided on what it had seen; a `touch` or a dead link a millisecond later must still win. So the
    folder itself is read, not a memory of it. `stop_signalled` is set by the signal handler, ahead of the queue.
    """

    def __init__(self, *, control_folder: Path, venue: Venue, journal: JournalSink) -> None:
        self._control_folder = control_folder
        self._venue = venue
        self._journal = journal
        self.stop_signalled = False

    def refusal(self, order: PlaceOrder | ModifyOrder, book: Book) -> str | None:
        """The reason code (or the venue's few words) against this order; a flatten's closing order passes control."""
        if not (isinstance(order, PlaceOrder) and order.closing):
            reason = self._risk_refusal(book)
            if reason is not None:
                return reason
        return self._venue.not_ready()

    def _risk_refusal(self, book: Book) -> str | None:
        if self._journal.failed is not None:
            return "journal_failed"
        if self.stop_signalled or book.stop_signal is not None or book.control.stop is not None:
            return "stop_asserted"
        control = read_control(self._control_folder, wall_us())
        if not control.readable:
            return "control_unreadable"
        for name, code in (("stop", "stop_asserted"), ("flatten", "flatten_asserted"), ("pause", "paused")):
            if name in control.files:
                return code
        return "link_not_synced" if book.link.state != "SYNCED" else None
