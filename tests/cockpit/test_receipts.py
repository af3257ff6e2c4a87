from typing import Any

import msgspec
import pytest

from cockpit.reader import Reader
from cockpit.receipts import KEEP_US, Receipt, receipts
from state.control import AssertedCommand, Command
from state.records import AuditLine, JournalLine, JournalType
from state.times import iso_from_us
from tests.support.desk_player import DeskPlayer

T0 = 1_402_000_000_000_000
SECOND = 1_000_000


def line(kind: JournalType, at_s: float, status: str, **data: Any) -> JournalLine:
    at = iso_from_us(T0 + int(at_s * SECOND))
    reason = data.pop("reason", None)
    return JournalLine(
        seq=int(at_s * 100) + 1,
        ts=at,
        wall_ts=at,
        type=kind,
        desk="demo",
        run_id="r",
        status=status,
        reason=reason,
        data=data,
    )


def asserted(name: Command, at_s: float) -> AssertedCommand:
    return AssertedCommand(name=name, since_us=T0 + int(at_s * SECOND), age_ms=0, by="anna")


def audited(action: str, at_s: float, outcome: str = "written") -> AuditLine:
    return AuditLine(
        seq=1, wall_ts=iso_from_us(T0 + int(at_s * SECOND)), source="cockpit", action=action, by="anna", outcome=outcome
    )


def told(
    lines: list[JournalLine],
    *,
    files: tuple[AssertedCommand, ...] = (),
    audit: tuple[AuditLine, ...] = (),
    now_s: float = 5,
) -> tuple[Receipt, ...]:
    return receipts(
        lines,
        audit,
        files,
        now_us=T0 + int(now_s * SECOND),
        reader=Reader(),
        command_line=lambda words: f"./bifrost {words}",
    )


def words(receipt: Receipt) -> list[tuple[str, str]]:
    return [(step.word, step.state) for step in receipt.steps]


STOP = [
    line(JournalType.CONTROL_SEEN, 0.1, "seen", command="stop", by="anna", since_us=T0),
    line(JournalType.CONTROL_STARTED, 0.2, "started", command="stop"),
    line(JournalType.CONTROL_DONE, 0.9, "done", command="stop", reason="stopped"),
]


def test_a_stop_goes_from_written_to_done_with_times() -> None:
    (receipt,) = told(STOP)
    assert words(receipt) == [("written", "done"), ("seen", "done"), ("started", "done"), ("done", "done")]
    assert receipt.state == "done"
    assert receipt.by == "by anna"
    assert receipt.steps[0].time == "20:26:40.000Z"
    assert receipt.steps[1].time == "20:26:40.100Z"


@pytest.mark.parametrize("known", [1, 2])
def test_what_has_not_happened_is_still_to_come(known: int) -> None:
    (receipt,) = told(STOP[:known])
    assert receipt.state == "running"
    assert [state for _, state in words(receipt)] == ["done"] * (known + 1) + ["todo"] * (3 - known)


def test_a_file_that_nobody_sees_turns_red_after_three_seconds_and_not_before() -> None:
    (early,) = told([], files=(asserted("pause", 0),), now_s=2.9)
    assert (early.state, early.shell) == ("running", None)
    (late,) = told([], files=(asserted("pause", 0),), now_s=3.1)
    assert (late.state, late.shell) == ("failed", "./bifrost pause")
    assert "not seen for 3.1 s" in late.steps[1].word


def test_a_file_that_was_seen_is_not_told_twice() -> None:
    assert len(told(STOP[:1], files=(asserted("stop", 0),))) == 1


def test_a_touched_again_flatten_is_a_new_command() -> None:
    lines = [
        line(JournalType.CONTROL_SEEN, 0.1, "seen", command="flatten", since_us=T0),
        line(
            JournalType.CONTROL_REFUSED,
            0.2,
            "refused",
            command="flatten",
            reason="stale_flatten",
            detail="touch it again",
        ),
    ]
    newest, refused = told(lines, files=(asserted("flatten", 4),))
    assert newest.state == "running"
    assert refused.state == "failed"
    assert refused.note == "stale_flatten · touch it again"
    assert words(refused) == [("written", "done"), ("seen", "done"), ("refused", "failed")]


