"""The exchange's contracts as the API names them, and the search that a client's half-filled contract starts."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from daemon.core.events import Session
from daemon.simulator.codec import Values, integer, number
from daemon.simulator.transport import WireError
from daemon.venues.simulated.model import SimContract

NEW_YORK = ZoneInfo("America/New_York")
WIRE_ZONE = "US/Eastern"
"""The name that TWS uses for New York."""
PRIMARY_EXCHANGE = "NYSE"
_SEC_TYPES = {"stock": "STK", "option": "OPT"}
_HOURS_DAYS = 8
"""TWS tells a week and a day of hours."""
_EXTENDED_OPEN = "0400"
_EXTENDED_CLOSE = "2000"
_PRICE_TOLERANCE = 1e-6

WireContract = dict[str, object]


def new_york(time_us: int) -> datetime:
    """Microseconds since the epoch as New York time."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).astimezone(NEW_YORK)


def api_time(time_us: int) -> str:
    """`20140605 10:31:00 US/Eastern`."""
    return f"{new_york(time_us):%Y%m%d %H:%M:%S} {WIRE_ZONE}"


def api_moment_us(words: str) -> int:
    """A client's moment in microseconds since the epoch. Raises WireError.

    `20140605 10:00:00[ zone]` (New York where it says none) or `20140605-10:00:00` (UTC).
    """
    parts = words.split()
    try:
        if len(parts) >= 2:
            moment = datetime.strptime(f"{parts[0]} {parts[1]}", "%Y%m%d %H:%M:%S")  # noqa: DTZ007 - zone below
            moment = moment.replace(tzinfo=ZoneInfo(parts[2]) if len(parts) > 2 else NEW_YORK)
        else:
            moment = datetime.strptime(words, "%Y%m%d-%H:%M:%S").replace(tzinfo=UTC)
    except (ValueError, KeyError):
        raise WireError(f"the time {words!r} is not like 20140605 10:00:00") from None
    return int(moment.timestamp()) * 1_000_000


def wire_contract(contract: SimContract, *, exchange: str = "SMART") -> WireContract:
    """The eleven contract fields that orders, executions and positions carry."""
    is_option = contract.kind == "option"
    return {
        "con_id": contract.con_id,
        "symbol": contract.symbol,
        "sec_type": _SEC_TYPES[contract.kind],
        "expiry": contract.expiry,
        "strike": 0.0 if contract.strike is None else contract.strike,
        "right": contract.right,
        "multiplier": contract.multiplier if is_option else "",
        "exchange": exchange,
        "currency": "USD",
        "local_symbol": local_symbol(contract),
        "trading_class": contract.symbol if is_option else "NMS",
    }


def local_symbol(contract: SimContract) -> str:
    """The symbol, or the 21 characters of an option: `TWX   140719C00070000`."""
    if contract.expiry is None or contract.strike is None:
        return contract.symbol
    return f"{contract.symbol:<6}{contract.expiry[2:]}{contract.right}{round(contract.strike * 1000):08d}"


def find_contracts(contracts: Iterable[SimContract], wanted: Values) -> list[SimContract]:
    """All contracts that a request's contract fields allow. Raises WireError when a number is none."""
    return [contract for contract in contracts if _matches(contract, wanted)]


def _matches(contract: SimContract, wanted: Values) -> bool:
    con_id = integer(wanted, "con_id")
    if con_id:
        return con_id == contract.con_id
    if wanted["local_symbol"] and wanted["local_symbol"] != local_symbol(contract):
        return False
    if not wanted["local_symbol"] and wanted["symbol"] != contract.symbol:
        return False
    if wanted["sec_type"] != _SEC_TYPES[contract.kind] or wanted["currency"] not in ("", "USD"):
        return False
    return contract.kind == "stock" or _option_matches(contract, wanted)


def _option_matches(contract: SimContract, wanted: Values) -> bool:
    strike = number(wanted, "strike")
    multiplier = number(wanted, "multiplier")
    expiry = (contract.expiry or "")[: len(wanted["expiry"])]
    return (
        expiry == wanted["expiry"]
        and (not strike or contract.strike is None or abs(strike - contract.strike) < _PRICE_TOLERANCE)
        and (not wanted["right"] or wanted["right"][:1].upper() == contract.right)
        and (not multiplier or multiplier == contract.multiplier)
        and wanted["trading_class"] in ("", contract.symbol)
    )


def contract_details(
    contract: SimContract, contracts: Iterable[SimContract], sessions: Sequence[Session], now_us: int
) -> dict[str, object]:
    """Every field of a contract-details message except the request id."""
    is_option = contract.kind == "option"
    stock = next((c for c in contracts if c.kind == "stock" and c.symbol == contract.symbol), contract)
    fields = wire_contract(contract)
    del fields["expiry"]
    liquid = session_hours(sessions, now_us)
    return fields | {
        "last_trade": contract.expiry,
        "market_name": fields["trading_class"],
        "min_tick": contract.min_tick,
        "order_types": "DAY,GTC,LMT,MKT,WHATIF",
        "valid_exchanges": "SMART" if is_option else f"SMART,{PRIMARY_EXCHANGE}",
        "underlying_con_id": stock.con_id if is_option else 0,
        "long_name": f"{contract.symbol} (simulated)",
        "primary_exchange": "" if is_option else PRIMARY_EXCHANGE,
        "contract_month": contract.expiry[:6] if contract.expiry else "",
        "time_zone": WIRE_ZONE,
        "trading_hours": liquid if is_option else session_hours(sessions, now_us, extended=True),
        "liquid_hours": liquid,
        "underlying_symbol": contract.symbol if is_option else "",
        "underlying_sec_type": "STK" if is_option else "",
        "market_rule_ids": "26",
        "real_expiration": "" if contract.last_trade_us is None else f"{new_york(contract.last_trade_us):%Y%m%d}",
        "stock_type": "" if is_option else "COMMON",
        "min_size": 1,
        "size_increment": 1,
        "suggested_size_increment": 1 if is_option else 100,
    }


def session_hours(sessions: Sequence[Session], now_us: int, *, extended: bool = False) -> str:
    """Hours as TWS writes them, today and the days after: `20140605:0930-20140605:1600;20140607:CLOSED`."""
    by_date = {date.fromisoformat(session.date): session for session in sessions}
    today = new_york(now_us).date()
    days = [today + timedelta(days=ahead) for ahead in range(_HOURS_DAYS)]
    return ";".join(_day_hours(day, by_date.get(day), extended=extended) for day in days)


def _day_hours(day: date, session: Session | None, *, extended: bool) -> str:
    if session is None:
        return f"{day:%Y%m%d}:CLOSED"
    opens = _EXTENDED_OPEN if extended else f"{new_york(session.open_us):%H%M}"
    closes = _EXTENDED_CLOSE if extended else f"{new_york(session.close_us):%H%M}"
    return f"{day:%Y%m%d}:{opens}-{day:%Y%m%d}:{closes}"
