"""How the simulated venue of a run over history fills: the options that say so, of every such command."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from config.schema import Profile
    from state.runs.records import VenueModel


@dataclass(frozen=True, kw_only=True)
class VenueOptions:
    """What was asked for of the venue, under the names of `VenueModel`; None where nothing was."""

    slippage_bps: Annotated[
        float | None,
        typer.Option(
            "--slippage-bps", min=0, max=1_000, metavar="BPS", help="Market orders: worse than the touch by this. [0]"
        ),
    ] = None
    extra_spread_usd: Annotated[
        float | None,
        typer.Option(
            "--extra-spread-usd", min=0, max=1_000, metavar="USD", help="Added to the stock's quoted spread. [0]"
        ),
    ] = None
    latency_ms: Annotated[
        float | None,
        typer.Option("--latency-ms", min=0, max=3_600_000, metavar="MS", help="From the decision to the exchange. [0]"),
    ] = None
    partial_fill_shares: Annotated[
        float | None,
        typer.Option(
            "--partial-fill-shares",
            min=1,
            max=1e9,
            metavar="SHARES",
            help="Orders fill in slices of at most so many. [whole]",
        ),
    ] = None
    partial_fill_each_step: Annotated[
        bool | None,
        typer.Option(
            "--partial-fill-each-step", help="One slice each market step, not all at once.", show_default=False
        ),
    ] = None
    commission_usd_share: Annotated[
        float | None,
        typer.Option(
            "--commission-usd-share", min=0, max=1_000, metavar="USD", help="Commission of each share. [0.005]"
        ),
    ] = None
    commission_minimum_usd: Annotated[
        float | None,
        typer.Option(
            "--commission-minimum-usd", min=0, max=1_000, metavar="USD", help="Least commission of an order. [1]"
        ),
    ] = None

    def model(self, profile: "Profile") -> "VenueModel":
        """The profile's simulated venue, with what was asked for in its place."""
        import msgspec

        from daemon.backtest.assembly import model_of

        asked = {name: value for name, value in asdict(self).items() if value is not None}
        return msgspec.structs.replace(model_of(profile), **asked)
