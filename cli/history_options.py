"""The options that the commands over history share: `backtest`, `sweep run` and `whatif`."""

from typing import Annotated

import typer

_DATA = typer.Option(
    "--data",
    metavar="SPEC",
    help="lean:DIR:SYMBOL:YYYYMMDD[-YYYYMMDD], csv:FILE, tape:PATH or synthetic:SEED[:SESSIONS[:YYYY-MM-DD]].",
)
DataOption = Annotated[str, _DATA]
NewDataOption = Annotated[str | None, _DATA]
"""Where a run that is gone on with has its own."""
SetOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE", help="Another value for a key of the profile; may repeat.", show_default=False
    ),
]
PositionOption = Annotated[
    list[str] | None,
    typer.Option(
        "--position",
        metavar="QUANTITY:call|put:STRIKE:EXPIRY",
        help="What the account starts with, instead of simulator.positions; QUANTITY:stock are shares. May repeat.",
        show_default=False,
    ),
]
RunNameOption = Annotated[
    str | None,
    typer.Option("--name", metavar="RUN_ID", help="The run's name. Default: time and profile.", show_default=False),
]
TitleOption = Annotated[str, typer.Option("--title", metavar="TEXT", help="For people, in lists and reports.")]
PriorityOption = Annotated[
    str,
    typer.Option("--priority", metavar="normal|low", help="low leaves the processor to whoever else wants it."),
]
