"""How much a flatten closes: the target, the way to it on the venue's steps, and the dust that no order can close."""

import math

from config.schema import Profile
from daemon.core.book import Book
from daemon.core.instruments import TOLERANCE, floor_to_step, round_half_away
from daemon.core.strategy import Strategy


def target_shares(profile: Profile, strategy: Strategy, book: Book) -> float:
    """Own shares that a flatten ends with: none, or as many as offset the options (`flatten_target: matched`)."""
    if profile.control.flatten_target == "zero":
        return 0.0
    delta = strategy.option_delta_shares(book.strategy, book)
    if delta is None:
        return book.ledger.own_shares  # without a delta there is nothing to match: stay
    return round_half_away(-delta)


def size_is_known(book: Book) -> bool:
    """Whether the venue has told the stock's smallest order and its step."""
    spec = book.spec()
    return spec is not None and spec.size_step is not None and spec.min_size is not None


def distance_shares(book: Book, target: float) -> float:
    """Shares to trade to the target, negative to sell; dust below the venue's smallest order counts as none."""
    distance = target - book.ledger.own_shares
    spec = book.spec()
    if spec is None or spec.size_step is None or spec.min_size is None:
        return distance
    size = floor_to_step(abs(distance), spec.size_step)
    return 0.0 if size < spec.min_size - TOLERANCE else math.copysign(size, distance)


def dust_left(book: Book) -> float | None:
    """Own shares that the last flatten had to leave; None once they changed, or the operator went on (`resume`)."""
    left = book.ledger.dust_own_shares
    return left if left is not None and abs(left - book.ledger.own_shares) <= TOLERANCE else None
