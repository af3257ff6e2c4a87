"""A runtime without a process: the real engine, effects, journal and files around a scripted core and venue."""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from daemon.core.book import Book, ControlState, LinkView
from daemon.core.effects import AnyEffect, ModifyOrder, PlaceOrder, Record, Sample
from daemon.core.events import AnyEvent
from daemon.core.ledger import Ledger
from daemon.core.link_fsm import LinkState
from daemon.runtime.clocks import MarketClock
from daemon.runtime.effects import EffectRunner
from daemon.runtime.engine import Engine
from daemon.runtime.journal_sink import JournalSink
from daemon.runtime.last_look import LastLook
from daemon.runtime.tape_sink import TapeSink
from daemon.runtime.timers import Timers
from daemon.venues.protocol import OrderNotSentError
from state.journal import JournalWriter
from state.journal_reader import read_journal
from state.layout import DeskPaths
from state.records import JournalLine, JournalType

WALL_US = 1_767_225_600_000_000

Script = Callable[[Book, AnyEvent], Sequence[AnyEffect]]


def synced_book(**changes: Any) -> Book:
    book = Book(
        desk="eager",
        run_id="r",
        underlying="TWX",
        link=LinkView(state=LinkState.SYNCED),
        ledger=Ledger(ledger_id="abcd"),
    )
    return msgspec.structs.replace(book, **changes)


def order(ref: str = "eager.abcd.1", *, closing: bool = False) -> PlaceOrder:
    return PlaceOrder(order_ref=ref, intent_id="r-1", instrument="TWX", side="BUY", quantity=10.0, closing=closing)


def intent(ref: str = "eager.abcd.1") -> Record:
    return Record(type=JournalType.INTENT, intent_id="r-1", order_ref=ref, instrument="TWX", side="BUY", quantity=10.0)


class ScriptedCore:
    """Answers each event with what the script says, and remembers every event."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.events: list[AnyEvent] = []

    def step(self, book: Book, event: AnyEvent) -> tuple[Book, tuple[AnyEffect, ...]]:
        self.events.append(event)
        after = msgspec.structs.replace(book, ts_us=max(book.ts_us, event.ts_us))
        return after, tuple(self.script(book, event))


class RecordingVenue:
    """Notes each call, and what the journal on disk held when it came."""

    def __init__(self, paths: DeskPaths) -> None:
        self.paths = paths
        self.calls: list[tuple[str, Any]] = []
        self.journal_at_place: list[list[str]] = []
        self.blocked: str | None = None
        self.refuses: str | None = None
        self.on_place: Callable[[], None] = lambda: None

    def place(self, order: PlaceOrder) -> None:
        if self.refuses is not None:
            raise OrderNotSentError(self.refuses)
        self.calls.append(("place", order.order_ref))
        self.journal_at_place.append([line.type.value for line in read_journal(self.paths.journal)])
        self.on_place()

    def modify(self, order: ModifyOrder) -> None:
        if self.refuses is not None:
            raise OrderNotSentError(self.refuses)
        self.calls.append(("modify", order.order_ref))
        self.journal_at_place.append([line.type.value for line in read_journal(self.paths.journal)])

    def cancel(self, order_ref: str) -> None:
        if self.refuses is not None:
            raise OrderNotSentError(self.refuses)
        self.calls.append(("cancel", order_ref))

    def not_ready(self) -> str | None:
        return self.blocked

    def reconcile(self, reason: str, *, fresh_connection: bool) -> None:
        self.calls.append(("reconcile", (reason, fresh_connection)))

    def probe(self) -> None:
        self.calls.append(("probe", None))

    async def run(self, emit: Callable[[AnyEvent], None]) -> None:
        self.calls.append(("run", None))

    async def close(self) -> None:
        self.calls.append(("close", None))


class Bench:
    """Everything between an event and a file, in one place."""

    def __init__(self, paths: DeskPaths, script: Script, *, book: Book | None = None) -> None:
        self.paths = paths
        self.clock = MarketClock(WALL_US)
        self.core = ScriptedCore(script)
        self.venue = RecordingVenue(paths)
        self.writer = JournalWriter(paths.journal, wall_us=lambda: WALL_US)
        self.writer.open()
        self.journal = JournalSink(self.writer, desk="eager", run_id="r")
        start = synced_book() if book is None else book
        self.tape = TapeSink(paths.tape, desk="eager", run_id="r", max_mib=64)
        self.tape.start(start)
        self.admitted: list[AnyEvent] = []
        self.decided: list[tuple[AnyEvent, bool]] = []
        self.samples: list[Sample] = []
        self.looks = 0
        self.latencies_ms: list[float] = []
        self.engine = Engine(
            core=self.core,
            book=start,
            clock=self.clock,
            tape=self.tape,
            journal_head=lambda: self.journal.head,
            decided=lambda event, acted: self.decided.append((event, acted)),
            admit=self.admitted.append,
        )
        self.timers = Timers(lambda key: None)
        self.last_look = LastLook(control_folder=paths.control, venue=self.venue, journal=self.journal)
        self.engine.effects = EffectRunner(
            journal=self.journal,
            venue=self.venue,
            timers=self.timers,
            last_look=self.last_look,
            samples=self,
            clock=self.clock,
            control_folder=paths.control,
            look_at_control=self._looked,
            sent=self.latencies_ms.append,
        )

    def sample(self, sample: Sample, book: Book) -> None:
        self.samples.append(sample)

    def _looked(self) -> None:
        self.looks += 1

    def handle(self, event: AnyEvent) -> None:
        self.engine.handle(event, 0)

    def lines(self) -> list[JournalLine]:
        return list(read_journal(self.paths.journal))

    def event_names(self) -> list[str]:
        return [type(event).__name__ for event in self.core.events]

    def close(self) -> None:
        self.tape.close()
        self.journal.close()


def control_book(**marks: Any) -> Book:
    return synced_book(control=ControlState(**marks))
