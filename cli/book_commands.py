"""`book adopt|release|acknowledge` and `reset`: requests that the daemon answers once, in its journal."""

import secrets
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from cli.errors import CommandError, ExitCode
from cli.options import DeskOption, JsonOption, RootOption, settings
from cli.output import say, say_json

if TYPE_CHECKING:
    from state.records import JournalLine

RequestName = Literal["adopt", "release", "acknowledge", "reset"]
RECEIPT_WITHIN_S = 5.0

book = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
SharesOption = Annotated[
    float, typer.Option("--shares", metavar="N", help="How many shares, with their sign (short is negative).")
]
RatioOption = Annotated[
    float | None,
    typer.Option(
        "--ratio", metavar="R", help="A split or stock dividend: new over old quantity, 2 for two new shares each."
    ),
]
ByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides. Default: the login name.")]
ResetByOption = Annotated[str, typer.Option("--by", metavar="NAME", help="Who decides: a person's name.")]
WhyOption = Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; kept in the journal and the audit.")]
ReceiptOption = Annotated[
    float, typer.Option("--wait", min=0.0, metavar="S", help="How long to wait for the daemon's answer.")
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.add_typer(
        book,
        name="book",
        help="Move shares of the underlying between own and foreign, or acknowledge the foreign ones.",
        short_help="Own and foreign shares: adopt, release, acknowledge",
        epilog="Example: ./bifrost book acknowledge --shares 100 --reason 'my own long-term shares'",
    )
    app.command(
        "reset",
        short_help="End a halt: who and why",
        epilog="Example: ./bifrost reset --by anna --reason 'loss reviewed, limit kept'",
    )(reset)


@book.command("adopt", epilog="Example: ./bifrost book adopt --shares 40 --reason 'hedge bought by hand'")
def adopt(
    context: typer.Context,
    *,
    shares: SharesOption,
    reason: WhyOption,
    by: ByOption = "",
    wait: ReceiptOption = RECEIPT_WITHIN_S,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Foreign shares become own: from then on the desk hedges with them and flattens them.

    Shares that came or went unexplained (an exercise, an assignment) are adopted likewise, legs are taken as found.
    """
    return _Request(context, desk, root, as_json).send("adopt", shares, by, reason, wait)


@book.command("release", epilog="Example: ./bifrost book release --shares 40 --reason 'kept for the long term'")
def release(
    context: typer.Context,
    *,
    shares: SharesOption,
    reason: WhyOption,
    by: ByOption = "",
    wait: ReceiptOption = RECEIPT_WITHIN_S,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Own shares become foreign: from then on they are shown and never touched."""
    return _Request(context, desk, root, as_json).send("release", shares, by, reason, wait)


@book.command("acknowledge", epilog="Example: ./bifrost book acknowledge --shares 100 --reason 'my own shares'")
def acknowledge(
    context: typer.Context,
    *,
    shares: SharesOption,
    reason: WhyOption,
    ratio: RatioOption = None,
    by: ByOption = "",
    wait: ReceiptOption = RECEIPT_WITHIN_S,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """Say that the account's foreign shares are known: the number must be the one that the account shows.

    Legs are accepted as the account holds them. After a split or stock dividend say --ratio too.
    """
    return _Request(context, desk, root, as_json).send("acknowledge", shares, by, reason, wait, ratio=ratio)


def reset(
    context: typer.Context,
    *,
    by: ResetByOption,
    reason: WhyOption,
    wait: ReceiptOption = RECEIPT_WITHIN_S,
    desk: DeskOption = None,
    root: RootOption = None,
    as_json: JsonOption = False,
) -> int:
    """End a halt once its cause measures clear; the desk then synchronises again before it trades."""
    if not by.strip() or not reason.strip():
        raise CommandError("reset needs a person and a reason: --by NAME --reason TEXT", ExitCode.USAGE)
    return _Request(context, desk, root, as_json).send("reset", None, by, reason, wait)


class _Request:
    """One request of one operator to one desk."""

    def __init__(self, context: typer.Context, desk: str | None, root: object, as_json: bool) -> None:
        from pathlib import Path

        self._chosen = settings(context, desk, root if isinstance(root, Path) else None, as_json=as_json)
        self._paths = self._chosen.existing_paths()

    def send(
        self,
        command: RequestName,
        shares: float | None,
        by: str,
        reason: str,
        wait_s: float,
        *,
        ratio: float | None = None,
    ) -> int:
        """Leave the request, wait for its answer; exit 0 done, 1 refused, 7 no answer in time."""
        from math import isfinite

        from cli.commanding import audit, operator
        from cli.receipts import Receipts
        from daemon.runtime.clocks import wall_us
        from state.control import ControlError, write_request
        from state.records import OperatorRequest
        from state.times import iso_from_us

        if shares is not None and not isfinite(shares):
            raise CommandError(f"--shares must be a finite number, not {shares}", ExitCode.USAGE)
        if ratio is not None and not (isfinite(ratio) and ratio > 0):
            raise CommandError(f"--ratio must be a positive number, not {ratio}", ExitCode.USAGE)
        who = by.strip() or operator()
        request = OperatorRequest(
            id=f"{command}-{secrets.token_hex(6)}",
            command=command,
            by=who,
            reason=reason,
            at=iso_from_us(wall_us()),
            shares=shares,
            ratio=ratio,
        )
        receipts = Receipts(self._paths)
        facts = {"request_id": request.id, "shares": shares} | ({} if ratio is None else {"ratio": ratio})
        try:
            write_request(self._paths.requests, request)
        except ControlError as error:
            audit(self._paths, command, "failed", reason, by=who, data=facts)
            raise CommandError(str(error)) from error
        audit(self._paths, command, "requested", reason, by=who, data=facts)
        return self._finish(command, receipts.wait(lambda line: _answers(line, request.id), wait_s), wait_s)

    def _finish(self, command: str, line: "JournalLine | None", wait_s: float) -> int:
        if line is None:
            code = ExitCode.NOT_IN_TIME
            text = f"no answer within {wait_s:g} s; does the daemon run? An unanswered request is refused after 60 s"
        elif line.status == "done":
            code, text = ExitCode.DONE, f"done, journaled as {line.type} (seq {line.seq})"
        else:
            detail = line.data.get("detail") if line.data is not None else None
            code, text = ExitCode.FAILED, f"refused: {detail or line.reason}"
        if self._chosen.as_json:
            answer = {"desk": self._chosen.desk, "command": command, "exit_code": int(code), "text": text}
            say_json(answer | {"receipt": line})
        elif code == ExitCode.DONE:
            say(f"{self._chosen.desk}: {command}: {text}")
        else:
            raise CommandError(f"{self._chosen.desk}: {command}: {text}", code)
        return int(code)


def _answers(line: "JournalLine", request_id: str) -> bool:
    return line.data is not None and line.data.get("request_id") == request_id
