"""What subscribers are told of prices: the stamp (tick 45), then the standing quote, or what data faults make of it."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from daemon.simulator import outgoing, quote_frames
from daemon.simulator.faults import BadGreeks, BadTicks, DelayedData, FreezeQuotes
from daemon.simulator.sessions import Session
from daemon.venues.simulated.model import SimQuote

if TYPE_CHECKING:
    from daemon.simulator.gateway import Gateway

LIVE = 1
_DELAYED = (3, 4)


class QuoteTelling:
    """The one rule: of every step each subscription hears its stamp before anything of its prices."""

    def __init__(self, gateway: "Gateway") -> None:
        self._gateway = gateway
        self._faults = gateway.faults
        self._told: dict[tuple[int, str], tuple[int, SimQuote]] = {}
        """(client id, instrument) -> the newest time and quote this client was told: what a dead farm still knows."""

    def first(self, session: Session, req_id: int) -> None:
        """A new subscription hears the standing quote at once; of a frozen one the last that this client heard."""
        instrument = session.market_data[req_id]
        if self._faults.hit(FreezeQuotes, session.fault_id, instrument) is not None:
            remembered = self._told.get((session.fault_id, instrument))
            if remembered is not None:
                self.stamp(session, (req_id,), remembered[0])
                self._say(session, req_id, instrument, remembered[1])
            return
        if self._gateway.exchange.step is not None:
            session.live = (*session.live, req_id)
            self.stamp(session, (req_id,))
            self.standing(session, req_id)

    def reached(self, session: Session) -> tuple[int, ...]:
        """The subscriptions that hear of this step: none of a client that lags behind, none that a fault froze."""
        if session.link.congested or session.client_id is None:
            return ()
        return tuple(
            req_id
            for req_id, instrument in session.market_data.items()
            if self._faults.hit(FreezeQuotes, session.client_id, instrument) is None
        )

    def stamp(self, session: Session, req_ids: Iterable[int], ts_us: int | None = None) -> None:
        """Say the market's time, or this one, on these subscriptions; the session owes a probe from then on."""
        now_us = self._gateway.exchange.now_us if ts_us is None else ts_us
        for req_id in req_ids:
            session.say(quote_frames.stamp_frame(req_id, now_us))
            session.owes_probe = True

    def stamp_stocks(self, session: Session) -> None:
        """Say the same time once more after order traffic, so that the client probes again."""
        contract, names = self._gateway.contract, session.market_data
        stocks = [req_id for req_id in session.live if contract(names[req_id]).kind == "stock"]
        self.stamp(session, stocks or session.live[:1])

    def standing(self, session: Session, req_id: int) -> None:
        """The standing quote of one subscription, changed or not."""
        instrument = session.market_data[req_id]
        quote = self._gateway.exchange.quote(instrument)
        if quote is not None:
            self._told[session.fault_id, instrument] = (self._gateway.exchange.now_us, quote)
            self._say(session, req_id, instrument, quote)

    def _say(self, session: Session, req_id: int, instrument: str, quote: SimQuote) -> None:
        delayed = self._faults.hit(DelayedData, session.fault_id, instrument)
        data_type = LIVE if delayed is None else delayed.data_type
        if session.data_types.get(req_id) != data_type:
            session.data_types[req_id] = data_type
            session.say(outgoing.MARKET_DATA_TYPE.frame(req_id=req_id, data_type=data_type))
        is_delayed = data_type in _DELAYED
        bad = self._faults.hit(BadTicks, session.fault_id, instrument)
        session.say(*quote_frames.price_frames(req_id, quote, bad=bad, delayed=is_delayed))
        if self._gateway.contract(instrument).kind == "option":
            greeks = self._faults.hit(BadGreeks, session.fault_id, instrument)
            how = None if greeks is None else greeks.how
            session.say(*quote_frames.computation_frames(req_id, quote, how=how, delayed=is_delayed))

    def halt(self, session: Session, req_id: int) -> None:
        """Whether the subscribed instrument is in a trading halt (tick 49)."""
        halted = session.market_data[req_id] in self._gateway.exchange.halted
        session.say(quote_frames.halt_frame(req_id, halted=halted))
