"""Quotes of one connection: the subscriptions, what TWS says about them and about its data farms, and their renewal.

A line can go dead although everything looks connected: a data farm blinks for three seconds, another login takes the
data, a nightly reset forgets a subscription. So a declared line that stays silent within a session is subscribed
again, and all of them are after a broken farm is back; at most every 30 s, ever more rarely while that does not help.
The order socket is never touched for it.
"""

import asyncio
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import structlog

from daemon.core.events import AnyEvent, Farm, MarketDataRefused, Session
from daemon.core.instruments import InstrumentSpec
from daemon.venues.ib import errors
from daemon.venues.ib.connection import RESERVED_SLOTS, Connection, LinkLostError
from daemon.venues.ib.line import Line, Mode
from daemon.venues.ib.subscriptions import Later, Lines
from daemon.venues.protocol import VenueClock

LOOK_EVERY_S = 1.0
OPTION_SILENCE_S = 60.0
REQUESTS_A_RENEWAL = 2
LIVE_ONLY, DELAYED_TOO = 1, 3
"""What reqMarketDataType asks for; with 3 TWS still sends live data where it may."""
_FARM_NAME = re.compile(r"(?::|demand\.)\s*(\S+)\s*$")
"""`...connection is broken:usfarm`, `...should be available upon demand.usfarm`."""

_log = structlog.stdlib.get_logger("bifrost.venue.ib")


