"""Every answer of `explain` in words. That it agrees with `decide` is tried on a real run, in tests/cli/test_why.py."""

import pytest

from daemon.core.book import ControlState
from daemon.core.events import ControlFile
from daemon.core.guard import RULES
from daemon.core.ledger import Halt
from daemon.core.link_fsm import LinkState
from daemon.core.order_life import OrderState
from daemon.core.strategy import Explanation
from tests.support.scalper import CLOSE, NOON, Desk, S, ready


def explain(desk: Desk) -> Explanation:
    return desk.strategy.explain(desk.state, desk.book)


def pause(**fields: str) -> ControlState:
    return ControlState(pause=ControlFile(name="pause", since_us=NOON, age_ms=0.0, **fields))  # type: ignore[arg-type]


def test_in_band() -> None:
    found = explain(ready())
    assert found.sentence == "no hedge was needed: net delta +0.0 was inside the band of 10 shares"
    assert (found.needed, found.refused, found.embargoes) == (False, None, ())
    assert len(found.rules) == len(RULES)
    assert [code.letter for code in found.codes] == list("ODMLES")
    assert found.state_code == " ".join(f"{code.letter}{code.value}" for code in found.codes)


def test_out_of_band_but_below_the_threshold() -> None:
    desk = ready()
    desk.own_to(12.0)
    assert explain(desk).sentence == (
        "no hedge was needed: net delta +12.0 was out of the band of 10 shares, but below the 25 that need a hedge"
    )


def test_around_a_target_of_its_own() -> None:
    desk = ready(execution__target_shares=100.0)
    desk.own_to(103.0)
    assert "net delta +103.0 was inside the band of 10 shares around 100" in explain(desk).sentence


def test_needed_and_allowed() -> None:
    desk = ready()
    desk.own_to(31.0)
    found = explain(desk)
    assert found.sentence == "a hedge of 31 shares (SELL) was needed and allowed to leave"
    assert (found.needed, found.refused) == (True, None)
    assert found.numbers["wanted_shares"] == -31.0


def test_refused_by_a_rule_with_its_numbers() -> None:
    desk = ready(gates__intent__hedge__cooldown_seconds=60)
    desk.put_ledger(last_hedge_sent_us=desk.book.ts_us - round(12.4 * S))
    desk.own_to(-31.0)
    found = explain(desk)
    assert found.sentence == "a hedge of 31 shares (BUY) was refused by cooldown: 12.4 s, limit 60 s"
    assert found.refused == "cooldown"


def test_refused_by_its_size() -> None:
    desk = ready(gates__intent__hedge__min_hedge_shares=40)
    desk.own_to(31.0)
    assert explain(desk).sentence == "a hedge was refused by min_hedge_shares: 31 shares, limit 40 shares"


def test_a_pause_is_named_with_who_and_why_whether_or_not_a_hedge_is_needed() -> None:
    desk = ready()
    desk.put(control=pause(by="anna", reason="lunch"))
    who = "the desk was paused by anna since 2014-06-05T16:00:00Z (lunch)"
    assert explain(desk).sentence.endswith(f"inside the band of 10 shares; besides, {who}")
    desk.own_to(31.0)
    assert explain(desk).sentence == f"a hedge of 31 shares (SELL) was refused: {who}"
    assert explain(desk).embargoes == ("paused",)


def test_a_bare_touch_is_named_without_a_name() -> None:
    desk = ready()
    desk.own_to(31.0)
    desk.put(control=pause())
    assert explain(desk).sentence.endswith("refused: the desk was paused since 2014-06-05T16:00:00Z")


def test_a_halt_is_named_with_its_detail() -> None:
    desk = ready()
    desk.own_to(31.0)
    desk.put_ledger(halts=(Halt(code="daily_loss", since_us=NOON, detail="loss 5000.00 USD, limit 5000.00"),))
    found = explain(desk)
    assert "the halt daily_loss stood since 2014-06-05T16:00:00Z (loss 5000.00 USD, limit 5000.00)" in found.sentence
    assert found.codes[-1].word == "risk halt"


def test_the_reject_back_off_says_until_when() -> None:
    desk = ready()
    desk.own_to(31.0)
    desk.put_ledger(reject_until_us=desk.book.ts_us + 5 * S)
    assert ": reject_backoff until 2014-06-05T16:00:05Z" in explain(desk).sentence


def test_another_embargo_is_named_by_its_code() -> None:
    desk = ready()
    desk.own_to(31.0)
    desk.put(unknown_orders=("test.L.1",))
    assert explain(desk).sentence.endswith("was refused: unknown_outcome forbade every hedge")


def test_a_hedge_under_way() -> None:
    desk = ready()
    desk.own_to(31.0)
    desk.order(OrderState.PARTIAL, quantity=31.0, filled=10.0)
    assert explain(desk).sentence == "a hedge was under way: SELL 31 shares, partial, 10 of 31 filled"


def test_the_link() -> None:
    desk = ready()
    desk.put_link(state=LinkState.DOWN, reason="connection refused")
    assert explain(desk).sentence == "nothing could be hedged: the link to the broker was DOWN (connection refused)"
    desk.put_link(state=LinkState.SYNCED)
    desk.put(reconciled=False)
    assert explain(desk).sentence == "nothing could be hedged: broker and book were not reconciled yet"


def test_no_legs_and_no_greeks() -> None:
    assert explain(ready(quantity=0.0)).sentence == "there was nothing to hedge: no option leg was held"
    desk = Desk(greeks__volatility="implied")
    desk.quote(70.0)
    assert explain(desk).sentence == "nothing could be hedged: net delta was unknown, a held leg had no greeks"
    assert explain(desk).codes[5].word == "greeks bad"


def test_a_closed_market_names_the_next_session() -> None:
    desk = ready()
    desk.own_to(31.0)
    desk.clock((CLOSE - desk.book.ts_us) / S + 1)
    sentence = explain(desk).sentence
    assert "was refused by outside_rth: the market was closed, the next session opens 2014-06-06T13:30:00Z" in sentence


@pytest.mark.parametrize(("delay_ms", "refused"), [(0.0, None), (5000.0, "data_lag")])
def test_a_code_that_forbids_is_named(delay_ms: float, refused: str | None) -> None:
    desk = ready()
    desk.own_to(31.0)
    desk.quote(70.0, delay_ms=delay_ms)
    found = explain(desk)
    assert found.refused == refused
    assert found.sentence.endswith("allowed to leave" if refused is None else "was refused by data_lag")
