"""From a spec to a feed. The kinds of data that there are stand in `spec.FORMS`."""

from datetime import date
from pathlib import Path

from config.schema import Profile
from daemon.backtest.feeds.asked import refuse_expired_before
from daemon.backtest.feeds.csv_feed import CsvFeed, csv_days
from daemon.backtest.feeds.feed import Feed
from daemon.backtest.feeds.lean_feed import LeanFeed, lean_days
from daemon.backtest.feeds.spec import parse_spec
from daemon.backtest.feeds.synthetic_feed import SyntheticFeed, synthetic_days
from daemon.backtest.feeds.tape_feed import TapeFeed, tape_days
from daemon.venues.exchange_hours import HoursError
from daemon.venues.feeds.errors import FeedError


def open_feed(spec: str, profile: Profile, *, base: Path, root: Path | None = None) -> Feed:
    """The data that a spec names, checked as far as that is possible without stepping through it.

    Args:
        spec: see `spec.FORMS`; a final `#YYYYMMDD-YYYYMMDD` keeps only the sessions of these days.
        profile: whose underlying and legs are wanted, and whose simulated market `synthetic:` makes.
        base: the folder that relative paths start from.
        root: the state folder, for `tape:DESK` by the desk's name; None where there is none.

    Raises FeedError, one line that names the file and the remedy.
    """
    asked = parse_spec(spec)
    try:
        if asked.cut is not None:
            refuse_expired_before(asked.cut, profile, spec)
        if asked.scheme == "lean":
            return LeanFeed(asked, profile, base=base)
        if asked.scheme == "csv":
            return CsvFeed(asked, profile, base=base)
        if asked.scheme == "tape":
            return TapeFeed(asked, profile, base=base, root=root)
        return SyntheticFeed(asked, profile)
    except HoursError as error:
        raise FeedError(str(error)) from None


def session_days(spec: str, profile: Profile, *, base: Path, root: Path | None = None) -> tuple[date, ...]:
    """The session days that the data of a spec has, in order. Raises FeedError."""
    asked = parse_spec(spec)
    try:
        if asked.scheme == "lean":
            return lean_days(asked, profile, base=base)
        if asked.scheme == "csv":
            return csv_days(asked, profile, base=base)
        if asked.scheme == "tape":
            return tape_days(asked, profile, base=base, root=root)
        return synthetic_days(asked, profile)
    except HoursError as error:
        raise FeedError(str(error)) from None
