# ruff: noqa: RUF001 -- Chinese has its own punctuation
"""What a desk wrote in English, said in the reader's language with its numbers kept."""

import string

import pytest

from cockpit.language import words_of
from cockpit.language.phrases import LONGEST, Phrases
from cockpit.reader import Reader


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


@pytest.mark.parametrize(
    ("english", "chinese"),
    [
        (
            "a hedge of 34 shares (SELL) was refused by cooldown: 12.4 s, limit 60 s",
            "对冲 34 股（SELL）被 cooldown 拒绝：12.4 s，限值 60 s",
        ),
        (
            "no hedge was needed: net delta +1.6 was inside the band of 5 shares; besides, reject_backoff until 10:00Z",
            "无需对冲：净 Delta +1.6 在 5 股的区间之内；此外，被拒后的退避至 10:00Z",
        ),
        (
            "volatility 12.3 % a year, efficiency unknown; tick 240 ms old, stale from 15000 ms",
            "波动率 每年 12.3 %，效率 未知；行情 240 ms 前，15000 ms 起为陈旧",
        ),
        (
            "daily_loss: loss 12.00 USD, limit 10.00; 2 of 10 reducing orders sent",
            "当日亏损：亏损 12.00 USD，限额 10.00；已发送 2 笔减仓订单，上限 10 笔",
        ),
        (
            "the market is closed; the next session opens 2026-01-06T14:30:00.000000Z; touch it again then",
            "市场休市；下一交易时段于 2026-01-06T14:30:00.000000Z 开始；届时请重新 touch",
        ),
        ("DOWN: connecting to 127.0.0.1:7497", "DOWN：正在连接 127.0.0.1:7497"),
    ],
)
def test_a_desks_sentences_are_said_with_their_numbers(english: str, chinese: str) -> None:
    assert Reader(language="zh").phrase(english) == chinese


def test_an_operators_own_words_are_kept_whatever_they_are() -> None:
    said = Reader(language="zh").phrase("the desk was paused by anna since 10:00Z (known; not yet)")
    assert said == "交易台由 anna 暂停，自 10:00Z 起（known; not yet）"


def test_a_very_long_text_is_left_alone_at_once() -> None:
    text = "written 4.2 s ago, limit 3.0 s" + "!" * LONGEST
    assert Reader(language="zh").phrase(text) == text


def test_numbers_and_names_of_a_sentence_are_kept() -> None:
    reader = Reader(language="zh")
    assert reader.phrase("written 4.2 s ago, limit 3.0 s") == "4.2 s 前写入，限值 3.0 s"
    said = reader.phrase("by anna since 2026-11-21T10:00:00.000000Z: The market is closed.")
    assert said == "由 anna 执行，自 2026-11-21T10:00:00.000000Z 起：The market is closed."


def test_a_sentence_within_a_sentence_and_joined_ones_are_said_too() -> None:
    reader = Reader(language="zh")
    assert reader.phrase("closing: 5 tries to close in a row moved nothing, last: margin") == (
        "正在平仓：连续 5 次平仓没有进展，最近一次：margin"
    )
    assert reader.phrase("the client's queue holds requests; 2 complaints of the venue") == (
        "客户端队列中有等待的请求；交易场所抱怨 2 次"
    )


def test_what_no_catalogue_knows_stays_as_it_is() -> None:
    reader = Reader(language="zh")
    assert reader.phrase("Order rejected - reason: {0} <b>margin</b>") == "Order rejected - reason: {0} <b>margin</b>"
    assert reader.phrase("") == ""
    assert Reader().phrase("The market is closed.") == "The market is closed."


def test_a_number_is_no_other_text() -> None:
    phrases = Phrases({"used {n} of {n2}": "{n}/{n2}", "{code} of {n}": "{code}:{n}", "at {at}": "@{at}"})
    assert phrases("used 1,600 of -2e-05") == "1,600/-2e-05"
    assert phrases("used some of 3") == "used some of 3"
    assert phrases("max_position of 3") == "max_position:3"
    assert phrases("at {n} o'clock") == "@{n} o'clock"


def test_each_sentence_uses_its_own_places_only() -> None:
    odd = {
        english: said for english, said in words_of("zh").area("phrases").items() if not places(said) <= places(english)
    }
    assert odd == {}
