"""Which account the desk trades, what kind it is, and its values in USD."""

from collections.abc import Sequence

from config.schema import Profile
from daemon.core.events import AccountKind, AccountReported
from daemon.venues.ib.translate import account_kind, finite_or_none
from daemon.venues.protocol import FatalVenueError

REPORT_EVERY_US = 1_000_000


def choose_account(accounts: Sequence[str], profile: Profile) -> str:
    """The login's one account, or the one that the profile names. Raises FatalVenueError."""
    named = profile.ib.account
    if named is not None:
        if named not in accounts:
            raise FatalVenueError(f"ib.account: {named} is not an account of this login ({', '.join(accounts)})")
        return named
    if len(accounts) != 1:
        raise FatalVenueError(f"ib.account: this login has several accounts ({', '.join(accounts)}); name one")
    return accounts[0]


def check_consent(account: str, kind: AccountKind, profile: Profile) -> None:
    """Refuse what the profile does not allow. Raises FatalVenueError."""
    if profile.simulator is not None and kind != "simulated":
        raise FatalVenueError(
            f"simulator: this profile is for the simulator, but {account} is a {kind} account; "
            "remove the simulator section or correct ib.host and ib.port"
        )
    if kind == "live" and not (profile.live and profile.ib.account == account):
        raise FatalVenueError(
            f"live: {account} is a live account; only `live: true` together with `ib.account: {account}` trades it"
        )


class AccountValues:
    """tag -> USD, gathered from the account's value stream and told at most once a second of `ts`."""

    def __init__(self, account: str) -> None:
        self._account = account
        self._account_type: str | None = None
        self._values_usd: dict[str, float] = {}
        self._changed = False
        self._told_us: int | None = None

    def on_value(self, account: str, tag: str, value: str, currency: str) -> None:
        """One account value. Other accounts and currencies are not ours; of the texts only the type counts."""
        if account != self._account:
            return
        if tag == "AccountType":
            self._account_type = value
        number = finite_or_none(value)
        if currency != "USD" or number is None or self._values_usd.get(tag) == number:
            return
        self._values_usd[tag] = number
        self._changed = True

    def kind(self) -> AccountKind:
        """Simulated, paper or live. Ask only after the whole account has been downloaded."""
        return account_kind(self._account, self._account_type)

    def due(self, now_us: int) -> AccountReported | None:
        """The report to tell now, if values changed and the last one is a second old; the first is asked for."""
        if not self._changed or self._told_us is None or 0 <= now_us - self._told_us < REPORT_EVERY_US:
            return None
        return self.report(now_us)

    def report(self, now_us: int) -> AccountReported:
        """All values as they are known."""
        self._changed, self._told_us = False, now_us
        return AccountReported(ts_us=now_us, values_usd=dict(self._values_usd))
