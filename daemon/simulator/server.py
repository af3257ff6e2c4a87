"""The simulator as one object: a listening socket, the gateway, the market's pace and the saved book.

async with SimulatorServer(exchange) as server:
    await ib.connectAsync("127.0.0.1", server.port, clientId=1)
"""

import asyncio
from types import TracebackType
from typing import Self

import structlog

from daemon.core.events import Side
from daemon.simulator import acting
from daemon.simulator.codec import SERVER_VERSION
from daemon.simulator.faults import Act, Fault, FaultScript
from daemon.simulator.faults.base import LineEnd
from daemon.simulator.gateway import Gateway
from daemon.simulator.market_pacer import PROBE_WAIT_S, MarketPacer
from daemon.simulator.persistence import BookStore
from daemon.simulator.requests import HANDLERS
from daemon.simulator.transcript import Transcript
from daemon.simulator.transport import ClientLink
from daemon.venues.simulated.exchange import SimulatedExchange

SAVE_STEPS_AFTER_S = 0.25
"""Steps of the market are saved this late at most; orders are saved in the same turn of the loop."""

log = structlog.get_logger("simulator")


class SimulatorServer:
    """A TWS stand-in around one exchange.

    The one rule: use it inside one event loop, as an async context manager. With `paced` false the market stands
    still until `step()` is called.
    """

    def __init__(
        self,
        exchange: SimulatedExchange,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        speed: float = 1.0,
        paced: bool = True,
        lock_step: bool = False,
        probe_wait_s: float = PROBE_WAIT_S,
        faults: tuple[Fault, ...] = (),
        store: BookStore | None = None,
        transcript: Transcript | None = None,
        server_version: int = SERVER_VERSION,
    ) -> None:
        self.exchange = exchange
        self.faults = FaultScript(faults)
        self.transcript = Transcript() if transcript is None else transcript
        self.port = port
        self._host = host
        self._paced = paced
        self._store = store
        self._save_handle: asyncio.Handle | None = None
        self._server: asyncio.Server | None = None
        self._reopening: asyncio.Task[None] | None = None
        self._pacing: asyncio.Task[None] | None = None
        self.gateway = Gateway(
            exchange,
            HANDLERS,
            faults=self.faults,
            transcript=self.transcript,
            on_change=self._changed,
            lock_step=lock_step,
            server_version=server_version,
        )
        self.pacer = MarketPacer(
            self.gateway, speed=speed, on_finished=self._market_finished, probe_wait_s=probe_wait_s
        )

    async def __aenter__(self) -> Self:
        """Listen and start the market. Raises OSError when the port is taken."""
        loop = asyncio.get_running_loop()
        await self.listen()
        if self._store is not None:
            self._store.write_port(self.port)
        if self._paced:
            self._pacing = loop.create_task(self.pacer.run(), name="market_pacer")
            self._pacing.add_done_callback(_tell_death)
        elif self.exchange.step is None:
            self.pacer.step()
        log.info("listening", host=self._host, port=self.port, account=self.exchange.account)
        return self

    async def __aexit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        """Close every link and save the book."""
        if self._pacing is not None:
            self._pacing.cancel()
            await asyncio.gather(self._pacing, return_exceptions=True)
        self.stop_listening(how="fin")
        if self._save_handle is not None:
            self._save_handle.cancel()
        if self._store is not None:
            self._store.save(self.exchange, sync=True)
            self._store.remove_port()
        self.transcript.close()
        # one turn of the loop lets the closed sockets go
        await asyncio.sleep(0)

    @property
    def pacing(self) -> "asyncio.Task[None] | None":
        """The market's task, for whoever has to notice its death."""
        return self._pacing

    def step(self) -> bool:
        """Make one step of an unpaced market; False when it has ended."""
        return self.pacer.step()

    @property
    def is_listening(self) -> bool:
        """Whether new connections are accepted."""
        return self._server is not None

    async def listen(self) -> None:
        """Accept connections (again), on the same port. Raises OSError when it is taken."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(
                lambda: ClientLink(self.gateway), self._host, self.port, reuse_address=True
            )
            self.port = self._server.sockets[0].getsockname()[1]

    def stop_listening(self, *, for_s: float | None = None, how: LineEnd = "rst") -> None:
        """End every connection and refuse new ones, for so many wall seconds or until `listen`."""
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop_all(how)
        if self._reopening is not None:
            self._reopening.cancel()
            self._reopening = None
        if for_s is not None:
            self._reopening = asyncio.get_running_loop().create_task(self._reopen(for_s), name="listen_again")

    async def _reopen(self, for_s: float) -> None:
        await asyncio.sleep(for_s)
        try:
            await self.listen()
        except OSError as error:
            log.error("not_listening", port=self.port, error=str(error))  # noqa: TRY400 - the text says it all
        else:
            log.info("listening_again", port=self.port)

    def act(self, act: Act) -> None:
        """Carry out an act of a fault script now; its `id` and `after_s` are for files. Raises ValueError."""
        acting.carry_out(self, act)

    def broadcast_error(self, code: int, text: str) -> None:
        """Tell every client something that belongs to no request (1100, 1102, 2103, ...)."""
        self.gateway.broadcast(code, text)

    def drop_all(self, how: LineEnd = "rst") -> None:
        """End every connection, abruptly or in an orderly way."""
        for link in self.gateway.links:
            link.end(how, "dropped")

    def trade_by_hand(self, instrument: str, side: Side, quantity: float) -> None:
        """A market order of the operator's own TWS (client 0)."""
        self.gateway.publish(self.exchange.trade_by_hand(instrument, side, quantity))

    def _changed(self, *, urgent: bool) -> None:
        if self._store is None:
            return
        if urgent and self._save_handle is not None:
            self._save_handle.cancel()
            self._save_handle = None
        if self._save_handle is None:
            loop = asyncio.get_running_loop()
            self._save_handle = (
                loop.call_soon(self._save) if urgent else loop.call_later(SAVE_STEPS_AFTER_S, self._save)
            )

    def _save(self) -> None:
        self._save_handle = None
        if self._store is not None:
            try:
                self._store.save(self.exchange, sync=False)
            except OSError as error:
                log.error("book_not_saved", error=str(error))  # noqa: TRY400 - the text says it, a traceback does not

    def _market_finished(self) -> None:
        if self._store is not None:
            self._store.mark_finished(self.exchange.now_us)


def _tell_death(task: asyncio.Task[None]) -> None:
    """A market that stopped by an error must not look like one that merely stands still."""
    if not task.cancelled() and task.exception() is not None:
        log.error("market_task_died", exc_info=task.exception())