def test_a_flatten_tells_what_is_left_and_its_removal_by_the_daemon_is_no_command() -> None:
    lines = [
        line(JournalType.CONTROL_SEEN, 0.1, "seen", command="flatten", since_us=T0),
        line(JournalType.CONTROL_STARTED, 0.2, "started", command="flatten"),
        line(JournalType.CONTROL_DONE, 2.0, "done", command="flatten", residual_option_delta_shares=-236.8),
        line(JournalType.CONTROL_DONE, 2.1, "released", command="flatten"),
    ]
    (receipt,) = told(lines)
    assert receipt.state == "done"
    assert "236.8 shares" in receipt.note


def test_a_resume_names_who_asked() -> None:
    lines = [
        line(JournalType.CONTROL_SEEN, 0.1, "seen", command="pause", since_us=T0),
        line(JournalType.CONTROL_DONE, 0.1, "done", command="pause"),
        line(JournalType.CONTROL_DONE, 3.0, "released", command="pause"),
    ]
    resume, pause = told(lines, audit=(audited("resume", 2.9),))
    assert (resume.command, resume.by, resume.state) == ("Resume", "by anna", "done")
    assert words(pause)[-1] == ("in force", "done")


def test_a_resume_that_nobody_sees_turns_red() -> None:
    (receipt,) = told([], audit=(audited("resume", 0),), now_s=4)
    assert (receipt.state, receipt.shell) == ("failed", "./bifrost resume")


def test_a_start_may_take_longer_and_ends_with_the_run() -> None:
    (waiting,) = told([], audit=(audited("start", 0),), now_s=10)
    assert waiting.state == "running"
    (running,) = told([line(JournalType.RUN_STARTED, 6, "running")], audit=(audited("start", 0),), now_s=10)
    assert words(running)[-1] == ("running", "done")


def test_old_receipts_leave_the_page_but_open_ones_stay() -> None:
    later_s = KEEP_US / SECOND + 60
    assert told(STOP, now_s=later_s) == ()
    assert len(told(STOP[:2], now_s=later_s)) == 1


def test_a_bot_that_writes_whole_seconds_and_no_start_is_followed() -> None:
    """Another bot's lines: no `since_us`, times to the second, nothing between seeing and having done."""
    lines = [
        line(JournalType.CONTROL_SEEN, 0, "seen", command="stop"),
        line(JournalType.CONTROL_DONE, 0, "done", command="stop"),
    ]
    (receipt,) = told(lines, files=(asserted("stop", 0.788),))
    assert (receipt.state, receipt.by) == ("done", "by anna")
    assert words(receipt) == [("written", "done"), ("seen", "done"), ("done", "done")]
    assert len({step.time for step in receipt.steps}) == 1, "seen must not come before written"


def test_a_file_asserted_again_is_not_taken_for_the_one_that_was_seen() -> None:
    lines = [line(JournalType.CONTROL_SEEN, 0, "seen", command="pause")]
    again, seen = told(lines, files=(asserted("pause", 2),), now_s=3)
    assert (words(again)[1], words(seen)[1]) == (("seen", "todo"), ("seen", "done"))


def test_a_refusal_says_why_and_what_to_do() -> None:
    lines = [
        line(JournalType.CONTROL_SEEN, 0.1, "seen", command="stop", since_us=T0),
        line(JournalType.CONTROL_REFUSED, 9, "unconfirmed", command="stop", reason="stop_unconfirmed", detail="demo.1"),
    ]
    (receipt,) = told(lines, now_s=10)
    assert words(receipt)[-1] == ("NOT confirmed", "failed")
    assert "TWS" in receipt.remedy
    assert receipt.note == "stop_unconfirmed · demo.1"


