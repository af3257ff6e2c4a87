"""The options of `bifrost sweep run` that no other command has: what is searched and how, and by whom."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from daemon.backtest.sweep.planning import Asked

SweptProfileOption = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME|FILE", help="Whose keys are varied.", show_default=False),
]
WorkersOption = Annotated[
    int | None,
    typer.Option("--workers", min=1, metavar="N", help="Processes. Default: every core.", show_default=False),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler", metavar="tcp://HOST:PORT", help="A Dask cluster instead of processes.", show_default=False
    ),
]
ResumeOption = Annotated[
    str | None,
    typer.Option("--resume", metavar="RUN_ID", help="Go on with a sweep that was interrupted.", show_default=False),
]


@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """The space, the way through it, and the split of the data."""

    search: Annotated[
        list[str] | None,
        typer.Option(
            "--search",
            metavar="KEY=LOW:HIGH[:STEP][:log] | KEY=V1,V2,..",
            help="A key and what it may be; may repeat. With log, STEP is a factor.",
            show_default=False,
        ),
    ] = None
    method: Annotated[
        Literal["grid", "random", "bayes"],
        typer.Option("--method", help="Every cell, drawn ones, or where the earlier cells point (Optuna's TPE)."),
    ] = "grid"
    trials: Annotated[
        int | None,
        typer.Option(
            "--trials", min=1, metavar="N", help="Cells of a random or Bayesian search. [64]", show_default=False
        ),
    ] = None
    seed: Annotated[int, typer.Option("--seed", min=0, help="Of a random or Bayesian search.")] = 0
    objective: Annotated[
        str, typer.Option("--objective", metavar="FIGURE", help="Any figure of a backtest: pnl_usd, sharpe, ...")
    ] = "pnl_usd"
    minimise: Annotated[bool, typer.Option("--minimise", help="Look for the smallest instead.")] = False
    walk_forward: Annotated[
        int | None,
        typer.Option(
            "--walk-forward",
            min=1,
            metavar="FOLDS",
            help="Choose in sample, tell out of sample, so many times in sequence.",
            show_default=False,
        ),
    ] = None
    in_sample: Annotated[
        int, typer.Option("--in-sample", min=1, metavar="N", help="In-sample window, in out-of-sample windows.")
    ] = 3
    anchored: Annotated[
        bool, typer.Option("--anchored", help="In-sample windows all begin with the data, instead of rolling.")
    ] = False
    split: Annotated[
        float | None,
        typer.Option("--split", metavar="PCT", help="One fold: the first PCT % in sample.", show_default=False),
    ] = None

    def asked(self, *, run_id: str, data: str, title: str, workers: int, scheduler: str | None) -> "Asked":
        """The same as the sweep's planning takes it."""
        from daemon.backtest.sweep.planning import Asked

        return Asked(
            run_id=run_id,
            search=self.search or (),
            method=self.method,
            objective=self.objective,
            data=data,
            title=title,
            trials=self.trials,
            seed=self.seed,
            maximise=not self.minimise,
            folds=self.walk_forward,
            ratio=self.in_sample,
            anchored=self.anchored,
            split_pct=self.split,
            workers=workers,
            scheduler=scheduler,
        )
