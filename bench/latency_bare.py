"""The peer: the least that ib_async can do. It places a market order whenever the bid has changed, and nothing else.

No journal, no ledger, no limit, no control file, no check of the link: what is below this is the library's own time.
"""

import argparse

from ib_async import IB, MarketOrder, Stock, Ticker

from bench.latency_market import SYMBOL


def main() -> None:
    """Connect, subscribe, answer each new bid with an order, until the socket ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    options = parser.parse_args()
    ib = IB()
    ib.connect("127.0.0.1", options.port, clientId=77, timeout=20)
    (stock,) = ib.qualifyContracts(Stock(SYMBOL, "SMART", "USD"))
    last_bid = 0.0
    shares = 10

    def on_update(ticker: Ticker) -> None:
        nonlocal last_bid, shares
        if ticker.bid == last_bid or ticker.bid != ticker.bid:
            return
        last_bid, shares = ticker.bid, -shares
        order = MarketOrder("BUY" if shares > 0 else "SELL", abs(shares), tif="DAY")
        ib.placeOrder(stock, order)

    ticker = ib.reqMktData(stock)
    ticker.updateEvent += on_update
    ib.disconnectedEvent += ib.client.disconnect
    while ib.isConnected():
        ib.sleep(0.5)


if __name__ == "__main__":
    main()
