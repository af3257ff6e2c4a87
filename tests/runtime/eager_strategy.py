"""A strategy that buys ten shares at every chance, up to a number of orders: it makes the runtime work."""

from typing import Any

from daemon.core.attribution import Sensitivity
from daemon.core.book import Book
from daemon.core.events import AnyEvent
from daemon.core.strategy import Decision, Explanation, Marks, Wish
from state.records import Check, Limit


class EagerStrategy:
    """Implements `daemon.core.strategy.Strategy`."""

    name = "eager"
    state_type = dict

    def __init__(self, hedges: int) -> None:
        self.hedges = hedges

    def initial(self) -> dict[str, int]:
        return {}

    def observe(self, state: Any, book: Book, event: AnyEvent) -> Any:
        return state

    def decide(self, state: Any, book: Book) -> Decision:
        from daemon.core.book import embargoes

        quote = book.quote()
        ready = not embargoes(book) and book.daemon_state == "running" and not book.in_flight()
        if quote is None or quote.mid is None or not ready or book.ledger.hedges_today >= self.hedges:
            return Decision(state=state)
        wish = Wish(
            instrument=book.underlying,
            side="BUY",
            quantity=10.0,
            state_code="O1 D2 M1 L0 E0 S0",
            reason="eager",
            decision_mid=quote.mid,
        )
        return Decision(state=state, wish=wish)

    def explain(self, state: Any, book: Book) -> Explanation:
        return Explanation(
            sentence="the test decides",
            needed=False,
            refused=None,
            state_code="O1",
            codes=(),
            embargoes=(),
            numbers={},
            rules=(),
        )

    def marks(self, state: Any, book: Book) -> Marks:
        quote = book.quote()
        return Marks({} if quote is None or quote.mid is None else {book.underlying: quote.mid})

    def sensitivities(self, state: Any, book: Book) -> tuple[Sensitivity, ...]:
        return ()

    def legs(self, state: Any, book: Book) -> tuple[str, ...]:
        return ()

    def legs_changed(self, state: Any, book: Book) -> Any:
        return state

    def option_delta_shares(self, state: Any, book: Book) -> float | None:
        return 0.0

    def other_option_delta_shares(self, state: Any, book: Book) -> float | None:
        return 0.0

    def checks(self, state: Any, book: Book) -> tuple[Check, ...]:
        return ()

    def limits(self, state: Any, book: Book) -> tuple[Limit, ...]:
        return ()

    def present(self, state: Any, book: Book) -> dict[str, Any]:
        return {"name": self.name, "greeks": {"net_delta_shares": book.ledger.own_shares}}
