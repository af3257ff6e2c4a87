"""Answers about the session, the account and its positions."""

from daemon.simulator import outgoing, publishing
from daemon.simulator.codec import Values, flag, integer
from daemon.simulator.contracts import find_contracts
from daemon.simulator.faults import ClientIdInUse
from daemon.simulator.gateway import CLIENT_ID_IN_USE, Gateway
from daemon.simulator.serving import INVALID_REQUEST, Handler
from daemon.simulator.sessions import Session
from daemon.simulator.upstream import LOST_TEXT

_FARMS = (
    (2104, "Market data farm connection is OK:simulator"),
    (2106, "HMDS data farm connection is OK:simulator"),
    (2158, "Sec-def data farm connection is OK:simulator"),
)


def start_api(gateway: Gateway, session: Session, values: Values) -> None:
    """71: who the client is. A second one with the same id is told so and closed."""
    client_id = integer(values, "client_id")
    if gateway.session_of(client_id) is not None or gateway.faults.hit(ClientIdInUse, client_id) is not None:
        gateway.error(session, -1, CLIENT_ID_IN_USE, "Unable to connect as the client id is already in use.")
        session.flush()
        session.link.close(f"client id {client_id} is in use")
        return
    session.client_id = client_id
    managed_accounts(gateway, session, values)
    next_ids(gateway, session, values)
    if gateway.upstream.lost_code is not None:
        gateway.error(session, -1, gateway.upstream.lost_code, LOST_TEXT)
        return
    for code, text in _FARMS:
        gateway.error(session, -1, code, text)


def managed_accounts(gateway: Gateway, session: Session, _values: Values) -> None:
    """17: the one account; a trailing comma as TWS sends it."""
    session.say(outgoing.MANAGED_ACCOUNTS.frame(accounts=f"{gateway.exchange.account},"))


def next_ids(gateway: Gateway, session: Session, _values: Values) -> None:
    """8: the lowest order id that was never used."""
    session.say(outgoing.NEXT_VALID_ID.frame(order_id=gateway.next_order_id(session)))


def current_time(gateway: Gateway, session: Session, _values: Values) -> None:
    """49: the market's time; also the probe by which a client says that it has digested the last stamp."""
    session.say(outgoing.CURRENT_TIME.frame(seconds=gateway.exchange.now_us // 1_000_000))
    gateway.probed(session)


def account_updates(gateway: Gateway, session: Session, values: Values) -> None:
    """6: account values and portfolio, now and from now on; or no more."""
    session.wants_account = flag(values, "subscribe")
    if session.wants_account and _is_ours(gateway, session, -1, values["account"]):
        gateway.say_account(session)
        session.say(outgoing.ACCOUNT_DOWNLOAD_END.frame(account=gateway.exchange.account))


def account_updates_multi(gateway: Gateway, session: Session, values: Values) -> None:
    """76: account values under a request id, once; those who want them repeated subscribe with 6 or 62."""
    req_id = integer(values, "req_id")
    if not _is_ours(gateway, session, req_id, values["account"]):
        return
    for key, value, currency in publishing.account_items(gateway.exchange.account_values()):
        session.say(
            outgoing.ACCOUNT_MULTI.frame(
                req_id=req_id,
                account=gateway.exchange.account,
                model=values["model"],
                key=key,
                value=value,
                currency=currency,
            )
        )
    session.say(outgoing.ACCOUNT_MULTI_END.frame(req_id=req_id))


def account_summary(gateway: Gateway, session: Session, values: Values) -> None:
    """62: some account values, now and from now on."""
    req_id = integer(values, "req_id")
    tags = frozenset(tag.strip() for tag in values["tags"].split(","))
    session.summaries[req_id] = tags
    gateway.say_summary(session, req_id, tags)


def cancel_account_summary(_gateway: Gateway, session: Session, values: Values) -> None:
    """63."""
    session.summaries.pop(integer(values, "req_id"), None)


def positions(gateway: Gateway, session: Session, _values: Values) -> None:
    """61: all positions, then their end; changes follow until they are cancelled."""
    session.wants_positions = True
    for position in gateway.exchange.positions():
        if position.quantity != 0:
            contract = gateway.contract(position.instrument)
            session.say(publishing.position_frame(position, contract, gateway.exchange.account))
    session.say(outgoing.POSITION_END.frame())


def cancel_positions(_gateway: Gateway, session: Session, _values: Values) -> None:
    """64."""
    session.wants_positions = False


def pnl(gateway: Gateway, session: Session, values: Values) -> None:
    """92: the account's P&L of the day, now and from now on."""
    req_id = integer(values, "req_id")
    if _is_ours(gateway, session, req_id, values["account"]):
        session.pnl.add(req_id)
        gateway.say_pnl(session, req_id)


def cancel_pnl(_gateway: Gateway, session: Session, values: Values) -> None:
    """93."""
    session.pnl.discard(integer(values, "req_id"))


def pnl_single(gateway: Gateway, session: Session, values: Values) -> None:
    """94: one position's P&L of the day, now and from now on."""
    req_id = integer(values, "req_id")
    if not _is_ours(gateway, session, req_id, values["account"]):
        return
    wanted = {"con_id": values["con_id"], "symbol": "", "local_symbol": "", "sec_type": "", "currency": ""}
    found = find_contracts(gateway.exchange.contracts, wanted)
    if not found:
        gateway.error(session, req_id, INVALID_REQUEST, f"Error validating request: no contract {values['con_id']}")
        return
    session.pnl_single[req_id] = found[0].instrument
    gateway.say_pnl_single(session, req_id, found[0].instrument)


def cancel_pnl_single(_gateway: Gateway, session: Session, values: Values) -> None:
    """95."""
    session.pnl_single.pop(integer(values, "req_id"), None)


def log_level(_gateway: Gateway, _session: Session, _values: Values) -> None:
    """14: the simulator's own log has one level."""


def _is_ours(gateway: Gateway, session: Session, req_id: int, account: str) -> bool:
    if account in ("", gateway.exchange.account):
        return True
    gateway.error(session, req_id, INVALID_REQUEST, f"Error validating request: the account {account} is not managed")
    return False


ACCOUNT_HANDLERS: dict[str, Handler] = {
    "startApi": start_api,
    "reqManagedAccts": managed_accounts,
    "reqIds": next_ids,
    "reqCurrentTime": current_time,
    "reqAccountUpdates": account_updates,
    "reqAccountUpdatesMulti": account_updates_multi,
    # what was said once has no end to cancel
    "cancelAccountUpdatesMulti": log_level,
    "reqAccountSummary": account_summary,
    "cancelAccountSummary": cancel_account_summary,
    "reqPositions": positions,
    "cancelPositions": cancel_positions,
    "reqPnL": pnl,
    "cancelPnL": cancel_pnl,
    "reqPnLSingle": pnl_single,
    "cancelPnLSingle": cancel_pnl_single,
    "setServerLogLevel": log_level,
}
