"""The options of `bifrost sweep run` that no other command has."""

from typing import Annotated, Literal

import typer

SweptProfileOption = Annotated[
    str | None,
    typer.Option("--profile", metavar="NAME|FILE", help="Whose keys are varied.", show_default=False),
]
SearchOption = Annotated[
    list[str] | None,
    typer.Option(
        "--search",
        metavar="KEY=LOW:HIGH[:STEP][:log] | KEY=V1,V2,..",
        help="A key and what it may be; may repeat. With log, STEP is a factor.",
        show_default=False,
    ),
]
MethodOption = Annotated[
    Literal["grid", "random", "bayes"],
    typer.Option("--method", help="Every cell, drawn ones, or where the earlier cells point (Optuna's TPE)."),
]
TrialsOption = Annotated[
    int | None,
    typer.Option("--trials", min=1, metavar="N", help="Cells of a random or Bayesian search. [64]", show_default=False),
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Of a random or Bayesian search.")]
ObjectiveOption = Annotated[
    str, typer.Option("--objective", metavar="FIGURE", help="Any figure of a backtest: pnl_usd, sharpe, ...")
]
MinimiseOption = Annotated[bool, typer.Option("--minimise", help="Look for the smallest instead.")]
WalkForwardOption = Annotated[
    int | None,
    typer.Option(
        "--walk-forward",
        min=1,
        metavar="FOLDS",
        help="Choose in sample, tell out of sample, so many times in sequence.",
        show_default=False,
    ),
]
InSampleOption = Annotated[
    int, typer.Option("--in-sample", min=1, metavar="N", help="In-sample window, in out-of-sample windows.")
]
AnchoredOption = Annotated[
    bool, typer.Option("--anchored", help="In-sample windows all begin with the data, instead of rolling.")
]
SplitOption = Annotated[
    float | None,
    typer.Option("--split", metavar="PCT", help="One fold: the first PCT % in sample.", show_default=False),
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
