"""The official client's decoder reads the simulator's stream as ib_async does, value by value.

Both decoders get the same bytes, and call the same named functions of their wrapper (with a few historical differences,
listed here). Everything that both know is compared: arguments, and the fields of contracts, orders and the like.
"""

import asyncio
import dataclasses
import math
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace

import pytest
from ib_async import IB, LimitOrder, MarketOrder, Option, Stock
from ib_async.decoder import Decoder as LibraryDecoder

from daemon.simulator.contracts import NEW_YORK, WIRE_ZONE
from daemon.simulator.faults import BadGreeks, DelayedData, Halt, PartialFills
from daemon.simulator.server import SimulatorServer
from daemon.simulator.transport import LENGTH
from tests.simulator.conftest import eventually, make_exchange
from tests.support.ib_errors import IbErrorWatch

official = pytest.importorskip("ibapi.decoder", reason="nautilus_ibapi is not installed")

STOCK = Stock("ABC", "SMART", "USD", conId=11)
CALL = Option("ABC", "20140621", 50.0, "C", "SMART", "100", "USD", conId=12)
_UNSET = {2**31 - 1, 2**63 - 1, 1.7976931348623157e308, math.inf}

Call = tuple[str, tuple[object, ...]]

MESSAGES = {
    "tickPrice", "tickSize", "tickString", "tickGeneric", "tickOptionComputation", "marketDataType", "tickReqParams",
    "orderStatus", "openOrder", "openOrderEnd", "completedOrder", "completedOrdersEnd", "execDetails", "execDetailsEnd",
    "commissionReport", "error", "updateAccountValue", "updatePortfolio", "updateAccountTime", "accountDownloadEnd",
    "nextValidId", "managedAccounts", "contractDetails", "contractDetailsEnd", "position", "positionEnd", "pnl",
    "pnlSingle", "accountSummary", "accountSummaryEnd", "accountUpdateMulti", "accountUpdateMultiEnd", "currentTime",
    "securityDefinitionOptionParameter", "securityDefinitionOptionParameterEnd", "historicalData", "historicalSchedule",
}  # fmt: skip
"""What the stream has to contain, so that the comparison is one."""


_NAMES = {"commissionAndFeesReport": "commissionReport"}
"""The official decoder's newer name -> the one that ib_async kept."""
_FIELDS = {"commission": "commissionAndFees", "average": "wap"}
"""ib_async's field -> the official one of another name."""
_NOT_IN_THE_MESSAGE = {
    "openOrder[2].filledQuantity",
    "openOrder[2].routeMarketableToBbo",
    "completedOrder[1].usePriceMgmtAlgo",
}
"""Fields that a message does not carry: the two libraries begin with different values there."""
_SIZE_OF: dict[object, int] = {1: 0, 2: 3, 4: 5, 66: 69, 67: 70, 68: 71}
"""Price tick -> the size tick that the official decoder makes of the size in the same message."""


class Recorder:
    """A wrapper that writes down how it is called."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        # what ib_async's decoder asks of its wrapper to read the time of an execution
        self.ib = SimpleNamespace(TimezoneTWS=None)
        self.defaultTimezone = UTC

    def take(self) -> list[Call]:
        """The calls since the last time."""
        calls, self.calls = self.calls, []
        return calls

    def __getattr__(self, name: str) -> object:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *arguments, **more: self.calls.append((name, (*arguments, *more.values())))


async def recorded_stream(version: int) -> list[bytes]:
    """The payloads that a client hears in a session that asks for everything."""
    data = bytearray()
    async with SimulatorServer(make_exchange(), paced=False, server_version=version) as server:
        ib = IB()
        ib.client.conn.hasData += data.extend
        await ib.connectAsync("127.0.0.1", server.port, clientId=1, timeout=10, raiseSyncErrors=True)
        await ask_for_everything(ib, server)
        ib.disconnect()
        await asyncio.sleep(0)
    payloads = []
    while data:
        (length,) = LENGTH.unpack_from(data)
        payloads.append(bytes(data[LENGTH.size : LENGTH.size + length]))
        del data[: LENGTH.size + length]
    return payloads[1:]  # the first is the handshake


async def ask_for_everything(ib: IB, server: SimulatorServer) -> None:
    """Every answer the simulator knows, and its odder shapes."""
    for contract in (STOCK, CALL):
        await ib.reqContractDetailsAsync(contract)
        ib.reqMktData(contract)
    await ib.reqSecDefOptParamsAsync("ABC", "", "STK", 11)
    await ib.reqAccountSummaryAsync()
    ib.reqPnL(server.exchange.account)
    ib.reqPnLSingle(server.exchange.account, "", 11)
    await ib.whatIfOrderAsync(STOCK, MarketOrder("BUY", 5))
    server.faults.add(PartialFills(slices=(3, 2), rest="cancel", count=1))
    for order in (MarketOrder("BUY", 10, orderRef="d.l.1"), MarketOrder("SELL", 4, orderRef="d.l.2")):
        await eventually(ib.placeOrder(STOCK, order).isDone)
    resting = ib.placeOrder(STOCK, LimitOrder("BUY", 5, 40.01, tif="GTC", orderRef="d.l.3"))
    await eventually(lambda: resting.orderStatus.status == "Submitted")
    server.act(Halt(instruments=("ABC",)))
    server.step()
    server.faults.add(DelayedData(data_type=3, count=2))
    server.faults.add(BadGreeks(how="sentinels", count=1))
    server.step()
    await ib.reqAllOpenOrdersAsync()
    await ib.reqCompletedOrdersAsync(apiOnly=False)
    await ib.reqExecutionsAsync()
    await ib.reqHistoricalDataAsync(STOCK, "", "1 D", "1 min", "MIDPOINT", useRTH=True)
    await ib.reqHistoricalScheduleAsync(STOCK, numDays=5, endDateTime="20140612 00:00:00 US/Eastern")
    await ib.reqCurrentTimeAsync()


class Readers:
    """Both decoders of one server version, and what each calls for a payload."""

    def __init__(self, version: int) -> None:
        self._library_calls, self._official_calls = Recorder(), Recorder()
        self._library = LibraryDecoder(self._library_calls, version)  # type: ignore[arg-type]
        self._official = official.Decoder(self._official_calls, version)

    def by_library(self, payload: bytes) -> list[Call]:
        self._library.interpret(payload.decode().split("\0")[:-1])
        return [call for heard in self._library_calls.take() for call in _as_official(*heard)]

    def by_official(self, payload: bytes) -> list[Call]:
        number, _, rest = payload.partition(b"\0")
        self._official.interpret(tuple(rest.split(b"\0")[:-1]), int(number))
        calls = self._official_calls.take()
        return [(_NAMES.get(name, name), _worth_comparing(name, arguments)) for name, arguments in calls]


def _as_official(name: str, arguments: tuple[object, ...]) -> list[Call]:
    """A call of ib_async's decoder in the words of the official one."""
    if name == "priceSizeTick":
        req_id, tick_type, price, size = arguments
        calls: list[Call] = [("tickPrice", (req_id, tick_type, price))]
        if tick_type in _SIZE_OF:
            calls.append(("tickSize", (req_id, _SIZE_OF[tick_type], size)))
        return calls
    if name == "tickOptionComputation":
        head, values = arguments[:3], arguments[3:]
        return [(name, (*head, *(None if value in (-1.0, -2.0) else value for value in values)))]
    return [(name, arguments)]