class MarketData:
    """The lines of one connection and their care. `tell` emits an event now, in order with the quotes."""

    def __init__(
        self,
        connection: Connection,
        clock: VenueClock,
        tell: Callable[[Iterable[AnyEvent]], None],
        later: Later,
        *,
        stepped: bool,
        stale_s: float,
        allow_delayed: bool,
    ) -> None:
        self._connection, self._clock, self._tell, self._later = connection, clock, tell, later
        self._stale_s, self._allow_delayed = stale_s, allow_delayed
        self.lines = Lines(clock, lambda event: tell([event]), later, stepped=stepped)
        self._orderable: Mapping[str, Any] = {}
        self.sessions: tuple[Session, ...] = ()
        self.may_renew: Callable[[], bool] = lambda: True
        """Whether requests are welcome now (not while TWS has lost its servers)."""
        self._farms: dict[str, str] = {}
        self._broken: set[str] = set()
        self._refused: dict[str, str] = {}
        self._farm_back_s: float | None = None
        self._look: asyncio.TimerHandle | None = None

    def subscribe(self, specs: Iterable[InstrumentSpec], orderable: Mapping[str, Any]) -> None:
        """(Re)subscribe the declared set, cancelling lines of an earlier subscription. Raises LinkLostError."""
        client = self._connection.client
        self._orderable = orderable
        try:
            for request_id in self.lines.by_id:
                client.cancelMktData(request_id)
            client.reqMarketDataType(DELAYED_TOO if self._allow_delayed else LIVE_ONLY)
            self.lines.subscribe(specs, self._request)
        except ConnectionError as error:
            raise LinkLostError(str(error)) from error
        self._farm_back_s = None
        if self._look is None:
            self._look = self._later(LOOK_EVERY_S, self._look_after)

    def add(self, specs: Iterable[InstrumentSpec], orderable: Mapping[str, Any]) -> None:
        """Subscribe more instruments. Raises LinkLostError."""
        self._orderable = {**self._orderable, **orderable}
        try:
            self.lines.add(specs, self._request)
        except ConnectionError as error:
            raise LinkLostError(str(error)) from error

    def close(self) -> None:
        """The connection ended."""
        if self._look is not None:
            self._look.cancel()
        self.lines.close()

    # -- what TWS says --------------------------------------------------------------------------------------------

    def about_farm(self, code: int, text: str) -> None:
        """A notice about a data farm, with a code of `errors.FARM_STATES`."""
        state = errors.FARM_STATES[code]
        found = _FARM_NAME.search(text)
        name = found[1] if found else "unnamed farm"
        before = self._farms.get(name, "inactive" if state == "inactive" else "ok")
        self._farms[name] = state
        if before != state:
            _log.warning("data_farm", farm=name, state=state, code=code)
            self._tell([Farm(ts_us=self._clock.now_us(), name=name, state=state, note=f"{code}: {text}")])
        if state == "broken":
            self._broken.add(name)
        elif state == "ok" and name in self._broken:  # perhaps it was inactive in between
            self._broken.discard(name)
            self._farm_back_s = asyncio.get_running_loop().time()
            self._renew_due()

    def about_line(self, request_id: int, code: int, note: str) -> bool:
        """A message with the id of a subscription; False when it is none."""
        line = self.lines.line(request_id)
        if line is None:
            return False
        instrument = line.spec.instrument
        _log.warning("market_data_message", instrument=instrument, note=note)
        if code in errors.DATA_REFUSED:
            self.lines.refused(request_id)
        if code in errors.DATA_REFUSED or code in errors.DATA_DELAYED:
            self._note(instrument, note)
        return True

    def data_type(self, request_id: int, data_type: int) -> None:
        """Live, frozen or delayed: other than live is shown with its reason."""
        self.lines.data_type(request_id, data_type)
        line = self.lines.line(request_id)
        if line is None:
            return
        if data_type == LIVE_ONLY:
            self._note(line.spec.instrument, None)
        elif line.spec.instrument not in self._refused:
            self._note(line.spec.instrument, f"market data type {data_type}: {line.mode.value} data")

    def _note(self, instrument: str, note: str | None) -> None:
        if self._refused.get(instrument) == note:
            return
        if note is None:
            del self._refused[instrument]
        else:
            self._refused[instrument] = note
        self._tell([MarketDataRefused(ts_us=self._clock.now_us(), instrument=instrument, note=note)])

    # -- care -----------------------------------------------------------------------------------------------------

    def _look_after(self) -> None:
        self._look = self._later(LOOK_EVERY_S, self._look_after)
        for line in self.lines.by_id.values():
            if line.spec.instrument in self._refused and line.mode is Mode.LIVE and line.bid is not None:
                self._note(line.spec.instrument, None)  # it came after all, without a word about it
        self._renew_due()

    def _renew_due(self) -> None:
        if not self.may_renew() or self._connection.not_ready() is not None:
            return
        now_s = asyncio.get_running_loop().time()
        for request_id, line in self.lines.by_id.items():
            if self._connection.free_slots() < RESERVED_SLOTS + REQUESTS_A_RENEWAL:
                return  # the rest of them at the next look: orders must not meet a full throttle
            if self._is_due(line, now_s):
                self._renew(request_id, line, now_s)

    def _is_due(self, line: Line, now_s: float) -> bool:
        if line.renewed_s is not None and now_s - line.renewed_s < line.patience_s:
            return False
        farm_came_back = self._farm_back_s is not None and (line.renewed_s or 0.0) < self._farm_back_s
        # An option may be quiet for long without being dead.
        patience_s = self._stale_s if line.spec.kind == "stock" else max(self._stale_s, OPTION_SILENCE_S)
        return farm_came_back or (now_s - line.heard_s > patience_s and self._in_session())

    def _renew(self, request_id: int, line: Line, now_s: float) -> None:
        _log.warning("line_renewed", instrument=line.spec.instrument, silent_s=round(now_s - line.heard_s, 1))
        self._connection.client.cancelMktData(request_id)
        self.lines.renew(request_id, now_s, self._request)

    def _in_session(self) -> bool:
        now_us = self._clock.now_us()
        return any(session.open_us <= now_us < session.close_us for session in self.sessions)

    def _request(self, spec: InstrumentSpec) -> int:
        client = self._connection.client
        request_id: int = client.getReqId()
        client.reqMktData(request_id, self._orderable[spec.instrument], "", False, False, [])  # noqa: FBT003
        return request_id
