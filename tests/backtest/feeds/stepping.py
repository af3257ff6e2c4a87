"""Steps through a feed as a run does, and what every feed owes whoever does."""

from collections.abc import Callable, Iterator

from daemon.backtest.feeds.feed import Feed
from daemon.venues.feeds.errors import FeedError
from daemon.venues.simulated.model import MarketStep


def steps(feed: Feed, *, whole: bool = True) -> list[MarketStep]:
    """All of them; checks the order of time and that each one lies in the sessions that the market names.

    `whole` False: a slice may end before its data does.
    """
    found = list(_steps(feed))
    times = [step.ts_us for step in found]
    assert times == sorted(set(times)), "time stands still or runs backwards"
    assert feed.done() == 1.0 or not whole
    return found


def _steps(feed: Feed) -> Iterator[MarketStep]:
    while (step := feed.market.next_step()) is not None:
        inside = [each for each in feed.market.sessions if each.open_us <= step.ts_us <= each.close_us]
        assert inside, f"{step.ts_us} lies in no session"
        assert step.is_open == (step.ts_us < inside[0].close_us)
        for quote in step.quotes:
            for side in (quote.bid, quote.ask):
                assert side is None or 0 < side < 199_999
            assert quote.bid is None or quote.ask is None or quote.bid <= quote.ask
        yield step


def counts(feed: Feed) -> dict[str, int]:
    """Code -> how often, over all instruments."""
    found: dict[str, int] = {}
    for finding in feed.findings():
        found[finding.code] = found.get(finding.code, 0) + finding.count
    return found


def refusal(run: Callable[[], object]) -> str | None:
    """What the FeedError says, which must be one line; None where there is none."""
    try:
        run()
    except FeedError as error:
        text = str(error)
    else:
        return None
    assert text
    assert "\n" not in text
    return text
