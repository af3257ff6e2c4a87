"""What the Health page says of this moment: processes, link, feeds, limits, latency. Pure."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from cockpit import wording
from cockpit.health.cells import fact, facts, left, right, size
from cockpit.health.processes import Found
from cockpit.reader import DASH, Reader
from cockpit.tables import Row, Table, Tone
from state.light import LOOP_OLDEST_MS
from state.look import Look
from state.records import Check, Limit, Snapshot
from state.times import iso_from_us

NEAR_SHARE: Final = 0.85
_START: Final = {
    "daemon": "supervise --profile {profile}",
    "supervisor": "supervise --profile {profile}",
    "simulator": "simulator --profile {profile}",
}


def processes(
    found: Sequence[Found],
    reader: Reader,
    *,
    command: Callable[[str], str],
    profile: str,
    now_us: int,
    is_stopped: bool,
) -> Table:
    """Who runs, who is missing, and what starts the missing one. `is_stopped`: a stop stands, so no daemon may run."""
    commands = {kind: command(words.format(profile=profile)) for kind, words in _START.items()}
    if is_stopped:
        commands["daemon"] = command("start")
    return Table(
        title=reader.say("health.processes.title"),
        aside=reader.say("health.processes.aside"),
        columns=(
            left(reader, "process"),
            left(reader, "state"),
            right(reader, "pid"),
            left(reader, "since"),
            right(reader, "memory"),
            right(reader, "cpu"),
            left(reader, "version"),
            left(reader, "start", wrap=True),
        ),
        rows=tuple(_process(each, reader, commands, now_us, is_stopped=is_stopped) for each in found),
        empty="",
    )


def _process(each: Found, reader: Reader, commands: Mapping[str, str], now_us: int, *, is_stopped: bool) -> Row:
    usage = each.usage
    since = DASH
    if usage is not None:
        up = wording.age((now_us - usage.started_us) / 1000)
        since = f"{reader.day_and_time(iso_from_us(usage.started_us))} ({up})"
    start = ""
    if each.state == "missing":
        start = commands.get(each.kind, "")
    elif each.state == "unknown":
        start = reader.say("health.processes.unknown")
    elif each.state == "unneeded":
        start = reader.say(f"health.processes.no_{each.kind}")
    on_purpose = is_stopped and each.kind == "daemon" and each.state == "missing"
    tone: Tone | None = None
    if each.state == "missing" and not on_purpose:
        tone = "bad" if each.kind == "daemon" else "warn"
    return Row(
        key=each.kind,
        cells=(
            reader.say(f"health.kinds.{each.kind}"),
            reader.say("health.states.stopped") if on_purpose else reader.say(f"health.states.{each.state}"),
            DASH if each.pid is None else str(each.pid),
            since,
            size(None if usage is None else usage.memory_bytes),
            DASH if usage is None else wording.percent(usage.cpu_pct, decimals=1),
            each.version or DASH,
            start,
        ),
        tone=tone,
    )


def link(look: Look, reader: Reader, *, address: str, windows: Sequence[str]) -> Table:
    """The line to the broker, and how old everything is that came over it."""
    snapshot, say = look.snapshot, reader.say
    age = look.light.age_ms
    limit = wording.age(look.light.oldest_ms)
    dead = look.light.state == "not_live"
    rows = [
        fact(
            say("health.link.snapshot"),
            wording.age(age),
            say("health.link.limit", limit=limit) if age is not None else reader.phrase(look.problem or ""),
            tone="bad" if dead else None,
        )
    ]
    if snapshot is not None:
        checks = {check.name: check for check in snapshot.self_check.checks}
        up = checks.get("link")
        client = DASH if snapshot.client_id is None else str(snapshot.client_id)
        rows += [
            fact(
                say("health.link.state"),
                wording.state("link", snapshot.link_state, reader),
                "" if up is None else wording.with_unit(up.name, up.measured, reader),
                tone=None if up is None or up.ok else "bad",
            ),
            fact(say("health.link.client"), client, address),
            _measured(checks.get("probe"), say("health.link.probe"), reader),
            _loop(snapshot, reader),
            *_feeds(snapshot, checks.get("quote_age"), age, reader),
        ]
    rows.append(fact(say("health.link.windows"), ", ".join(windows) or say("health.link.no_windows")))
    return facts(say("health.link.title"), tuple(rows), reader)


def _measured(check: Check | None, name: str, reader: Reader) -> Row:
    if check is None or check.measured is None:
        return fact(name, DASH, reader.say("health.not_measured"))
    limit = "" if check.limit is None else reader.say(
        "health.link.limit", limit=wording.with_unit(check.name, check.limit, reader)
    )  # fmt: skip
    return fact(name, wording.with_unit(check.name, check.measured, reader), limit, tone=None if check.ok else "bad")


def _loop(snapshot: Snapshot, reader: Reader) -> Row:
    age_ms = snapshot.loop_age_ms
    late = age_ms is not None and age_ms > LOOP_OLDEST_MS
    limit = reader.say("health.link.limit", limit=wording.age(LOOP_OLDEST_MS))
    return fact(reader.say("health.link.loop"), wording.age(age_ms), limit, tone="bad" if late else None)


def _feeds(snapshot: Snapshot, check: Check | None, snapshot_ms: float | None, reader: Reader) -> Iterator[Row]:
    """Each quote's age now: what the snapshot says and how old that is. Only the underlying, the first, has a limit."""
    limit = None if check is None else check.limit
    for place, each in enumerate(snapshot.instruments):
        name = reader.say("health.link.feed", symbol=each.symbol)
        if each.quote_age_ms is None:
            yield fact(name, DASH, reader.say("health.link.no_quote"))
            continue
        now_ms = each.quote_age_ms + max(0.0, snapshot_ms or 0.0)
        if place > 0 or not isinstance(limit, int | float):
            yield fact(name, wording.age(now_ms))
            continue
        held_against = reader.say("health.link.limit", limit=wording.age(limit))
        yield fact(name, wording.age(now_ms), held_against, tone="bad" if now_ms > limit else None)


