"""`why` as text: one sentence that answers, the table of all rules, then what happened next. Made for 3 a.m."""

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from cli.output import cell, coloured, complain, console, say
from cli.why_answer import DASH, Answer, line_text, value_text

if TYPE_CHECKING:
    from state.records import JournalLine


def print_answer(answer: Answer, *, zone: ZoneInfo) -> None:
    """Notes first on stderr: they say how far the rest can be believed."""
    for note in answer.notes:
        complain(f"bifrost: {note}")
    say(coloured(f"At {shown_time(answer.at_us, zone)} {answer.sentence}.", "bold"))
    if answer.explanation is not None:
        _say_state(answer, zone)
    if answer.rules:
        _print_rules(answer)
    if answer.explanation is not None:
        _say_embargoes(answer.explanation.embargoes)
    say()
    for line in answer.decided:
        _say_line("decided", line, answer.at_us)
    if answer.decided:
        _say_life(answer)
    _say_line("before", answer.before, answer.at_us)
    _say_line("after", answer.after, answer.at_us)
    if not answer.decided:
        _say_life(answer)


def shown_time(time_us: int, zone: ZoneInfo) -> str:
    """`2014-06-05 14:03:00Z`, and in brackets the same in the asked zone where that is another."""
    from datetime import UTC, datetime, timedelta

    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=time_us)
    shape = "%Y-%m-%d %H:%M:%S" + (".%f" if moment.microsecond else "")
    utc = moment.strftime(shape) + "Z"
    local = moment.astimezone(zone)
    return utc if local.utcoffset() == timedelta(0) else f"{utc} ({local.strftime('%H:%M:%S')} {zone.key})"


def _say_state(answer: Answer, zone: ZoneInfo) -> None:
    explanation, quote = answer.explanation, answer.quote
    if explanation is None or answer.decided_us is None:
        return
    say()
    ago_s = (answer.at_us - answer.decided_us) / 1e6
    when = "at that moment" if ago_s == 0 else f"{ago_s:.3f} s before, at {shown_time(answer.decided_us, zone)}"
    say(coloured(f"decided {when}, on event {answer.tape_seq} ({answer.event}) of run {answer.run_id}", "dim"))
    say(coloured(f"with the limits of profile {answer.profile}", "dim"))
    if quote is not None:
        prices = f"{_price(quote['bid'])} / {_price(quote['ask'])}, mid {_price(quote['mid'])}"
        spread = value_text(quote["spread_pct"], "pct")
        say(f"quote        {quote['instrument']} {prices}, spread {spread}, {value_text(quote['age_ms'], 'ms')} old")
    numbers = explanation.numbers
    parts = f"options {_signed(numbers.get('option_delta_shares'))} and own {_signed(numbers.get('own_shares'))}"
    target = value_text(numbers.get("target_shares"), "")
    say(f"net delta    {_signed(numbers.get('net_delta_shares'))} shares: {parts}; target {target}")
    size = f"{_signed(numbers.get('wanted_shares'))} shares"
    if numbers.get("size_refusal"):
        of = f"{value_text(numbers.get('size_measured'), '')}, limit {value_text(numbers.get('size_limit'), '')}"
        size = f"none: {numbers['size_refusal']} ({of})"
    say(f"hedge        {size}{', capped' if numbers.get('capped') else ''}")
    say()
    for code in explanation.codes:
        say(f"{code.letter}{code.value} {code.word:<14}{code.measured}")


def _say_embargoes(codes: tuple[str, ...]) -> None:
    """Whatever forbids every order, in the registry's words."""
    from state.reasons import REASONS

    for number, code in enumerate(codes or ("none",)):
        known = REASONS.get(code)
        said = code if known is None else f"{code}: {known.sentence}"
        say(f"{'' if number else 'embargoes':<13}{said}")


def _print_rules(answer: Answer) -> None:
    from rich.table import Table

    say()
    table = Table(box=None, pad_edge=False, header_style="bold")
    needed = answer.explanation is None or answer.explanation.needed
    table.add_column("rule", no_wrap=True)
    table.add_column("measured", justify="right")
    table.add_column("limit", justify="right")
    table.add_column("says" if needed else "would say")
    for name, rule in answer.rules.items():
        says = "ok" if rule.get("ok") else "NO"
        if rule.get("waived"):
            says = "waived"
        unit = rule.get("unit")
        table.add_row(
            *map(cell, (name, value_text(rule.get("measured"), unit), value_text(rule.get("limit"), unit))), says
        )
    console().print(table)


def _say_line(what: str, line: "JournalLine | None", at_us: int) -> None:
    if line is None:
        if what != "decided":
            say(f"{what:<13}nothing was wished for")
        return
    say(f"{what:<13}{line.ts[:19].replace('T', ' ')}Z ({_apart(line, at_us)}): {line_text(line)}  [journal {line.seq}]")


def _apart(line: "JournalLine", at_us: int) -> str:
    from state.times import us_from_iso

    seconds = (us_from_iso(line.ts) - at_us) / 1e6
    if seconds == 0:
        return "just then"
    size = abs(seconds)
    text = f"{size:.3g} s" if size < 60 else f"{size / 60:.0f} min" if size < 5400 else f"{size / 3600:.1f} h"
    return f"{text} {'later' if seconds > 0 else 'earlier'}"


def _say_life(answer: Answer) -> None:
    """What became of the intent of the line above: sent, filled, charged."""
    for line in answer.life:
        _say_event(line, answer.at_us)


def _say_event(line: "JournalLine", at_us: int) -> None:
    data: dict[str, Any] = line.data or {}
    about = [line.status or ""]
    if line.quantity is not None and line.price is not None:
        about = [f"{line.side} {line.quantity:g} at {line.price:g}"]
    elif line.price is not None:
        about = [f"{line.price:g} {line.ccy}"]
    if line.latency_ms is not None:
        about.append(f"{line.latency_ms:.1f} ms after the decision")
    if data.get("slippage_usd") is not None:
        about.append(f"slippage {data['slippage_usd']:.2f} USD")
    if line.reason:
        about.append(line.reason)
    say(f"{'':<13}{_apart(line, at_us)}: {line.type.value} {', '.join(part for part in about if part)}")


def _price(value: object) -> str:
    return DASH if not isinstance(value, int | float) else f"{value:.4f}".rstrip("0").rstrip(".")


def _signed(value: object) -> str:
    return "unknown" if not isinstance(value, int | float) else f"{value:+.1f}"