def requested(action: str, at_s: float, request_id: str = "r-1") -> AuditLine:
    wall = iso_from_us(T0 + int(at_s * SECOND))
    return AuditLine(
        seq=1, wall_ts=wall, source="cockpit", action=action, by="anna", outcome="requested", command_id=request_id
    )


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("reset", JournalType.RESET),
        ("adopt", JournalType.BOOK_ADOPTED),
        ("release", JournalType.BOOK_RELEASED),
        ("acknowledge", JournalType.BOOK_ACKNOWLEDGED),
    ],
)
def test_a_request_is_followed_by_its_id_to_its_answer(action: str, kind: JournalType) -> None:
    answer = line(kind, 0.4, "done", command=action, request_id="r-1", by="Anna Example")
    (receipt,) = told([answer], audit=(requested(action, 0.1),))
    assert (receipt.state, receipt.by) == ("done", "by Anna Example")
    assert words(receipt) == [("written", "done"), ("seen", "done"), ("done", "done")]
    assert receipt.steps[0].time < receipt.steps[1].time
    other = told([answer], audit=(requested(action, 0.1, "r-2"),), now_s=2)
    assert [each.state for each in other] == ["done", "running"], "an answer belongs to its own request"


def test_a_refused_reset_is_red_with_the_daemons_words() -> None:
    refused = line(
        JournalType.CONTROL_REFUSED, 0.4, "refused", command="reset", request_id="r-1", reason="request_refused",
        detail="daily_loss still measures 5012.00 USD, limit 5000.00",
    )  # fmt: skip
    (receipt,) = told([refused], audit=(requested("reset", 0.1),))
    assert words(receipt) == [("written", "done"), ("seen", "done"), ("refused", "failed")]
    assert "still measures 5012.00 USD" in receipt.note


def test_a_request_that_nobody_answers_turns_red_with_its_shell_line() -> None:
    (receipt,) = told([], audit=(requested("adopt", 0),), now_s=4)
    assert (receipt.state, receipt.shell) == ("failed", "./bifrost book adopt --shares N --reason TEXT")


def test_nobody_there_is_said_as_such() -> None:
    found = receipts(
        [], (), (asserted("pause", 0),), now_us=T0 + 9 * SECOND, reader=Reader(), command_line=str, is_live=False
    )
    assert "No daemon answers" in found[0].note


def flattening(*more: JournalLine) -> list[JournalLine]:
    return [
        line(JournalType.CONTROL_SEEN, 0.1, "seen", command="flatten", since_us=T0),
        line(JournalType.CONTROL_STARTED, 0.2, "started", command="flatten", own_shares=240.0, target_shares=0.0),
        *more,
    ]


def test_a_flatten_under_way_tells_how_far_it_is(player: DeskPlayer) -> None:
    player.own_shares = 60.0
    sized = msgspec.structs.replace(
        line(JournalType.FLATTEN_SIZED, 0.3, "sized", target_shares=0.0), side="SELL", quantity=60.0
    )
    (receipt,) = receipts(
        flattening(sized), (), (), now_us=T0 + SECOND, reader=Reader(), command_line=str, snapshot=player.write()
    )
    assert receipt.progress is not None
    assert receipt.progress.done_pct == 75.0
    assert receipt.progress.text == "own +60 → 0 shares · 0 orders working · closing: SELL 60"
    stuck = flattening(sized, line(JournalType.FLATTEN_STUCK, 0.4, "halted", detail="trading in TWX is halted"))
    (red,) = receipts(stuck, (), (), now_us=T0 + SECOND, reader=Reader(), command_line=str)
    assert red.note == "NOT CLOSING: trading in TWX is halted"
    assert red.progress is not None
    assert red.progress.done_pct is None, "without a snapshot nobody knows how far it is"
    (done,) = told(flattening(line(JournalType.CONTROL_DONE, 0.9, "done", command="flatten")))
    assert done.progress is None


def test_a_withdrawn_flatten_is_aborted(player: DeskPlayer) -> None:
    lines = flattening(line(JournalType.FLATTEN_ABORTED, 0.5, "aborted", command="flatten", reason="file removed"))
    (receipt,) = told(lines)
    assert words(receipt)[-1] == ("aborted", "failed")


def test_receipts_speak_chinese() -> None:
    (receipt,) = receipts(STOP, (), (), now_us=T0 + SECOND, reader=Reader(language="zh"), command_line=str)
    assert (receipt.command, receipt.by) == ("停止", "操作人 anna")
    assert [step.word for step in receipt.steps] == ["已写入", "已看到", "已开始", "已完成"]
