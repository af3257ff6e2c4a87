"""`synthetic:SEED[:SESSIONS[:YYYY-MM-DD]]`: a made-up market of so many sessions, the same for the same seed.

How it moves is the profile's `simulator.synthetic`; the first day too, unless the spec names one.
"""

import hashlib
from datetime import date

import msgspec

from config.schema import Profile
from config.schema import SyntheticMarket as Settings
from daemon.backtest.feeds.asked import asked_legs, refuse_expired
from daemon.backtest.feeds.sliced import SlicedMarket
from daemon.backtest.feeds.spec import FORMS, Spec, day_of
from daemon.core.events import Session
from daemon.venues.exchange_hours import session_of, sessions_from
from daemon.venues.feeds.errors import FeedError
from daemon.venues.simulated.model import MarketStep, SimContract
from daemon.venues.simulated.synthetic import SyntheticMarket
from state.runs.records import Finding

DEFAULT_SESSIONS = 5
MOST_SESSIONS = 5_000
"""About twenty years."""
_GENERATION = 1
"""Of what makes the prices: raise it with any change after which a seed makes another market."""


class SyntheticFeed:
    """Implements `daemon.backtest.feeds.feed.Feed`."""

    clock_every_ms: int | None = None

    def __init__(self, spec: Spec, profile: Profile) -> None:
        """Raises FeedError: an odd seed, count or day, a day without a session, a leg that is over."""
        self._profile = profile
        self._settings = Settings() if profile.simulator is None else profile.simulator.synthetic
        self._cut = spec.cut
        self._seed, self._count, first = _parse(spec, self._settings, profile)
        self._first = first
        symbol = profile.underlying.symbol
        self.spec = f"synthetic:{self._seed}:{self._count}:{first}{spec.cut or ''}"
        days = "1 session" if self._count == 1 else f"{self._count} sessions"
        legs = len(asked_legs(profile))
        step = f"a price every {self._settings.step_s:g} s"
        self.description = f"{symbol} from {first}, {days}, {step}, {legs} option legs, made up with seed {self._seed}"
        self.data_hash = hashlib.sha256(
            msgspec.json.encode(
                {
                    "generation": _GENERATION,
                    "settings": self._settings,
                    "symbol": symbol,
                    "legs": asked_legs(profile),
                    "seed": self._seed,
                    "sessions": self._count,
                    "first": first,
                    "rate": profile.greeks.risk_free_rate,
                    "calendar": profile.underlying.calendar,
                    "cut": None if spec.cut is None else str(spec.cut),
                }
            )
        ).hexdigest()
        self.rewind()

    def rewind(self) -> None:
        """As the protocol says."""
        self._made = SomeSessions(self._settings, self._profile, self._seed, self._first, self._count)
        self.market = self._made if self._cut is None else SlicedMarket(self._made, self._cut)

    def findings(self) -> tuple[Finding, ...]:
        """Nothing is odd in what is made up."""
        return ()

    def done(self) -> float:
        """0 to 1, by sessions and the time within."""
        return self._made.done()


class SomeSessions:
    """The synthetic market, which never ends, up to the close of the last session asked for."""

    def __init__(self, settings: Settings, profile: Profile, seed: int, first: date, count: int) -> None:
        """Raises FeedError."""
        calendar = profile.underlying.calendar
        try:
            self._market = SyntheticMarket(
                settings,
                symbol=profile.underlying.symbol,
                legs=asked_legs(profile),
                seed=seed,
                start_date=first.isoformat(),
                rate=profile.greeks.risk_free_rate,
                calendar=calendar,
            )
        except ValueError as error:
            raise FeedError(str(error)) from None
        self.contracts: tuple[SimContract, ...] = self._market.contracts
        self.sessions: tuple[Session, ...] = self._market.sessions
        opening = self._market.sessions[0]
        refuse_expired(self.contracts, opening.open_us, first, f"synthetic:{seed}")
        self._calendar = calendar
        self._session = opening
        self._left = count
        self._count = count
        self._now_us = opening.open_us

    def done(self) -> float:
        """0 to 1."""
        if self._left == 0:
            return 1.0
        session = self._session
        within = (self._now_us - session.open_us) / (session.close_us - session.open_us)
        return (self._count - self._left + min(1.0, max(0.0, within))) / self._count

    def next_step(self) -> MarketStep | None:
        """The next moment; the steps of a closed market behind the closing one are left out."""
        while self._left:
            step = self._market.next_step()
            if step.ts_us <= self._session.close_us:
                self.sessions = self._market.sessions
                self._now_us = step.ts_us
                return step
            if not step.is_open:
                continue
            self._left -= 1
            if self._left:
                self.sessions = self._market.sessions
                self._session = sessions_from(step.ts_us, 1, self._calendar)[0]
                self._now_us = step.ts_us
                return step
        return None


def _parse(spec: Spec, settings: Settings, profile: Profile) -> tuple[int, int, date]:
    form = FORMS["synthetic"]
    parts = spec.rest.split(":")
    if len(parts) > 3:
        raise FeedError(f"{spec.text!r} is no made-up market: write {form}")
    if not (parts[0].isascii() and parts[0].isdigit() and len(parts[0]) <= 18):
        raise FeedError(f"{spec.text!r} has the seed {parts[0]!r}, which is no whole number: write {form}")
    count = DEFAULT_SESSIONS
    if len(parts) > 1:
        if not (parts[1].isascii() and parts[1].isdigit() and 1 <= len(parts[1]) <= 5):
            raise FeedError(f"{spec.text!r} has the number of sessions {parts[1]!r}: write {form}")
        count = int(parts[1])
    if not 1 <= count <= MOST_SESSIONS:
        raise FeedError(f"{spec.text!r} asks for {count} sessions: 1 to {MOST_SESSIONS}")
    text = parts[2] if len(parts) == 3 else settings.start_date
    if text is None:
        raise FeedError(
            f"{spec.text!r} has no first day: write synthetic:{parts[0]}:{count}:YYYY-MM-DD, or set "
            "simulator.synthetic.start_date in the profile"
        )
    first = day_of(text, spec.text)
    if session_of(first, profile.underlying.calendar) is None:
        raise FeedError(f"{spec.text!r} begins on {first}, which is no trading day of {profile.underlying.calendar}")
    return int(parts[0]), count, first


def synthetic_days(spec: Spec, profile: Profile) -> tuple[date, ...]:
    """The session days that a spec makes up. Raises FeedError."""
    settings = Settings() if profile.simulator is None else profile.simulator.synthetic
    _, count, first = _parse(spec, settings, profile)
    calendar = profile.underlying.calendar
    opening = session_of(first, calendar)
    found = () if opening is None else sessions_from(opening.open_us, count, calendar)
    days = tuple(date.fromisoformat(each.date) for each in found)
    return days if spec.cut is None else tuple(day for day in days if spec.cut.holds(day))
