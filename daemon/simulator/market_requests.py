"""Answers about contracts and prices."""

import msgspec

from daemon.simulator import outgoing, quote_frames
from daemon.simulator.codec import Values, flag, integer
from daemon.simulator.contracts import contract_details, find_contracts
from daemon.simulator.faults import ConfuseContract, RefuseMarketData
from daemon.simulator.gateway import Gateway
from daemon.simulator.serving import Handler
from daemon.simulator.sessions import Session
from daemon.venues.simulated.model import SimContract

NO_DEFINITION = 200
UNKNOWN = "No security definition has been found for the request"
DUPLICATE_TICKER = 102
UNKNOWN_TICKER = 300
_DOUBLE = 2_000_000_000
"""Added to the contract id of the one that should not be there."""


def one_contract(gateway: Gateway, session: Session, req_id: int, wanted: Values) -> SimContract | None:
    """The one contract that is meant; otherwise the client is told and None comes back. Raises WireError."""
    found = meant(gateway, session, wanted)
    if len(found) == 1:
        return found[0]
    problem = "The contract description specified is ambiguous" if found else UNKNOWN
    gateway.error(session, req_id, NO_DEFINITION, problem)
    return None


def meant(gateway: Gateway, session: Session, wanted: Values) -> list[SimContract]:
    """Every contract that a request's fields allow, unless a fault hides or doubles it. Raises WireError."""
    found = find_contracts(gateway.exchange.contracts, wanted)
    confused = [gateway.faults.hit(ConfuseContract, session.fault_id, contract.instrument) for contract in found]
    told: list[SimContract] = []
    for contract, fault in zip(found, confused, strict=True):
        if fault is None:
            told.append(contract)
        elif fault.how == "ambiguous":
            told.extend((contract, msgspec.structs.replace(contract, con_id=(contract.con_id + _DOUBLE) % 2**31)))
    return told


def details(gateway: Gateway, session: Session, values: Values) -> None:
    """9: every contract that matches, then the end; error 200 when there is none."""
    req_id = integer(values, "req_id")
    contracts = gateway.exchange.contracts
    found = meant(gateway, session, values)
    if not found:
        gateway.error(session, req_id, NO_DEFINITION, UNKNOWN)
        return
    for contract in found:
        fields = contract_details(contract, contracts, gateway.exchange.market.sessions, gateway.exchange.now_us)
        session.say(outgoing.CONTRACT_DETAILS.frame(req_id=req_id, **fields))
    session.say(outgoing.CONTRACT_DETAILS_END.frame(req_id=req_id))


def option_chain(gateway: Gateway, session: Session, values: Values) -> None:
    """78: expiries and strikes of an underlying's options."""
    req_id = integer(values, "req_id")
    options = [c for c in gateway.exchange.contracts if c.kind == "option" and c.symbol == values["symbol"]]
    if options:
        session.say(
            outgoing.OPTION_CHAIN.frame(
                req_id=req_id,
                exchange="SMART",
                underlying_con_id=values["con_id"],
                trading_class=values["symbol"],
                multiplier=options[0].multiplier,
                expirations=tuple(sorted({c.expiry for c in options if c.expiry is not None})),
                strikes=tuple(sorted({c.strike for c in options if c.strike is not None})),
            )
        )
    session.say(outgoing.OPTION_CHAIN_END.frame(req_id=req_id))


def market_data(gateway: Gateway, session: Session, values: Values) -> None:
    """1: the standing quote at once, behind the market's time, and every step from then on."""
    req_id = integer(values, "req_id")
    if req_id in session.market_data:
        gateway.error(session, req_id, DUPLICATE_TICKER, "Duplicate ticker ID")
        return
    contract = one_contract(gateway, session, req_id, values)
    if contract is None:
        return
    refused = gateway.faults.hit(RefuseMarketData, session.fault_id, contract.instrument)
    if refused is not None:
        gateway.error(session, req_id, refused.code, refused.text)
        return
    session.say(
        outgoing.TICK_REQUEST_PARAMS.frame(
            req_id=req_id, min_tick=contract.min_tick, bbo_exchange="", snapshot_permissions=0
        )
    )
    session.market_data[req_id] = contract.instrument
    close = gateway.exchange.previous_close(contract.instrument)
    if close is not None:
        session.say(quote_frames.close_frame(req_id, round(close, 4)))
    if contract.instrument in gateway.exchange.halted:
        gateway.quotes.halt(session, req_id)
    gateway.quotes.first(session, req_id)
    if flag(values, "snapshot"):
        _unsubscribe(session, req_id)
        session.say(outgoing.SNAPSHOT_END.frame(req_id=req_id))
    gateway.probe_or_leave.set()


def cancel_market_data(gateway: Gateway, session: Session, values: Values) -> None:
    """2."""
    req_id = integer(values, "req_id")
    if req_id not in session.market_data:
        gateway.error(session, req_id, UNKNOWN_TICKER, f"Can't find EId with tickerId:{req_id}")
        return
    _unsubscribe(session, req_id)
    gateway.probe_or_leave.set()


def _unsubscribe(session: Session, req_id: int) -> None:
    del session.market_data[req_id]
    session.live = tuple(other for other in session.live if other != req_id)
    session.data_types.pop(req_id, None)
    session.owes_probe = session.owes_probe and bool(session.market_data)


def market_data_type(_gateway: Gateway, _session: Session, values: Values) -> None:
    """59: the simulator has live data, so whatever a client would accept instead is not needed. Raises WireError."""
    integer(values, "data_type")


MARKET_HANDLERS: dict[str, Handler] = {
    "reqContractDetails": details,
    "reqSecDefOptParams": option_chain,
    "reqMktData": market_data,
    "cancelMktData": cancel_market_data,
    "reqMarketDataType": market_data_type,
}