def _worth_comparing(name: str, arguments: tuple[object, ...]) -> tuple[object, ...]:
    if name == "tickPrice":
        return arguments[:3]  # ib_async drops the attributes
    if name == "error":
        return arguments[:1] + arguments[2:]  # the time of an error came with later servers
    return arguments


def differences(ours: object, theirs: object, path: str) -> Iterator[str]:
    """Where two values, or the fields that two objects share, are not the same."""
    if isinstance(ours, list | tuple | set):
        pairs = list(ours), list(theirs) if isinstance(theirs, list | tuple | set) else []
        if len(pairs[0]) != len(pairs[1]):
            yield f"{path}: {ours!r} and {theirs!r}"
            return
        for place, (mine, other) in enumerate(zip(*pairs, strict=True)):
            yield from differences(mine, other, f"{path}[{place}]")
        return
    fields = _shared_fields(ours, theirs)
    for mine, other in fields:
        if f"{path}.{mine}" not in _NOT_IN_THE_MESSAGE:
            yield from differences(getattr(ours, mine), getattr(theirs, other), f"{path}.{mine}")
    if not fields and _plain(ours) != _plain(theirs):
        yield f"{path}: {ours!r} and {theirs!r}"


def _shared_fields(ours: object, theirs: object) -> list[tuple[str, str]]:
    if not dataclasses.is_dataclass(ours):
        return []
    known = vars(theirs)
    names = [(field.name, _FIELDS.get(field.name, field.name)) for field in dataclasses.fields(ours)]
    return [(mine, other) for mine, other in names if other in known]


def _plain(value: object) -> object:
    """One spelling for the same thing: unset numbers and empty text are None, every number is a float."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, datetime):
        value = f"{value.astimezone(NEW_YORK):%Y%m%d %H:%M:%S} {WIRE_ZONE}"
    if value is None or value == "":
        return None
    if isinstance(value, Decimal | int | float):
        return None if float(value) in _UNSET else float(value)
    try:
        return float(str(value))
    except ValueError:
        return str(value)


@pytest.mark.parametrize("version", [176, 178])
async def test_two_decoders_read_the_same(
    version: int, ib_errors: IbErrorWatch, caplog: pytest.LogCaptureFixture
) -> None:
    ib_errors.expect("Error 202")
    payloads = await recorded_stream(version)
    found: list[str] = []
    names: set[str] = set()
    readers = Readers(version)
    for payload in payloads:
        ours, theirs = readers.by_library(payload), readers.by_official(payload)
        assert [name for name, _ in ours] == [name for name, _ in theirs], payload
        for (name, mine), (_, other) in zip(ours, theirs, strict=True):
            names.add(name)
            found.extend(differences(mine, other, name))
    assert sorted(set(found)) == []
    assert names >= MESSAGES, f"not in the stream: {MESSAGES - names}"
    assert [record.getMessage() for record in caplog.records if record.name.startswith("ibapi")] == []