def limits(snapshot: Snapshot | None, reader: Reader) -> Table:
    """How much of each limit is used, and what the next order would make of it."""
    found = () if snapshot is None else snapshot.limits
    return Table(
        title=reader.say("health.limits.title"),
        columns=(
            left(reader, "limit"),
            right(reader, "used"),
            right(reader, "of"),
            right(reader, "share"),
            right(reader, "projected"),
        ),
        rows=tuple(_limit(limit, reader) for limit in found),
        empty=reader.say("health.limits.empty"),
    )


def _limit(limit: Limit, reader: Reader) -> Row:
    worst = max(abs(limit.used), abs(limit.projected or 0.0))
    share = None if limit.limit <= 0 else abs(limit.used) / limit.limit * 100
    near = limit.limit <= 0 or worst >= NEAR_SHARE * limit.limit - 1e-9
    full = limit.limit <= 0 or abs(limit.used) >= limit.limit
    return Row(
        key=limit.name,
        cells=(
            wording.limit_name(limit.name, reader),
            wording.with_unit(limit.name, limit.used, reader),
            wording.with_unit(limit.name, limit.limit, reader),
            wording.percent(share, decimals=0),
            DASH if limit.projected is None else wording.with_unit(limit.name, limit.projected, reader),
        ),
        tone="bad" if full else "warn" if near else None,
    )


def latency(snapshot: Snapshot | None, reader: Reader) -> Table:
    """Percentiles of decision to order on the wire."""
    found = None if snapshot is None else snapshot.latency_ms
    rows: tuple[Row, ...] = ()
    if found is not None:
        figures = (("p50", found.p50), ("p95", found.p95), ("p99", found.p99))
        rows = tuple(fact(name, f"{wording.number(value, decimals=1)} ms") for name, value in figures)
    table = facts(reader.say("health.latency.title"), rows, reader, aside=reader.say("health.latency.aside"))
    return Table(
        title=table.title, aside=table.aside, columns=table.columns[:2],
        rows=tuple(Row(cells=row.cells[:2], key=row.key) for row in rows), empty=reader.say("health.latency.empty"),
    )  # fmt: skip
