"""Every request that is served, by its name in `incoming.REQUESTS`; what each answers is in the four modules."""

from daemon.simulator.account_requests import ACCOUNT_HANDLERS
from daemon.simulator.history_requests import HISTORY_HANDLERS
from daemon.simulator.market_requests import MARKET_HANDLERS
from daemon.simulator.order_requests import ORDER_HANDLERS
from daemon.simulator.serving import Handler

HANDLERS: dict[str, Handler] = ACCOUNT_HANDLERS | MARKET_HANDLERS | HISTORY_HANDLERS | ORDER_HANDLERS
